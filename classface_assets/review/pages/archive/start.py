"""The first page of an empty archive: choose the photos, see the school years, choose the pack, start.

Nothing is created before the button is pressed; then the data folder is made and remembers what was chosen.
"""

from pathlib import Path
from typing import Annotated, Any

from fastapi import Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext
from classface_assets.core.school_years.folders import NO_YEAR
from classface_assets.core.school_years.names import first_year
from classface_assets.orchestration.settings.file import read_settings, set_values
from classface_assets.orchestration.settings.values import require_pack_name
from classface_assets.review.api.common import Context
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.layout import FormText, page_router, render_page_without_faces, wants_json
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.pack_change import pack_change_question
from classface_assets.services.first_run.folders import BrowsingError, FolderBrowser, browse_root
from classface_assets.services.first_run.packs import pack_choices
from classface_assets.services.school_years import Certainty, DatedFolder, dated_folders, set_folder_year

MAX_SHOWN = 300
router = page_router()


class StartForm(BaseModel):
    """What the first page sends.

    Attributes:
        photos: The photos folder.
        pack: The model pack.
        folder: The folders that were shown.
        year: The school year of each of them, as corrected.
        proposed: The same before it was corrected.
    """

    photos: str = Field(max_length=4000)
    pack: str = Field(max_length=4000)
    folder: list[str] = []
    year: list[str] = []
    proposed: list[str] = []


@router.get("/start")
def start_page(
    request: Request,
    context: Context,
    photos: Annotated[str, Query(max_length=4000)] = "",
    browse: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """Welcome; with `photos` the school years of that folder, with `browse` another folder to choose from."""
    record = context.updates.latest()
    if record is not None and record.in_progress:
        return RedirectResponse("/update", 303)
    root = browse_root(context.layout, read_settings(context.layout.local).browse_root)
    browser, problem = FolderBrowser(root), ""
    chosen = photos or ("" if browse else _default_photos(context))
    years: list[dict[str, Any]] = []
    if chosen:
        try:
            chosen, years = _read_years(context, browser, chosen)
        except UserError as error:
            chosen, problem = "", str(error)
    try:
        listing = None if chosen else browser.list(browse)
    except BrowsingError as error:
        listing, problem = browser.list(), str(error)
    return render_page_without_faces(
        request,
        context,
        "start.html.j2",
        photos=chosen,
        years=years[:MAX_SHOWN],
        more_years=max(0, len(years) - MAX_SHOWN),
        guesses=sum(one["certainty"] == Certainty.GUESS for one in years),
        listing=listing,
        problem=problem,
        packs=pack_choices(context.layout, context.models.pack),
        data=str(context.layout.data),
        has_data=context.layout.database.exists(),
    )


@router.post("/start")
def start(request: Request, context: Context, choice: Annotated[StartForm, Form()]) -> Response:
    """Make the archive, remember the choice and start the first update."""
    context = _apply_choice(request, context, choice.photos, choice.pack)
    for folder, year, proposed in zip(choice.folder, choice.year, choice.proposed, strict=True):
        if year.strip() and year.strip() != proposed:
            set_folder_year(context.layout, folder, year.strip())
    context.updates.start()
    if wants_json(request):
        return JSONResponse(
            {"message": gettext("The first update was started"), "notes": [], "undo": [], "go": "/update"}
        )
    return RedirectResponse("/update", 303)


@router.get("/settings")
def settings_page(request: Request, context: Context) -> Response:
    """The pack and the photos folder of the archive."""
    return _render_settings(request, context, "", "")


@router.post("/settings")
def change_settings(
    request: Request, context: Context, photos: FormText, pack: FormText, sure: FormText = ""
) -> Response:
    """Change the pack or the photos folder; another pack, which computes everything again, only once confirmed."""
    if pack != context.models.pack and not sure:
        require_pack_name(pack)
        info = context.models.model_copy(update={"pack": pack}).describe(context.layout)
        question = pack_change_question(context.layout, info)
        if question:
            return _render_settings(request, context, question, pack, photos)
    context = _apply_choice(request, context, photos, pack)
    return RedirectResponse("/settings", 303)


def _apply_choice(request: Request, context: ReviewContext, photos: str, pack: str) -> ReviewContext:
    """Write pack and photos folder into the archive's settings, and serve the archive with them from now on."""
    layout = context.layout
    last = context.updates.latest()
    if last is not None and last.in_progress:
        raise ProblemError(409, gettext("An update goes on; change this when it has ended."))
    require_pack_name(pack)
    folder = photos
    if photos != str(layout.photos):
        root = browse_root(layout, read_settings(layout.local).browse_root)
        folder = str(FolderBrowser(root).resolve(photos))
    archive = context.archive.model_copy(update={"photos": folder})
    models = context.models.model_copy(update={"pack": pack})
    try:
        models.describe(layout)  # a pack that cannot be had is refused before anything is made
        set_values(layout.local, {"photos": folder, "pack": pack})
        context.archive.share()
    except OSError as error:
        detail = gettext(
            "The data folder %(folder)s cannot be written (%(reason)s); start with another --data.",
            folder=layout.local,
            reason=error.strerror,
        )
        raise ProblemError(409, detail) from None
    request.app.state.sessions.store_on_disk(layout.sessions)
    request.app.state.context = ReviewContext(type(archive)(**archive.model_dump()), models)
    return request.app.state.context.for_actor(request.state.session.actor)


def _render_settings(request: Request, context: ReviewContext, question: str, pack: str, photos: str = "") -> Response:
    layout = context.layout
    return render_page_without_faces(
        request,
        context,
        "settings.html.j2",
        question=question,
        photos=photos or str(layout.photos),
        packs=pack_choices(layout, pack or context.models.pack),
        data=str(layout.data),
        root=str(browse_root(layout, read_settings(layout.local).browse_root)),
    )


def _default_photos(context: ReviewContext) -> str:
    """The photos folder that the server was started with, where it is there."""
    photos = context.layout.photos
    return str(photos) if not isinstance(photos, Path) or photos.is_dir() else ""


def _read_years(context: ReviewContext, browser: FolderBrowser, photos: str) -> tuple[str, list[dict[str, Any]]]:
    """The real path of the chosen folder, and what each folder in it is taken for: guesses first."""
    if photos != str(context.layout.photos):
        photos = str(browser.resolve(photos))
    archive = context.archive.model_copy(update={"photos": photos})
    layout = type(archive)(**archive.model_dump()).layout
    folders = sorted(dated_folders(layout), key=lambda one: (one.certainty != Certainty.GUESS, one.folder))
    return photos, [_year_line(one) for one in folders]


def _year_line(one: DatedFolder) -> dict[str, Any]:
    value = one.year if first_year(one.year) else NO_YEAR
    return {"folder": one.folder, "year": one.year, "certainty": one.certainty, "reason": one.reason, "value": value}
