"""People: all persons, and one person with their faces by school year."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from classface_assets.core.schemas import PersonKind, PersonStatus
from classface_assets.review.api.common import Context
from classface_assets.review.api.person_rows import PersonId, filter_persons, person_row
from classface_assets.review.pages.components.cards import (
    cover_faces,
    face_tiles,
    nameable_people,
    sort_chronologically,
)
from classface_assets.review.pages.components.consent import consent_status
from classface_assets.review.pages.components.layout import page_router, render_page
from classface_assets.review.pages.history import action_history, history_lines
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.roster import student_choices
from classface_assets.store.published.tables import prototype_rows

PAGE_SIZE, FACES_PER_YEAR, HISTORY_LINES = 60, 30, 30
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
    """List persons by name, or those whose name contains `q`."""
    view = context.view()
    found = _filter_people(view, show, q)
    rows = found.slice((number - 1) * PAGE_SIZE, PAGE_SIZE)
    faces = cover_faces(view, rows["id"].to_list())
    cards = [row | {"cover": faces.get(row["id"])} for row in rows.iter_rows(named=True)]
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


@router.get("/people/{id}")
def one_person(
    request: Request, context: Context, person_id: PersonId, year: Annotated[str, Query(max_length=255)] = ""
) -> Response:
    """A person with their faces by school year, consent, siblings and history."""
    view = context.view()
    row = person_row(view, person_id)
    if row["merged_into_id"] and not request.query_params.get("stay"):
        return RedirectResponse(f"/people/{view.decisions.canonical_id(row['id'])}", 303)
    own_faces = sort_chronologically(view.faces.filter(pl.col("person_id") == row["id"]))
    prototypes = prototype_rows(own_faces, view.decisions)
    stars = set(prototypes["face_instance_id"].drop_nulls()) if prototypes.width else set()
    merged_ids = {p for p in view.decisions.persons if view.decisions.canonical_id(p) == row["id"]}
    person = view.decisions.persons[row["id"]]
    siblings = view.decisions.siblings.get(row["id"], frozenset())
    return render_page(
        request,
        context,
        "person.html.j2",
        person=row | {"birth_date": person.birth_date, "student_id": person.student_id},
        consent=consent_status(view, person),
        years=[_year_section(group, year) for group in own_faces.partition_by("school_year", maintain_order=True)],
        stars=stars,
        cover=cover_faces(view, [row["id"]]).get(row["id"]),
        siblings=sorted((view.decisions.persons[p] for p in siblings), key=lambda sibling: sibling.name),
        students=student_choices(view.decisions, person),
        kinds=[kind.value for kind in PersonKind if kind != PersonKind.NOT_A_FACE],
        lines=history_lines(view, action_history(view, merged_ids)[:HISTORY_LINES]),
        whole=year,
    )


def _filter_people(view: ArchiveView, show: PeopleFilter, q: str) -> pl.DataFrame:
    """The rows of students and staff, of other active persons, or of hidden ones, whose name contains `q`."""
    rows = filter_persons(view, PersonStatus.HIDDEN if show == "hidden" else PersonStatus.ACTIVE, q)
    if show == "hidden":
        return rows
    is_named = pl.col("id").is_in(nameable_people(view)["id"].implode())
    return rows.filter(is_named if show == "students" else ~is_named)


def _year_section(rows: pl.DataFrame, whole: str) -> dict[str, Any]:
    """A year of the timeline: up to FACES_PER_YEAR faces, confirmed ones first, or all if it is the `whole` year."""
    year, shown = rows["school_year"][0], rows
    if year != whole:
        shown = sort_chronologically(rows.sort("confirmed", descending=True).head(FACES_PER_YEAR))
    return {
        "year": year,
        "tiles": face_tiles(shown),
        "faces": rows.height,
        "confirmed": int(rows["confirmed"].sum()),
        "more": rows.height - shown.height,
    }
