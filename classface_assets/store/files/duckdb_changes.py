"""Publishing the DuckDB file by what differs: a copy of the file that is there, with changed and new rows.

Of a large archive hardly a row differs from run to run: to write all rows and their indexes takes many times as long.
Nothing of what was erased may stay in unused space of the file, so it is written whole where tables with names differ
or rows have gone.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.files.duckdb import attach_published, insert_rows, publish_database, replace_database

KEYS = {"image_assets": ("path",), "face_instances": ("id",), "photo_consent": ("asset_id", "purpose")}
"""Tables in which rows are changed and added, and the columns by which they are found."""
UNIQUE = {"face_instances": ("asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")}
"""Other columns of which DuckDB has an index: rows in which these change would move."""
REMADE = ("photo_consent", "clusters", "ledger")
"""Tables that are made anew where their rows cannot be changed."""
MAX_CHANGED_SHARE = 0.1
"""Where more rows of a table differ, the file is written whole."""
MAX_UNUSED_SHARE, MAX_UNUSED_BLOCKS = 0.3, 20
"""Of the file's blocks of 256 kB. Where more than both are unused, the file is written whole."""


@dataclass(frozen=True)
class _Published:
    """A file that was written, with its rows by table."""

    path: Path
    signature: tuple[int, ...]
    tables: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class _Change:
    """What differs in a table.

    Attributes:
        added: Rows to add.
        updated: Keys of rows, and the columns to set in these.
        is_remade: Whether `added` are all rows.
    """

    added: pl.DataFrame
    updated: pl.DataFrame = field(default_factory=pl.DataFrame)
    is_remade: bool = False


