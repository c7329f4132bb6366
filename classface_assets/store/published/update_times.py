"""When each published face last changed: its person or cluster is another one than in the database before."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from classface_assets.store.files.duckdb import DatabaseError, query_database

_ASSIGNED = ("person_id", "cluster_id")


def with_update_times(database: Path, tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables with `updated_at` of every face.

    A face that is new has the time at which it was found; one whose person and cluster are the same has its time from
    before.

    Args:
        database: The file that is about to be replaced; it may be missing, unreadable or of an older version.
        tables: Those that are about to be published.
    """
    faces = tables.get("face_instances", pl.DataFrame())
    if not faces.height:
        return dict(tables)
    now = datetime.now(UTC).replace(tzinfo=None)
    before = _published(database)
    joined = faces.select("id", "created_at", *_ASSIGNED).join(before, on="id", how="left", maintain_order="left")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in _ASSIGNED)
    times = joined.select(
        pl.when(pl.col("was_there").is_null() | same)
        .then(pl.coalesce("updated_at_before", "created_at"))
        .otherwise(pl.lit(now, pl.Datetime("us")))
        .alias("updated_at")
    )
    return {**tables, "face_instances": faces.with_columns(times["updated_at"])}


def _published(database: Path) -> pl.DataFrame:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "id": pl.String,
        "person_id_before": pl.String,
        "cluster_id_before": pl.String,
        "updated_at_before": pl.Datetime("us"),
        "was_there": pl.Boolean,
    }
    try:
        has_times = "updated_at" in query_database(database, "SELECT * FROM face_instances LIMIT 0").columns
        rows = query_database(
            database,
            "SELECT id, person_id AS person_id_before, cluster_id AS cluster_id_before, "
            f"{'updated_at' if has_times else 'created_at'} AS updated_at_before FROM face_instances",
        )
    except DatabaseError:
        return pl.DataFrame(schema=schema)
    return rows.with_columns(pl.lit(value=True).alias("was_there")).cast(schema)  # type: ignore[arg-type]
