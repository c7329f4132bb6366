"""Confirm: automatic matches to confirm or reject, first where one answer settles most."""

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from classface_assets.review.api.common import Context
from classface_assets.review.api.persons.person_rows import PersonId, person_row
from classface_assets.review.context import face_refs
from classface_assets.review.pages.components.cards import face_tiles
from classface_assets.review.pages.components.layout import (
    change_response,
    page_router,
    render_page,
)
from classface_assets.review.pages.components.students import student_text
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.roster import entries_by_person

MAX_GROUPS, MAX_SINGLE_FACES, MAX_FACES_PER_GROUP, REFERENCE_FACES = 20, 40, 60, 3
COUNTED_ANSWERS = 10
CERTAIN_MARGIN = 0.5  # to the second most similar person: beyond it a match is hardly ever wrong
router = page_router()


class ConfirmForm(BaseModel):
    """The answer to a card. `faces`: its faces; `face`: those that are excluded; `none`: not empty if none is right."""

    faces: list[str] = Field(alias="asked")
    face: list[str] = []
    none: str = Field("", max_length=2000)
    back: str = Field("/confirm", max_length=2000)


@router.get("/confirm")
def confirm_page(
    request: Request,
    context: Context,
    by: Literal["year", "face"] = "year",
    person: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """A card for each person and school year, or for each face, most useful first."""
    view = context.view()
    unconfirmed = _unconfirmed_faces(view, person)
    groups = _group_by_person_and_year(unconfirmed)
    if by == "year":
        cards = [_card(view, unconfirmed, group) for group in groups.head(MAX_GROUPS).iter_rows(named=True)]
    else:
        doubtful = unconfirmed.sort("doubt", "face_id", descending=[True, False]).head(MAX_SINGLE_FACES)
        cards = [
            _card(view, doubtful.filter(pl.col("face_id") == face), group)
            for face, group in _group_of_each_face(doubtful, groups)
        ]
    entries = entries_by_person(view.decisions)
    for card in cards:
        card["known"] = student_text(entries.get(card["person_id"]), card["school_year"])
    settled = groups["size"].clip(upper_bound=MAX_FACES_PER_GROUP).head(COUNTED_ANSWERS).sum()
    return render_page(
        request,
        context,
        "confirm.html.j2",
        cards=cards,
        by=by,
        open=unconfirmed.height,
        groups=groups.height,
        clicks=min(COUNTED_ANSWERS, groups.height),
        settled=int(settled),
        only=person_row(view, person)["name"] if person else "",
        person=person,
    )


@router.post("/people/{id}/answer")
def answer(request: Request, context: Context, person_id: PersonId, form: Annotated[ConfirmForm, Form()]) -> Response:
    """Confirm the faces of a card, and reject those that were excluded, or all."""
    view = context.view()
    row = person_row(view, person_id)
    rejected = [face for face in form.faces if form.none or face in set(form.face)]
    confirmed = [face for face in form.faces if face not in set(rejected)]
    events: list[int] = []
    notes: list[str] = []
    for faces, command in ((confirmed, context.ledger.confirm), (rejected, context.ledger.reject)):
        if faces:
            result = command(row["id"], face_refs(view, faces))
            events, notes = [*events, *result.events], [*notes, *result.notes]
    return change_response(request, context, events, form.back, notes)


def _unconfirmed_faces(view: ArchiveView, person: str) -> pl.DataFrame:
    """Automatic matches, with `doubt` from 0 to 1: the higher, the nearer the second most similar person is."""
    rows = view.faces.filter(pl.col("person_id").is_not_null(), ~pl.col("confirmed"))
    rows = rows.filter(pl.col("person_id") == person) if person else rows
    # A database that an older version published has the margin in the text of the reason alone.
    in_reason = pl.col("assignment_reason").str.extract(r"margin (\d+\.?\d*)").cast(pl.Float64)
    margin = pl.coalesce(pl.col("assignment_margin").cast(pl.Float64), in_reason)
    lead = pl.coalesce(margin / CERTAIN_MARGIN, "assignment_score").fill_null(0)
    certainty = pl.min_horizontal(lead, pl.col("assignment_probability").fill_null(1))
    return rows.with_columns((1 - certainty).clip(0.01, 1).alias("doubt"))


def _group_by_person_and_year(unconfirmed: pl.DataFrame) -> pl.DataFrame:
    """One row for each person and school year; first where one answer settles most doubt."""
    return (
        unconfirmed.group_by("person_id", "school_year")
        .agg(pl.len().alias("size"), pl.col("doubt").sum(), pl.col("person_name").first())
        .sort("doubt", "person_id", "school_year", descending=[True, False, False])
    )


def _group_of_each_face(doubtful: pl.DataFrame, groups: pl.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """The id of each face, with its row of `_group_by_person_and_year`."""
    by_key = {(group["person_id"], group["school_year"]): group for group in groups.iter_rows(named=True)}
    rows = doubtful.select("face_id", "person_id", "school_year").iter_rows()
    return [(face, by_key[(person, year)]) for face, person, year in rows]


def _card(view: ArchiveView, unconfirmed: pl.DataFrame, group: dict[str, Any]) -> dict[str, Any]:
    """The faces of a group, most doubtful first, with confirmed faces of the nearest years for comparison."""
    of_group = (pl.col("person_id") == group["person_id"]) & (pl.col("school_year") == group["school_year"])
    rows = unconfirmed.filter(of_group).sort("doubt", "face_id", descending=[True, False]).head(MAX_FACES_PER_GROUP)
    confirmed = view.faces.filter(pl.col("confirmed") & (pl.col("person_id") == group["person_id"]))
    first_year = pl.col("school_year").str.extract(r"(\d{4})").cast(pl.Int32)
    year = int(group["school_year"][:4]) if group["school_year"][:4].isdecimal() else 0
    references = confirmed.sort((first_year - year).abs(), "quality_score", descending=[False, True], nulls_last=True)
    return group | {
        "tiles": face_tiles(rows),
        "beside": face_tiles(references.head(REFERENCE_FACES)),
        "more": group["size"] - rows.height,
    }
