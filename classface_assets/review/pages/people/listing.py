"""People: all persons by name, found by name, class or student id."""

from typing import Annotated, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.core.names import normalize_name
from classface_assets.review.api.common import Context
from classface_assets.review.api.persons.person_rows import filter_persons
from classface_assets.review.pages.components.cards import cover_faces, nameable_people
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.review.pages.components.students import people_described_by, student_text
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.roster import entries_by_person
from classface_assets.store.model.person_kinds import PersonStatus

PAGE_SIZE = 60
router = page_router()
PeopleFilter = Literal["students", "others", "hidden"]


@router.get("/people")
def people(
    request: Request,
    context: Context,
    q: Annotated[str, Query(max_length=255)] = "",
    show: PeopleFilter = "students",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """List persons by name, or those whose name contains `q` or whose class or student id it is."""
    view = context.view()
    found = _filter_people(view, show, q)
    rows = found.slice((number - 1) * PAGE_SIZE, PAGE_SIZE)
    faces = cover_faces(view, rows["id"].to_list())
    entries = entries_by_person(view.decisions)
    cards = [
        row | {"cover": faces.get(row["id"]), "known": student_text(entries.get(row["id"]))}
        for row in rows.iter_rows(named=True)
    ]
    numbers = {each: _filter_people(view, each, "").height for each in ("students", "others", "hidden")}
    return render_page(
        request,
        context,
        "people.html.j2",
        cards=cards,
        total=found.height,
        number=number,
        pages=-(-found.height // PAGE_SIZE),
        q=q,
        show=show,
        numbers=numbers,
    )


def _filter_people(view: ArchiveView, show: PeopleFilter, q: str) -> pl.DataFrame:
    """The rows of students and staff, of other active persons, or of hidden ones, that `q` finds."""
    rows = filter_persons(view, PersonStatus.HIDDEN if show == "hidden" else PersonStatus.ACTIVE)
    if q.strip():
        has_name = pl.col("folded").str.contains(normalize_name(q), literal=True)
        rows = rows.filter(has_name | pl.col("id").is_in(people_described_by(view.decisions, q)))
    if show == "hidden":
        return rows
    is_named = pl.col("id").is_in(nameable_people(view)["id"].implode())
    return rows.filter(is_named if show == "students" else ~is_named)
