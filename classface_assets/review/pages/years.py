"""School years: which folder of the photos belongs to which, why, and setting it by hand."""

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.school_years.folders import NO_YEAR
from classface_assets.core.school_years.names import first_year
from classface_assets.review.api.common import AtDesk
from classface_assets.review.pages.components.layout import Text, here, page, page_router, wants_json
from classface_assets.services.school_years import Certainty, dated_folders, set_year_of, unset_year_of, year_notes

router = page_router()


@router.get("/years")
def years(request: Request, desk: AtDesk) -> Response:
    """The folders, those first whose school year is a guess."""
    folders = sorted(dated_folders(desk.layout), key=lambda one: (one.certainty != Certainty.GUESS, one.folder))
    shown = [
        {
            "folder": one.folder,
            "year": one.year,
            "certainty": one.certainty,
            "reason": one.reason,
            "by_hand": one.certainty == Certainty.BY_HAND,
            "value": one.year if first_year(one.year) else NO_YEAR,
        }
        for one in folders
    ]
    guesses = sum(one.certainty == Certainty.GUESS for one in folders)
    notes = [line for line in year_notes(desk.layout)[-2:] if line.startswith(("A school year", "Left out"))]
    return page(request, desk, "years.html.j2", folders=shown, guesses=guesses, notes=notes)


@router.post("/years/set")
def set_(request: Request, desk: AtDesk, folder: Text, year: Text = "", back: Text = "/years") -> Response:
    """Set the school year of a folder."""
    key = set_year_of(desk.layout, folder, year)
    return _done(request, f"{folder}: {key}, from the next run on", back)


@router.post("/years/unset")
def unset(request: Request, desk: AtDesk, folder: Text, back: Text = "/years") -> Response:
    """Let the folder's name tell its school year again."""
    unset_year_of(desk.layout, folder)
    return _done(request, f"{folder}: as its name says, from the next run on", back)


def _done(request: Request, message: str, back: str) -> Response:
    if wants_json(request):
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse(here(back), 303)
