"""Runs that touch only some faces: which ones the run config selects, and the other faces as they were published."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.errors import UserError
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.matching.known_people import IMPLIED_REASON, LABELLED_REASON
from classface_assets.identity.settings import SettingGroup
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.events import Event

_DECIDED = [LABELLED_REASON, IMPLIED_REASON]
_described = SettingGroup.WHICH_FACES.describe


class OnlyConfig(dg.Config):
    """Which faces a run may change; all if nothing is given."""

    only_school_year: str = Field(
        default="", description=_described("Only faces of this school year change; empty: all.")
    )
    only_event: str = Field(
        default="",
        description=_described("Only faces of photos in this folder change, such as 2019-2020/sports day; empty: all."),
    )
    only_since: str = Field(
        default="",
        description=_described("Only faces that were found on this day (YYYY-MM-DD) or later change; empty: all."),
    )
    only_max_faces: int = Field(
        default=0,
        ge=0,
        description=_described("Only this many of these faces change, the best without a label; 0: all."),
    )

    def restricts(self) -> bool:
        """Whether some faces are to stay as they were."""
        return bool(self.only_school_year or self.only_event or self.only_since or self.only_max_faces)


def keep_others(
    rows: pl.DataFrame, published: pl.DataFrame, catalog: FaceCatalog, events: Sequence[Event], only: OnlyConfig
) -> pl.DataFrame:
    """New assignments for the selected faces, and the published ones for the others.

    What people decided since holds for the others too: a label, a rejection or a merge.

    Args:
        rows: ASSIGNMENTS of all faces, as they are now.
        published: ASSIGNMENTS as they were published last.
        catalog: The faces.
        events: Of the ledger, as far as they count.
        only: Which faces are selected.

    Returns:
        ASSIGNMENTS of all faces.

    Raises:
        UserError: The day is none.
    """
    if not only.restricts() or not rows.height:
        return rows
    constraints = constraints_for(replay(events), catalog.faces)
    selected = selected_faces(catalog, constraints, only)
    stay = _still_valid(rows, published, constraints).join(selected, on="face_id", how="anti")
    photos = catalog.faces.select("face_id", "asset_id")
    new = rows.join(stay, on="face_id", how="anti").drop_nulls("person_id").join(photos, on="face_id")
    twice = stay.join(photos, on="face_id").join(new, on=["asset_id", "person_id"], how="semi")
    stay = stay.join(twice.filter(~pl.col("asset_id").is_in(list(constraints.collages))), on="face_id", how="anti")
    changed = rows.join(stay, on="face_id", how="anti")
    order = rows.select("face_id")
    return order.join(pl.concat([changed, stay.select(rows.columns)]), on="face_id", how="left", maintain_order="left")


def selected_faces(catalog: FaceCatalog, constraints: FaceConstraints, only: OnlyConfig) -> pl.DataFrame:
    """The column face_id of the faces that the run may change."""
    faces = catalog.faces
    if only.only_school_year:
        faces = faces.filter(pl.col("school_year") == only.only_school_year)
    if only.only_event:
        in_event = pl.col("path").str.starts_with(only.only_event.rstrip("/") + "/")
        faces = faces.join(catalog.images.filter(in_event).select("asset_id"), on="asset_id", how="semi")
    if only.only_since:
        faces = faces.filter(pl.col("created_at").dt.date() >= _day(only.only_since))
    if only.only_max_faces:
        unlabelled = faces.filter(~pl.col("face_id").is_in(list(constraints.confirmed)))
        best_first = unlabelled.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
        faces = best_first.head(only.only_max_faces)
    return faces.select("face_id")


def _still_valid(rows: pl.DataFrame, published: pl.DataFrame, constraints: FaceConstraints) -> pl.DataFrame:
    """The published rows that no decision contradicts: of faces without a label, then and now."""
    people = {*constraints.confirmed.values(), *constraints.portraits}
    rejected = pl.DataFrame(
        list(constraints.rejected), schema={"face_id": pl.String, "person_id": pl.String}, orient="row"
    )
    left_out = list(constraints.not_faces | constraints.erased_faces)
    decided = rows.filter(pl.col("assignment_reason").is_in(_DECIDED)).select("face_id")
    return (
        published.filter(
            ~pl.col("assignment_reason").is_in(_DECIDED).fill_null(value=False),
            pl.col("person_id").is_null() | pl.col("person_id").is_in(list(people)),
            ~pl.col("face_id").is_in(left_out),
        )
        .join(rows.select("face_id"), on="face_id", how="semi")
        .join(decided, on="face_id", how="anti")
        .join(rejected, on=["face_id", "person_id"], how="anti")
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no day; write it as 2024-05-31.") from None
