"""Publishing the DuckDB file again soon after: a copy of the file that this process has just written, and what differs.

The file is written twice in a run, and of a large archive hardly a row differs then: to write all rows and their
indexes takes ten times as long. Nothing of what was erased may stay in unused space of the file, so it is written whole
where tables with names differ or rows have gone, and the first time in each run.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.files.duckdb import insert_rows, publish_database, replace_database

UPDATED, REPLACED = ("image_assets", "face_instances"), ("photo_consent", "clusters", "ledger")
"""Tables in which rows may be changed, and those that may also be made anew, in a copy of the file."""
MAX_CHANGED_SHARE = 0.1
"""Where more rows of a table differ, the file is written whole."""


@dataclass(frozen=True)
class _Published:
    """A file that was written, with its rows by table."""

    path: Path
    signature: tuple[int, ...]
    tables: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class _Change:
    """What differs in a table: the columns to set in these rows, or without columns all rows."""

    rows: pl.DataFrame
    columns: tuple[str, ...] = ()


class DatabasePublisher:
    """Publishes the DuckDB file. Mutable: it remembers the rows that it has published, until `release`."""

    def __init__(self) -> None:
        """Nothing is published yet."""
        self._last: _Published | None = None

    def publish(self, path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
        """`publish_database`, by way of the file that is there where that is the one this has written."""
        last = self._last if self.published(path, "ledger") is not None else None
        self._last = None
        changes = None if last is None else _changes(last.tables, tables)
        if changes is None:
            publish_database(path, tables)
        else:
            _publish_changes(path, changes)
        self._last = _Published(path, _signature(path), dict(tables))

    def published(self, path: Path, table: str) -> pl.DataFrame | None:
        """The rows of a table as this has published them; None where the file is another one now."""
        last = self._last
        if last is None or last.path != path or not path.exists() or last.signature != _signature(path):
            return None
        return last.tables.get(table, pl.DataFrame())

    def release(self) -> None:
        """Free the memory that the rows take."""
        self._last = None


def _signature(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _changes(old: Mapping[str, pl.DataFrame], new: Mapping[str, pl.DataFrame]) -> dict[str, _Change] | None:
    """What differs, by table; None where the file has to be written whole."""
    changes = {}
    for table in DUCKDB_TABLES:
        before, now = old.get(table, pl.DataFrame()), new.get(table, pl.DataFrame())
        if before.schema == now.schema and before.equals(now):
            continue
        change = _changed_rows(table, before, now) if table in UPDATED + REPLACED else None
        if change is None and table in REPLACED:
            change = _Change(now)
        if change is None:
            return None
        changes[table] = change
    return changes


def _changed_rows(table: str, before: pl.DataFrame, now: pl.DataFrame) -> _Change | None:
    """The rows that differ, where the same ones are there in the same order and few differ; else None."""
    key = _KEYS.get(table)
    if key is None or before.schema != now.schema or before.height != now.height:
        return None
    columns = tuple(name for name in now.columns if not before[name].equals(now[name]))
    if any(name in (*key, *_UNIQUE.get(table, ())) or now.schema[name].is_nested() for name in columns):
        return None
    differs = pl.any_horizontal([before[name].ne_missing(now[name]) for name in columns])
    rows = now.select(*key, *columns).filter(differs)
    return _Change(rows, columns) if rows.height <= MAX_CHANGED_SHARE * now.height else None


_KEYS = {"image_assets": ("path",), "face_instances": ("id",), "photo_consent": ("asset_id", "purpose")}
_UNIQUE = {"face_instances": ("asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")}
"""Columns by which rows are found, and others of which DuckDB has an index: rows in which these change would move."""


def _publish_changes(path: Path, changes: Mapping[str, _Change]) -> None:
    def write(temporary: Path) -> None:
        shutil.copyfile(path, temporary)
        with duckdb.connect(temporary) as con:
            for table, change in changes.items():
                if change.columns:
                    _update(con, table, change)
                else:
                    con.execute(f"DROP TABLE {table}")
                    con.execute(f"CREATE TABLE {table} ({DUCKDB_TABLES[table]})")
                    insert_rows(con, table, change.rows)

    replace_database(path, write)


def _update(con: "duckdb.DuckDBPyConnection", table: str, change: _Change) -> None:
    values = ", ".join(f"{name} = new_rows.{name}" for name in change.columns)
    same = " AND ".join(f"{table}.{name} = new_rows.{name}" for name in _KEYS[table])
    con.register("new_rows", change.rows.to_arrow())
    con.execute(f"UPDATE {table} SET {values} FROM new_rows WHERE {same}")
    con.unregister("new_rows")
