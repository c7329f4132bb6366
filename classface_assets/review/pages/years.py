"""School years: which folder of the photos belongs to which, why, and setting it by hand."""

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.school_years.folders import NO_YEAR
from classface_assets.core.school_years.names import first_year
from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json
from classface_assets.services.school_years import (
    Certainty,
    dated_folders,
    set_folder_year,
    unset_folder_year,
    year_notes,
)

router = page_router()


@router.get("/years")
def years(request: Request, desk: Context) -> Response:
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
    return render_page(request, desk, "years.html.j2", folders=shown, guesses=guesses, notes=notes)


@router.post("/years/set")
def set_(request: Request, desk: Context, folder: FormText, year: FormText = "", back: FormText = "/years") -> Response:
    """Set the school year of a folder."""
    key = set_folder_year(desk.layout, folder, year)
    return _change_response(request, f"{folder}: {key}, from the next run on", back)


@router.post("/years/unset")
def unset(request: Request, desk: Context, folder: FormText, back: FormText = "/years") -> Response:
    """Let the folder's name tell its school year again."""
    unset_folder_year(desk.layout, folder)
    return _change_response(request, f"{folder}: as its name says, from the next run on", back)


def _change_response(request: Request, message: str, back: str) -> Response:
    if wants_json(request):
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse(local_path(back), 303)
