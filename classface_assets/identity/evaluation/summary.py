"""Summaries of assignments: counts of persons, clusters and noise, and what changed between two runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from classface_assets.core.schemas import CLUSTER_PREFIX, is_unknown_cluster

_SIZE_BINS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


@dataclass(frozen=True)
class AssignmentSummary:
    """Counts of faces, but for `persons` and `clusters`. `sizes`: number of persons and clusters by number of faces."""

    faces: int
    assigned: int
    persons: int
    clustered: int
    clusters: int
    sizes: pl.DataFrame

    @property
    def unlabelled(self) -> int:
        """Number of faces without a person."""
        return self.faces - self.assigned

    @property
    def noise(self) -> int:
        """Number of faces without a person and without a cluster."""
        return self.unlabelled - self.clustered

    def share(self, count: int) -> float:
        """The share of a number of faces in all faces, 0 to 1."""
        return count / self.faces if self.faces else 0.0


def summarize_assignments(rows: pl.DataFrame) -> AssignmentSummary:
    """Count persons, clusters and noise. rows: ASSIGNMENTS."""
    named = rows.filter(pl.col("person_id").is_not_null())
    unknown = rows.filter(pl.col("person_id").is_null() & is_unknown_cluster())
    persons, clusters = (part.group_by("cluster_id").len("size") for part in (named, unknown))
    return AssignmentSummary(
        rows.height, named.height, persons.height, unknown.height, clusters.height, _sizes(persons, clusters)
    )


def _sizes(persons: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    lines = []
    for low, high in _SIZE_BINS:
        name = str(low) if low == high else f"{low}-{high}" if high else f"{low} and more"
        inside = pl.col("size").is_between(low, high or 2**31)
        lines.append((name, persons.filter(inside).height, clusters.filter(inside).height))
    schema = {"faces": pl.String, "persons": pl.Int64, "unknown clusters": pl.Int64}
    table = pl.DataFrame(lines, schema=schema, orient="row")
    return table.filter((pl.col("persons") > 0) | (pl.col("unknown clusters") > 0))


def summary_lines(summary: AssignmentSummary) -> Iterator[str]:
    """The summary as lines of text."""
    yield f"Faces processed:      {summary.faces:,}"
    yield f"  assigned to people: {summary.assigned:,} ({summary.share(summary.assigned):.1%})"
    yield f"  people matched:     {summary.persons:,}"
    yield f"Unlabelled faces:     {summary.unlabelled:,}"
    yield f"  clusters found:     {summary.clusters:,} with {summary.clustered:,} faces"
    yield f"  noise:              {summary.noise:,} ({summary.share(summary.noise):.1%})"
    if summary.sizes.height:
        yield "Sizes:   faces      people   unknown clusters"
        for faces, persons, clusters in summary.sizes.iter_rows():
            yield f"  {faces:>12}  {persons:>10,}  {clusters:>17,}"


CHANGES_SCHEMA = pl.Schema({"face_id": pl.String, "from": pl.String, "to": pl.String, "reason": pl.String})


def assignment_changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Which faces moved between two assignments, from where to where, and why.

    Args:
        before: ASSIGNMENTS.
        after: ASSIGNMENTS.

    Returns:
        CHANGES_SCHEMA, by face id: a face that is new has no `from`, one that is gone no `to`; the reason is that of
        the place where the face is now.
    """
    old = before.select("face_id", pl.col("cluster_id").alias("from"))
    new = after.select("face_id", pl.col("cluster_id").alias("to"), pl.col("assignment_reason").alias("reason"))
    both = new.join(old, on="face_id", how="full", coalesce=True)
    gone = pl.when(pl.col("to").is_null()).then(pl.lit("the face is no longer in the archive")).otherwise("reason")
    moved = both.filter(pl.col("from").ne_missing(pl.col("to")))
    return moved.select("face_id", "from", "to", gone.alias("reason")).sort("face_id").cast(CHANGES_SCHEMA)


def change_counts(moved: pl.DataFrame) -> pl.DataFrame:
    """Number of faces that moved, by kind of `from` and kind of `to`, most first. moved: CHANGES_SCHEMA."""
    kinds = moved.select(_cluster_kind("from").alias("from"), _cluster_kind("to").alias("to"))
    return (
        kinds.group_by("from", "to")
        .agg(pl.len().alias("faces"))
        .sort(["faces", "from", "to"], descending=[True, False, False])
    )


def violated_labels(rows: pl.DataFrame, confirmed: Mapping[str, str]) -> list[str]:
    """Labelled faces, sorted, that are not assigned to the person of their label.

    Args:
        rows: face_id and person_id.
        confirmed: face_id -> person_id of the label.
    """
    labelled_as = pl.DataFrame(
        {"face_id": list(confirmed), "labelled_as": list(confirmed.values())},
        schema={"face_id": pl.String, "labelled_as": pl.String},
    )
    both = labelled_as.join(rows.select("face_id", "person_id"), on="face_id", how="left")
    return sorted(both.filter(pl.col("labelled_as").ne_missing(pl.col("person_id")))["face_id"])


def _cluster_kind(column: str) -> pl.Expr:
    cluster = pl.col(column)
    return (
        pl.when(cluster.is_null())
        .then(pl.lit("not there"))
        .when(cluster.str.starts_with("person_"))
        .then(pl.lit("a person"))
        .when(cluster.str.starts_with(CLUSTER_PREFIX))
        .then(pl.lit("an unknown cluster"))
        .otherwise(pl.lit("alone"))
    )
