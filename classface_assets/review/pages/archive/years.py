"""School years: the school year of each photo folder, why it is that one, and setting it by hand."""

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.languages import gettext
from classface_assets.core.school_years.folders import NO_YEAR
from classface_assets.core.school_years.names import first_year
from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json
from classface_assets.services.school_years import (
    Certainty,
    dated_folders,
    listing_notes,
    set_folder_year,
    unset_folder_year,
)

router = page_router()


@router.get("/years")
def years(request: Request, context: Context) -> Response:
    """List the folders, first those whose school year is a guess."""
    folders = sorted(
        dated_folders(context.layout), key=lambda folder: (folder.certainty != Certainty.GUESS, folder.folder)
    )
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
    return render_page(
        request,
        context,
        "years.html.j2",
        folders=shown,
        guesses=guesses,
        notes=listing_notes(context.layout),
        exported=set(context.view().photos["school_year"]),
    )


@router.post("/years/set")
def set_(
    request: Request, context: Context, folder: FormText, year: FormText = "", back: FormText = "/years"
) -> Response:
    """Set the school year of a folder."""
    key = set_folder_year(context.layout, folder, year)
    return _change_response(
        request, gettext("%(folder)s: %(year)s, from the next run on", folder=folder, year=key), back
    )


@router.post("/years/unset")
def unset(request: Request, context: Context, folder: FormText, back: FormText = "/years") -> Response:
    """Derive the school year of a folder from its name again."""
    unset_folder_year(context.layout, folder)
    return _change_response(request, gettext("%(folder)s: from its name, from the next run on", folder=folder), back)


def _change_response(request: Request, message: str, back: str) -> Response:
    """As `change_response`, for a change that is not in the ledger."""
    if wants_json(request):
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse(local_path(back), 303)