class DatabasePublisher:
    """Publishes the DuckDB file. Mutable: it remembers the rows that it has published, until `release`."""

    def __init__(self) -> None:
        """Nothing is published yet."""
        self._last: _Published | None = None

    def publish(self, path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
        """`publish_database`, by way of the file that is there where little differs."""
        last, self._last = self._rows_in(path), None
        now = None if last is None else _conformed(tables, last)
        changes = None if last is None or now is None else _changes(last, now)
        if now is None or changes is None or not _publish_changes(path, changes):
            publish_database(path, tables)
            now = dict(tables)
        self._last = _Published(path, _signature(path), now)

    def published(self, path: Path, table: str) -> pl.DataFrame | None:
        """The rows of a table in the file that is there; None where there is none with just these tables."""
        rows = self._rows_in(path)
        return None if rows is None else rows.get(table, pl.DataFrame())

    def release(self) -> None:
        """Free the memory that the rows take."""
        self._last = None

    def _rows_in(self, path: Path) -> dict[str, pl.DataFrame] | None:
        last = self._last
        if last is not None and last.path == path and path.exists() and last.signature == _signature(path):
            return last.tables
        signature = _signature(path) if path.exists() else ()
        rows = read_published_tables(path) if signature else None
        self._last = None if rows is None else _Published(path, signature, rows)
        return rows


def read_published_tables(path: Path) -> dict[str, pl.DataFrame] | None:
    """The rows of a file by table; None where it cannot be read, or is not one that changes may be built upon.

    That is one with other tables or columns, as another version has them, or with much unused space.
    """
    try:
        with duckdb.connect() as con:
            attach_published(con, path)
            if not _is_as_defined(con):
                return None
            return {table: con.sql(f"SELECT * FROM published.{table}").pl() for table in DUCKDB_TABLES}
    except duckdb.Error:
        return None


def _is_as_defined(con: "duckdb.DuckDBPyConnection") -> bool:
    """Whether the attached file has the tables of this version, and little unused space."""
    for table, columns in DUCKDB_TABLES.items():
        con.execute(f"CREATE TABLE {table} ({columns})")
    sql = "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ? ORDER BY table_name"
    there, defined = (con.execute(sql, [database]).fetchall() for database in ("published", "memory"))
    blocks = con.sql("SELECT free_blocks, total_blocks FROM pragma_database_size() WHERE database_name = 'published'")
    free, total = blocks.fetchall()[0]
    return there == defined and free <= max(MAX_UNUSED_SHARE * total, MAX_UNUSED_BLOCKS)


def _signature(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _conformed(
    tables: Mapping[str, pl.DataFrame], stored: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame] | None:
    """The tables with all columns, as the file has them; None where they do not fit."""
    conformed = {}
    for table in DUCKDB_TABLES:
        before, rows = (rows_of.get(table, pl.DataFrame()) for rows_of in (stored, tables))
        schema = before.schema
        if rows.is_empty():
            conformed[table] = before.clear()
            continue
        if not set(rows.columns) <= set(schema):
            return None
        given = [pl.col(name) if name in rows.columns else pl.lit(None).alias(name) for name in schema]
        try:
            conformed[table] = rows.select(given).cast(schema)
        except pl.exceptions.PolarsError:
            return None
    return conformed


def _changes(old: Mapping[str, pl.DataFrame], new: Mapping[str, pl.DataFrame]) -> dict[str, _Change] | None:
    """What differs, by table; None where the file has to be written whole."""
    changes = {}
    for table, now in new.items():
        before = old.get(table, pl.DataFrame())
        if before.equals(now):
            continue
        change = _changed_rows(table, before, now) if table in KEYS else None
        if change is None and table in REMADE:
            change = _Change(now, is_remade=True)
        if change is None:
            return None
        if change.is_remade or change.added.height or change.updated.height:  # else the rows are in another order
            changes[table] = change
    return changes


def _changed_rows(table: str, before: pl.DataFrame, now: pl.DataFrame) -> _Change | None:
    """The rows that are new or differ, where none has gone and these are few; else None."""
    key = list(KEYS[table])
    place = before.select(key).with_row_index("place")
    places = now.select(key).join(place, on=key, how="left", maintain_order="left")["place"]
    added, remaining = now.filter(places.is_null()), now.filter(places.is_not_null())
    if remaining.height != before.height:
        return None
    same = before[places.drop_nulls()]
    columns = [name for name in now.columns if not same[name].equals(remaining[name], null_equal=True)]
    if any(name in UNIQUE.get(table, ()) or now.schema[name].is_nested() for name in columns):
        return None
    differs = [same[name].ne_missing(remaining[name]) for name in columns]
    updated = remaining.select(*key, *columns).filter(pl.any_horizontal(differs)) if columns else pl.DataFrame()
    is_small = added.height + updated.height <= MAX_CHANGED_SHARE * now.height
    return _Change(added, updated) if is_small else None


def _publish_changes(path: Path, changes: Mapping[str, _Change]) -> bool:
    """Change a copy of the file, and put it in its place; False where the file is damaged, or the rows are wrong."""

    def write(temporary: Path) -> None:
        shutil.copyfile(path, temporary)
        with duckdb.connect(temporary) as con:
            for table, change in changes.items():
                if change.is_remade:
                    con.execute(f"DROP TABLE {table}")
                    con.execute(f"CREATE TABLE {table} ({DUCKDB_TABLES[table]})")
                _update(con, table, change.updated)
                insert_rows(con, table, change.added)

    try:
        replace_database(path, write)
    except duckdb.Error:
        return False
    return True


def _update(con: "duckdb.DuckDBPyConnection", table: str, rows: pl.DataFrame) -> None:
    """Set the columns of some rows, which are found by their key."""
    if rows.is_empty():
        return
    key = KEYS[table]
    values = ", ".join(f"{name} = new_rows.{name}" for name in rows.columns if name not in key)
    same = " AND ".join(f"{table}.{name} = new_rows.{name}" for name in key)
    con.register("new_rows", rows.to_arrow())
    con.execute(f"UPDATE {table} SET {values} FROM new_rows WHERE {same}")
    con.unregister("new_rows")
