"""Photos: all of them, or those that a search and its filters find."""

from typing import Annotated

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.core.languages import gettext, marked
from classface_assets.review.api.common import Context
from classface_assets.review.api.faces.photos import Filters
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.search.explanation import explain
from classface_assets.services.photos.search.filters import PhotoFilters
from classface_assets.services.photos.search.language import PhotoQueryError
from classface_assets.services.photos.search.matching import PhotoIndex, names_meant, query_notes

PAGE_SIZE = 48
MAX_FOLDERS = 500
FACE_COUNTS = (
    ("", marked("Any")),
    ("0", marked("No face")),
    ("1", "1"),
    ("2", "2"),
    ("3-5", marked("3 to 5")),
    ("6-15", marked("6 to 15")),
    (">15", marked("More than 15")),
)
router = page_router()


@router.get("/photos")
def photos(
    request: Request,
    context: Context,
    filters: Filters,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The photos that the filters find, newest school year first."""
    index = PhotoIndex(context.view())
    explanation, problem, notes = "", "", list[str]()
    found = index.photos.clear()
    try:
        term = filters.term()
    except PhotoQueryError as error:
        problem = str(error)
    else:
        found = index.find(term)
        notes = query_notes(index, term)
        explanation = explain(term, names_meant(index, term)) if filters != PhotoFilters() else ""
    return render_page(
        request,
        context,
        "photos.html.j2",
        photos=found.slice((number - 1) * PAGE_SIZE, PAGE_SIZE).to_dicts(),
        total=found.height,
        number=number,
        pages=-(-found.height // PAGE_SIZE),
        filters=filters,
        explanation=explanation,
        chosen_filters=filters.count,
        problem=problem,
        notes=notes,
        years=sorted(index.photos["school_year"].unique(), reverse=True),
        classes=_class_names(index.view),
        folders=_folders(index.photos, filters.year),
        face_counts=[(value, gettext(text) if text != value else text) for value, text in FACE_COUNTS],
    )


def _class_names(view: ArchiveView) -> list[str]:
    """The classes of the rosters."""
    return sorted({name for entry in view.decisions.roster for name in entry.classes.values() if name})


def _folders(photos: pl.DataFrame, year: str) -> list[str]:
    """The folders of a school year, or of all, for completion."""
    rows = photos.filter(pl.col("school_year") == year) if year else photos
    return [name for name in rows["event"].unique().sort() if name][:MAX_FOLDERS]
