"""Immutable Parquet parts: the truth of all that is computed.

A part appears whole or not at all (a temporary name, then `os.replace`), so a killed run leaves only finished parts
and the next run does the rest: pending work is the current ids minus the ids in the parts. What the rows mean is the
caller's business.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.store.temporary import sweep, temporary_name


@dataclass(frozen=True)
class Parts:
    """The parts of one asset in one folder. Rows are unique on `key`; of two rows with one key the first read stays."""

    folder: Path
    key: tuple[str, ...]

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """All rows, or only some columns of them; a frame without columns when there is no part yet.

        A part from before a column existed gives null; a column that no part has is left out.
        """
        wanted = None if columns is None else list(dict.fromkeys([*self.key, *columns]))
        rows = self._once(self._frames(wanted))
        return rows if columns is None or not rows.width else rows.select(c for c in columns if c in rows.columns)

    def ids(self, column: str) -> set[str]:
        """The distinct values of one column over all parts."""
        found: set[str] = set()
        for rows in self._frames([column]):
            found.update(rows[column].drop_nulls().to_list())
        return found

    def append(self, rows: pl.DataFrame) -> Path | None:
        """Write one more part; nothing when there are no rows."""
        if rows.is_empty():
            return None
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        write_whole(rows, part)
        return part

    def replace(self, rows: pl.DataFrame) -> None:
        """Make `rows` all there is: one new part, then the old ones go. Killed between, rows are only there twice."""
        sweep(self.folder)
        old = self.files()
        if len(old) == 1 and pl.read_parquet(old[0]).equals(rows):
            return
        self._put(rows, old)

    def compact(self) -> None:
        """Turn many small parts into one, without changing a row."""
        sweep(self.folder)
        old = self.files()
        if len(old) > 1:
            self._put(self._once([pl.read_parquet(file) for file in old]), old)

    def _put(self, rows: pl.DataFrame, old: list[Path]) -> None:
        """Write rows in place of these parts; a part that another process has added meanwhile stays."""
        self.append(rows)
        for file in old:
            file.unlink(missing_ok=True)

    def _frames(self, columns: list[str] | None) -> list[pl.DataFrame]:
        """Every part, read again from the start when another process puts one in place of several meanwhile."""
        while True:
            files = self.files()
            try:
                return [pl.read_parquet(file, columns=_those_of(file, columns)) for file in files]
            except FileNotFoundError:
                if self.files() == files:
                    raise

    def _once(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        if not frames:
            return pl.DataFrame()
        rows = pl.concat(frames, how="diagonal_relaxed")
        return rows.unique(subset=list(self.key), keep="first", maintain_order=True)


def _those_of(file: Path, columns: list[str] | None) -> list[str] | None:
    """The columns that a part has: one written before a column existed lacks it."""
    return None if columns is None else [c for c in columns if c in pl.read_parquet_schema(file)]


def write_whole(rows: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    temporary = temporary_name(path)
    try:
        rows.write_parquet(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_or_empty(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """A Parquet file's rows, or an empty frame of that schema before the file is first written."""
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=schema)


def adopt(own: Parts, others: Iterable[Parts], column: str, wanted: set[str]) -> set[str]:
    """Copy rows of `wanted` ids that other folders hold into `own`; returns the ids still missing.

    A photo that moved to another school year keeps its content id, so what was computed for it is copied, not redone.
    """
    missing = set(wanted)
    for other in others:
        shared = missing & other.ids(column) if missing else set()
        if shared:
            own.append(other.read().filter(pl.col(column).is_in(list(shared))))
            missing -= shared
    return missing
