"""The archive as it is now: the published snapshot with the ledger applied, so that a decision shows at once.

Decisions are applied to faces by joins, not by loops over faces.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.derived import DerivedValues, LastingValues
from classface_assets.services.archive_view.overlay import overlay_decisions
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, LastEvent
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.published.tables import EXEMPLARS_PER_YEAR

SAMPLE_FACES = 5
T = TypeVar("T")


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
        photos: asset_id, path, school_year, taken_at, width, height, rotation, near_group. Sorted by asset_id.
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
    _lasting: LastingValues = field(default_factory=LastingValues, repr=False, compare=False)
    _derived: DerivedValues = field(init=False, default_factory=DerivedValues, repr=False, compare=False)

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What follows from this view alone: computed at its first use, and cached until another view takes its place.

        Args:
            key: What it is, with everything else that it depends on.
            compute: Computes it.
        """
        return self._derived.get(key, compute)

    def reused(self, key: Hashable, inputs: tuple[object, ...], compute: Callable[[], T]) -> T:
        """What follows from these inputs alone: the value of an earlier view, where it had equal ones.

        Args:
            key: What it is; the last value of each key is cached.
            inputs: Everything that it is computed from; compared by value, tables too.
            compute: Computes it.
        """
        return self._lasting.get(key, inputs, compute)

    def decisions_at(self, last: LastEvent | None) -> Decisions | None:
        """The decisions, if this is the last event that the view knows; None where the ledger has gone on."""
        if last is None or not self.events:
            return None
        number, at, kind = last
        end = self.events[-1]
        return self.decisions if (end.id, end.at, end.kind) == (number, datetime.fromisoformat(at), kind) else None

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


def build_archive_view(
    snapshot: PublishedSnapshot,
    events: Sequence[Event],
    decisions: Decisions | None = None,
    lasting: LastingValues | None = None,
) -> ArchiveView:
    """Apply the events to the snapshot.

    Args:
        snapshot: The published faces and photos.
        events: All events of the ledger, oldest first.
        decisions: The decisions that they come to, where these are known.
        lasting: What earlier views of the snapshot computed.
    """
    decisions = replay(events) if decisions is None else decisions
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
        _lasting=LastingValues() if lasting is None else lasting,
    )


def cluster_table(faces: pl.DataFrame) -> pl.DataFrame:
    """One row for each cluster, largest first; columns as in `ArchiveView.clusters`."""
    best_first = faces.sort("quality_score", descending=True, nulls_last=True, maintain_order=True)  # then by face_id
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
    schema = dict.fromkeys(fields, pl.String()) | dict.fromkeys(fields[-2:], pl.Datetime("us", "UTC"))
    columns = {field: [getattr(person, attribute.get(field, field)) for person in people] for field in fields}
    persons = pl.DataFrame(columns, schema=schema).with_columns(
        pl.Series("folded", [normalized_name(person.display_name) for person in people], pl.String)
    )
    of_year = (
        faces.drop_nulls("person_id")
        .group_by("person_id", "school_year")
        .agg(pl.len().alias("face_count"), pl.col("confirmed").sum().alias("confirmed_count"))
    )
    counts = (
        of_year.sort("school_year")
        .group_by("person_id")
        .agg(
            pl.col("face_count", "confirmed_count").sum(),
            prototype_count().alias("prototype_count"),
            pl.col("school_year").alias("school_years"),
        )
    )
    portraits = pl.col("id").is_in(list(decisions.portraits)).cast(pl.UInt32)
    return (
        persons.join(counts, left_on="id", right_on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("^.*_count$").fill_null(0), pl.col("school_years").fill_null([]))
        .with_columns(pl.col("prototype_count") + portraits)
        .sort("folded", "id")
    )


def prototype_count() -> pl.Expr:
    """The number of prototypes that a person's confirmed faces give (`published.tables.prototype_rows`).

    Of `confirmed_count`, one value a school year: in each exemplars, and a centroid where there are several faces.
    """
    confirmed = pl.col("confirmed_count")
    return confirmed.clip(upper_bound=EXEMPLARS_PER_YEAR).sum() + (confirmed > 1).sum()


def _find_row(rows: pl.DataFrame, column: str, value: str) -> dict[str, Any] | None:
    """The row of that value, by binary search; the rows are sorted by the column."""
    number = rows[column].search_sorted(value)
    found = number < rows.height and rows[column][number] == value
    return rows.row(number, named=True) if found else None
