"""What is different between two publications: which faces moved, from where to where, and why."""

from collections.abc import Mapping

import polars as pl

CHANGES_SCHEMA = pl.Schema({"face_id": pl.String, "from": pl.String, "to": pl.String, "reason": pl.String})


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """CHANGES between two ASSIGNMENTS, by face id: a face that is new has no `from`, one that is gone no `to`.

    The reason is that of the place where the face is now.
    """
    old = before.select("face_id", pl.col("cluster_id").alias("from"))
    new = after.select("face_id", pl.col("cluster_id").alias("to"), pl.col("assignment_reason").alias("reason"))
    both = new.join(old, on="face_id", how="full", coalesce=True)
    gone = pl.when(pl.col("to").is_null()).then(pl.lit("the face is no longer in the archive")).otherwise("reason")
    moved = both.filter(pl.col("from").ne_missing(pl.col("to")))
    return moved.select("face_id", "from", "to", gone.alias("reason")).sort("face_id").cast(CHANGES_SCHEMA)


def kinds_of_changes(moved: pl.DataFrame) -> pl.DataFrame:
    """How many faces went from where to where, in words, most first: kind of `from`, kind of `to`, faces."""
    kinds = moved.select(_kind("from").alias("from"), _kind("to").alias("to"))
    return (
        kinds.group_by("from", "to")
        .agg(pl.len().alias("faces"))
        .sort(["faces", "from", "to"], descending=[True, False, False])
    )


def torn_labels(rows: pl.DataFrame, confirmed: Mapping[str, str]) -> list[str]:
    """Labelled faces, sorted, that `rows` (face_id, person_id) do not give to the person whom somebody named."""
    wanted = pl.DataFrame(
        {"face_id": list(confirmed), "wanted": list(confirmed.values())},
        schema={"face_id": pl.String, "wanted": pl.String},
    )
    both = wanted.join(rows.select("face_id", "person_id"), on="face_id", how="left")
    return sorted(both.filter(pl.col("wanted").ne_missing(pl.col("person_id")))["face_id"])


def _kind(column: str) -> pl.Expr:
    cluster = pl.col(column)
    return (
        pl.when(cluster.is_null())
        .then(pl.lit("not there"))
        .when(cluster.str.starts_with("person_"))
        .then(pl.lit("a person"))
        .when(cluster.str.starts_with("unknown_cluster_"))
        .then(pl.lit("an unknown cluster"))
        .otherwise(pl.lit("alone"))
    )
