"""When each published face last changed: its person or cluster is another one than in the database before."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from classface_assets.store.files.duckdb import DatabaseError, query_database

_ASSIGNED = ("person_id", "cluster_id")
_BEFORE: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "person_id_before": pl.String,
    "cluster_id_before": pl.String,
    "updated_at_before": pl.Datetime("us"),
    "was_there": pl.Boolean,
}


def with_update_times(
    database: Path, tables: Mapping[str, pl.DataFrame], published: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """The tables with `updated_at` of every face.

    A face that is new has the time at which it was found; one whose person and cluster are the same has its time from
    before.

    Args:
        database: The file that is about to be replaced; it may be missing, unreadable or of an older version.
        tables: Those that are about to be published.
        published: The rows of face_instances in that file, where they are known.
    """
    faces = tables.get("face_instances", pl.DataFrame())
    if not faces.height:
        return dict(tables)
    now = datetime.now(UTC).replace(tzinfo=None)
    before = _published(database) if published is None else _renamed(published)
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
    try:
        has_times = "updated_at" in query_database(database, "SELECT * FROM face_instances LIMIT 0").columns
        updated = "updated_at" if has_times else "created_at AS updated_at"
        return _renamed(query_database(database, f"SELECT id, person_id, cluster_id, {updated} FROM face_instances"))
    except DatabaseError:
        return pl.DataFrame(schema=_BEFORE)


def _renamed(faces: pl.DataFrame) -> pl.DataFrame:
    """The columns of _BEFORE, of no face where there are none."""
    if not faces.height:
        return pl.DataFrame(schema=_BEFORE)
    names = {name: f"{name}_before" for name in (*_ASSIGNED, "updated_at")}
    return faces.select("id", *names).rename(names).with_columns(was_there=pl.lit(value=True)).cast(_BEFORE)  # type: ignore[arg-type]
