"""The archive as it is now: the published snapshot with the ledger applied, so that a decision shows at once.

Decisions are applied to faces by joins, not by loops over faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.core.names import normalize_name
from classface_assets.services.archive_view.overlay import overlay_decisions
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.published.tables import EXEMPLARS_PER_YEAR

SAMPLE_FACES = 5


@dataclass(frozen=True)
class PublishedSnapshot:
    """What the published DuckDB file holds.

    Attributes:
        faces: The faces, sorted by face_id; columns as in `ArchiveView.published`.
        photos: The photos, sorted by asset_id.
        known_until: The id of the last event that the file knows.
        confirmed: The faces that were confirmed then.
    """

    faces: pl.DataFrame
    photos: pl.DataFrame
    known_until: int
    confirmed: frozenset[str]


@dataclass(frozen=True)
class ArchiveView:
    """Everything that pages and API show.

    Attributes:
        version: Changes with the view.
        faces: face_id, asset_id, path, school_year, taken_at, photo_width, photo_height, bbox_x/y/w/h (pixels of the
            upright photo), detection_confidence, quality_score, cluster_id, person_id, person_name,
            assignment_score, assignment_reason, assignment_margin,
            assignment_probability, confirmed, created_at; without non-faces and erased
            people. Sorted by face_id.
        clusters: cluster_id, size, mean_quality, mean_score, sample_faces (best first), school_years, person_id,
            person_name; largest first.
        persons: id, name, folded (`normalize_name`), status, kind, merged_into_id, face_count, confirmed_count,
            prototype_count, school_years, created_at, updated_at; by name.
        photos: asset_id, path, school_year, taken_at, width, height, rotation. Sorted by asset_id.
        published: The faces as they were published, without later decisions.
        decisions: The state of the ledger.
        constraints: The decisions as constraints on the published faces.
        events: All events, oldest first.
    """

    version: str
    faces: pl.DataFrame
    clusters: pl.DataFrame
    persons: pl.DataFrame
    photos: pl.DataFrame
    published: pl.DataFrame
    decisions: Decisions
    constraints: FaceConstraints
    events: Sequence[Event]

    def face(self, face_id: str) -> dict[str, Any] | None:
        """The row of one face; None where there is none."""
        return _find_row(self.faces, "face_id", face_id)

    def photo(self, asset_id: str) -> dict[str, Any] | None:
        """The row of one photo; None where there is none."""
        return _find_row(self.photos, "asset_id", asset_id)

    def faces_of(self, cluster_id: str) -> pl.DataFrame:
        """The rows of a cluster's faces."""
        return self.faces.filter(pl.col("cluster_id") == cluster_id)

    def pick(self, face_ids: Sequence[str]) -> pl.DataFrame:
        """The rows of these faces, in their order; those that do not exist are left out."""
        ids = pl.DataFrame({"face_id": list(face_ids)}, schema={"face_id": pl.String})
        return ids.join(self.faces, on="face_id", how="inner", maintain_order="left")

    def face_refs(self, face_ids: Sequence[str]) -> list[FaceRef]:
        """The faces as the ledger stores them, in their order; those that are not there are left out."""
        rows = self.pick(face_ids).select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
        return [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows.iter_rows()]


def build_archive_view(snapshot: PublishedSnapshot, events: Sequence[Event]) -> ArchiveView:
    """Apply the events to the snapshot.

    Args:
        snapshot: The published faces and photos.
        events: All events of the ledger, oldest first.
    """
    decisions = replay(events)
    constraints = constraints_for(decisions, snapshot.faces)
    faces = overlay_decisions(snapshot.faces, decisions, constraints, snapshot.confirmed, events, snapshot.known_until)
    last = events[-1].id if events else 0
    return ArchiveView(
        version=f"{snapshot.known_until}-{len(faces)}-{last}",
        faces=faces,
        clusters=cluster_table(faces),
        persons=person_table(decisions, faces),
        photos=snapshot.photos,
        published=snapshot.faces,
        decisions=decisions,
        constraints=constraints,
        events=events,
    )


def cluster_table(faces: pl.DataFrame) -> pl.DataFrame:
    """One row for each cluster, largest first; columns as in `ArchiveView.clusters`."""
    best_first = faces.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    return (
        best_first.group_by("cluster_id", maintain_order=True)
        .agg(
            pl.len().alias("size"),
            pl.col("quality_score").mean().alias("mean_quality"),
            pl.col("assignment_score").mean().alias("mean_score"),
            pl.col("face_id").head(SAMPLE_FACES).alias("sample_faces"),
            pl.col("school_year").unique().sort().alias("school_years"),
            pl.col("person_id", "person_name").first(),
        )
        .sort("size", "cluster_id", descending=[True, False])
    )


def person_table(decisions: Decisions, faces: pl.DataFrame) -> pl.DataFrame:
    """One row for each person, with or without faces, by name; columns as in `ArchiveView.persons`.

    Erased people are left out.
    """
    fields = ("id", "name", "status", "kind", "merged_into_id", "created_at", "updated_at")
    people = [person for person in decisions.persons.values() if not person.erased]
    attribute = {"name": "display_name"}
    rows = [tuple(getattr(person, attribute.get(field, field)) for field in fields) for person in people]
    schema = dict.fromkeys(fields, pl.String()) | dict.fromkeys(fields[-2:], pl.Datetime("us", "UTC"))
    persons = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.Series("folded", [normalize_name(person.display_name) for person in people], pl.String)
    )
    counts = (
        faces.drop_nulls("person_id")
        .group_by("person_id")
        .agg(
            pl.len().alias("face_count"),
            pl.col("confirmed").sum().alias("confirmed_count"),
            prototype_count().alias("prototype_count"),
            pl.col("school_year").unique().sort().alias("school_years"),
        )
    )
    return (
        persons.join(counts, left_on="id", right_on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("^.*_count$").fill_null(0), pl.col("school_years").fill_null([]))
        .sort("folded", "id")
    )


def prototype_count() -> pl.Expr:
    """The number of prototypes that a person's confirmed faces give: in each school year exemplars and a centroid."""
    faces_of_year = pl.col("school_year").filter("confirmed").value_counts().struct.field("count")
    return faces_of_year.clip(upper_bound=EXEMPLARS_PER_YEAR).sum() + faces_of_year.len()


def _find_row(rows: pl.DataFrame, column: str, value: str) -> dict[str, Any] | None:
    """The row of that value, by binary search; the rows are sorted by the column."""
    number = rows[column].search_sorted(value)
    found = number < rows.height and rows[column][number] == value
    return rows.row(number, named=True) if found else None
