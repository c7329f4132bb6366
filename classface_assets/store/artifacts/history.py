"""Small tables to which a run adds a row: what was published, and how accurate it was, for the next run to compare."""

from collections.abc import Mapping

import polars as pl

from classface_assets.core.locations import Location
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet

MAX_ROWS = 1_000


def append_to_history(file: Location, schema: pl.Schema, row: Mapping[str, object], time: str) -> None:
    """Add a row, unless the last one has the same values at another time: a run was killed, or nothing was new.

    Args:
        file: The table.
        schema: Of its columns.
        row: Column → value.
        time: The column that says when.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    known = read_history(file, schema)
    added = pl.DataFrame([dict(row)], schema=schema, orient="row")
    if not known.tail(1).drop(time).equals(added.drop(time)):
        write_parquet(pl.concat([known, added]).tail(MAX_ROWS), file)


def read_history(file: Location, schema: pl.Schema) -> pl.DataFrame:
    """All rows, the newest last; none where the table is not there."""
    return read_parquet_or_empty(file, schema).select(schema.names())
