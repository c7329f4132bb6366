"""People: everybody, and one person growing up through the years."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from classface_assets.review.api.common import AtDesk
from classface_assets.review.api.person_rows import PersonId, person_row, persons_listed
from classface_assets.review.pages.components.cards import covers, in_time, named_people, tiles_of
from classface_assets.review.pages.components.layout import page, page_router
from classface_assets.review.pages.consent import consent_of
from classface_assets.review.pages.history import acts_of, lines
from classface_assets.services.archive_view.model import View
from classface_assets.store.decisions.roster import students_for
from classface_assets.store.model.decisions import KINDS
from classface_assets.store.published.tables import prototypes

PAGE, A_YEAR, LINES = 60, 30, 30
router = page_router()
Shown = Literal["students", "others", "hidden"]


@router.get("/people")
def people(
    request: Request,
    desk: AtDesk,
    q: Annotated[str, Query(max_length=255)] = "",
    show: Shown = "students",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Everybody by name, or those whose name holds some letters."""
    view = desk.view()
    found = _shown(view, show, q)
    rows = found.slice((number - 1) * PAGE, PAGE)
    faces = covers(view, rows["id"].to_list())
    cards = [row | {"cover": faces.get(row["id"])} for row in rows.iter_rows(named=True)]
    numbers = {each: _shown(view, each, "").height for each in ("students", "others", "hidden")}
    return page(
        request,
        desk,
        "people.html.j2",
        cards=cards,
        total=found.height,
        number=number,
        pages=-(-found.height // PAGE),
        q=q,
        show=show,
        numbers=numbers,
    )


@router.get("/people/{id}")
def one_person(
    request: Request, desk: AtDesk, person_id: PersonId, year: Annotated[str, Query(max_length=255)] = ""
) -> Response:
    """A person's faces by school year, who they may be confused with, and what was said of them."""
    view = desk.view()
    row = person_row(view, person_id)
    if row["merged_into_id"] and not request.query_params.get("stay"):
        return RedirectResponse(f"/people/{view.decisions.became(row['id'])}", 303)
    mine = in_time(view.faces.filter(pl.col("person_id") == row["id"]))
    found = prototypes(mine, view.decisions)
    stars = set(found["face_instance_id"].drop_nulls()) if found.width else set()
    ids = {p for p in view.decisions.persons if view.decisions.became(p) == row["id"]}
    person = view.decisions.persons[row["id"]]
    siblings = view.decisions.siblings.get(row["id"], frozenset())
    return page(
        request,
        desk,
        "person.html.j2",
        person=row | {"birth_date": person.birth_date, "student_id": person.student_id},
        consent=consent_of(view, person),
        years=[_year(group, year) for group in mine.partition_by("school_year", maintain_order=True)],
        stars=stars,
        cover=covers(view, [row["id"]]).get(row["id"]),
        siblings=sorted((view.decisions.persons[p] for p in siblings), key=lambda sibling: sibling.name),
        students=students_for(view.decisions, person),
        kinds=[kind for kind in KINDS if kind != "not a face"],
        lines=lines(view, acts_of(view, ids)[:LINES]),
        whole=year,
    )


def _shown(view: View, show: Shown, q: str) -> pl.DataFrame:
    listed = persons_listed(view, "hidden" if show == "hidden" else "active", q)
    if show == "hidden":
        return listed
    named = pl.col("id").is_in(named_people(view)["id"].implode())
    return listed.filter(named if show == "students" else ~named)


def _year(rows: pl.DataFrame, whole: str) -> dict[str, Any]:
    """A year of the timeline: all its faces, or the first that fit, confirmed ones before inferred ones."""
    year = rows["school_year"][0]
    shown = rows if year == whole else in_time(rows.sort("confirmed", descending=True).head(A_YEAR))
    return {
        "year": year,
        "tiles": tiles_of(shown),
        "faces": rows.height,
        "confirmed": int(rows["confirmed"].sum()),
        "more": rows.height - shown.height,
    }
