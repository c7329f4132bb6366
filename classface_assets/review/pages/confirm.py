"""Confirm: faces that were recognised by likeness, asked for where an answer settles most."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request
from starlette.responses import Response

from classface_assets.review.api.common import Context
from classface_assets.review.api.person_rows import PersonId, person_row
from classface_assets.review.context import face_refs
from classface_assets.review.pages.components.cards import face_tiles
from classface_assets.review.pages.components.layout import (
    FormFaces,
    FormText,
    change_response,
    page_router,
    render_page,
)
from classface_assets.services.archive_view.model import ArchiveView

MAX_GROUPS, MAX_SINGLE_FACES, MAX_FACES_PER_GROUP, REFERENCE_FACES = 20, 40, 60, 3
CERTAIN_MARGIN = 0.5  # to the runner-up: a face that is so much likelier one person's is hardly anybody else's
router = page_router()


@router.get("/confirm")
def confirm_page(
    request: Request,
    desk: Context,
    by: Literal["year", "face"] = "year",
    person: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """A card for each person and school year, or for each face, most useful first."""
    view = desk.view()
    waiting = _unconfirmed_faces(view, person)
    groups = _group_by_person_and_year(waiting)
    if by == "year":
        cards = [_card(view, waiting, group) for group in groups.head(MAX_GROUPS).iter_rows(named=True)]
    else:
        doubtful = waiting.sort("doubt", "face_id", descending=[True, False]).head(MAX_SINGLE_FACES)
        cards = [
            _card(view, doubtful.filter(pl.col("face_id") == f), g) for f, g in _group_of_each_face(doubtful, groups)
        ]
    settled = groups["size"].clip(upper_bound=MAX_FACES_PER_GROUP).head(10).sum()
    return render_page(
        request,
        desk,
        "confirm.html.j2",
        cards=cards,
        by=by,
        open=waiting.height,
        groups=groups.height,
        clicks=min(10, groups.height),
        settled=int(settled),
        only=person_row(view, person)["name"] if person else "",
        person=person,
    )


@router.post("/people/{id}/answer")
def answer(
    request: Request,
    desk: Context,
    person_id: PersonId,
    asked: FormFaces,
    face: FormFaces = (),
    none: FormText = "",
    back: FormText = "/confirm",
) -> Response:
    """Yes, those asked for are that person, but for the faces that were crossed out; or none is."""
    view = desk.view()
    row = person_row(view, person_id)
    no = [f for f in asked if none or f in set(face)]
    yes = [f for f in asked if f not in set(no)]
    events: list[int] = []
    notes: list[str] = []
    for faces, say in ((yes, desk.ledger.confirm), (no, desk.ledger.reject)):
        if faces:
            act = say(row["id"], face_refs(view, faces))
            events, notes = [*events, *act.events], [*notes, *act.notes]
    return change_response(request, desk, events, back, notes)


def _unconfirmed_faces(view: ArchiveView, person: str) -> pl.DataFrame:
    """Faces that have a name by likeness only, with `doubt` from 0 to 1: the nearer the runner-up, the more."""
    rows = view.faces.filter(pl.col("person_id").is_not_null(), ~pl.col("confirmed"))
    rows = rows.filter(pl.col("person_id") == person) if person else rows
    sure = pl.coalesce(pl.col("assignment_margin") / CERTAIN_MARGIN, "assignment_score").fill_null(0)
    return rows.with_columns((1 - sure).clip(0.01, 1).alias("doubt"))


def _group_by_person_and_year(waiting: pl.DataFrame) -> pl.DataFrame:
    """One row a person and school year; first where most doubt is settled by one answer."""
    return (
        waiting.group_by("person_id", "school_year")
        .agg(pl.len().alias("size"), pl.col("doubt").sum(), pl.col("person_name").first())
        .sort("doubt", "person_id", "school_year", descending=[True, False, False])
    )


def _group_of_each_face(doubtful: pl.DataFrame, groups: pl.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    known = {(g["person_id"], g["school_year"]): g for g in groups.iter_rows(named=True)}
    rows = doubtful.select("face_id", "person_id", "school_year").iter_rows()
    return [(face, known[(person, year)]) for face, person, year in rows]


def _card(view: ArchiveView, waiting: pl.DataFrame, group: dict[str, Any]) -> dict[str, Any]:
    """The faces asked for, most doubtful first, beside confirmed ones of the nearest years."""
    of_group = (pl.col("person_id") == group["person_id"]) & (pl.col("school_year") == group["school_year"])
    rows = waiting.filter(of_group).sort("doubt", "face_id", descending=[True, False]).head(MAX_FACES_PER_GROUP)
    sure = view.faces.filter(pl.col("confirmed") & (pl.col("person_id") == group["person_id"]))
    first = pl.col("school_year").str.extract(r"(\d{4})").cast(pl.Int32)
    here = int(group["school_year"][:4]) if group["school_year"][:4].isdecimal() else 0
    beside = sure.sort((first - here).abs(), "quality_score", descending=[False, True], nulls_last=True)
    more = group["size"] - rows.height
    return group | {"tiles": face_tiles(rows), "beside": face_tiles(beside.head(REFERENCE_FACES)), "more": more}
