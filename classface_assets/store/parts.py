"""Immutable Parquet parts: the truth of all that is computed.

A part appears whole or not at all, so a killed run leaves only finished parts and the next run does the rest: pending
work is the current ids minus the ids in the parts. A row leaves a part only when another part, already on the disk,
holds it; so several processes may append, compact and read at once. What the rows mean is the caller's business.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from classface_assets.places import Entry, Place, entries, remove
from classface_assets.store.files import keep_names
from classface_assets.store.tables import pick_rows, read_table, scan_table, write_whole
from classface_assets.temporary import sweep

PART_BYTES = 64 << 20
REMOTE_READERS = 8
T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """The parts of one asset in one folder. Rows are unique on `key`; of two rows with one key the first read stays."""

    folder: Place
    key: tuple[str, ...]

    def files(self) -> list[Place]:
        return [entry.path for entry in self._listed()]

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """All rows, or only some columns of them; a frame without columns when there is no part yet.

        A part from before a column existed gives null; a column that no part has is left out.
        """
        wanted = None if columns is None else self._with_key(columns)
        _, frames = self._all(lambda file: read_table(file, wanted))
        rows = self._once(frames)
        return rows if columns is None or not rows.width else rows.select(c for c in columns if c in rows.columns)

    def scan(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows once each in frames of bounded size, never the whole folder in memory, only the keys seen.

        A frame from a part from before a column existed lacks it. Parts that another process puts in place of others
        meanwhile are read instead.
        """
        wanted = None if columns is None else self._with_key(columns)
        seen: set[tuple[object, ...]] = set()
        read: set[Place] = set()
        waiting = self.files()
        while waiting:
            file = waiting.pop(0)
            try:
                for rows in scan_table(file, wanted):
                    fresh = self._not_in(seen, rows)
                    if fresh.height:
                        yield fresh if columns is None else fresh.select(c for c in columns if c in fresh.columns)
            except FileNotFoundError:
                waiting = [f for f in self.files() if f not in read]
                if file in waiting:
                    raise
            read.add(file)

    def pick(self, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
        """These columns of the rows with one of these values, hardly reading more than those; none: no columns."""
        _, frames = self._all(lambda file: pick_rows(file, column, values, self._with_key(columns)))
        rows = self._once([frame for frame in frames if frame.width])
        return rows.select(c for c in columns if c in rows.columns)

    def ids(self, column: str) -> set[str]:
        """The distinct values of one column over all parts."""
        _, found = self._all(lambda file: set(read_table(file, [column])[column].drop_nulls().to_list()))
        return set().union(*found)

    def append(self, rows: pl.DataFrame) -> Place | None:
        """Write one more part; nothing when there are no rows. Raises StorageError."""
        if rows.is_empty():
            return None
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        write_whole(rows, part)
        return part

    def replace(self, rows: pl.DataFrame) -> None:
        """Make `rows` all there is: one new part, then the old ones go. Killed between, rows are only there twice."""
        old = self.files()
        if len(old) == 1 and read_table(old[0]).equals(rows):
            return
        self._put(rows, old)

    def keep(self, keys: pl.DataFrame) -> None:
        """Drop the rows whose key is not in `keys`; a part that another process adds meanwhile stays as it is."""
        self._sweep()
        old, frames = self._all(read_table)
        rows = self._once(frames)
        if not rows.width:
            return
        kept = rows.join(keys, on=list(self.key), how="semi", maintain_order="left")
        if len(old) > 1 or kept.height < rows.height:
            self._put(kept, old)

    def compact(self) -> None:
        """Turn many small parts into a few of up to 64 MB, one after the other, without changing a row.

        Any number of processes may do it at once: one that finds a part gone leaves this to the one that took it.
        """
        self._sweep()
        for group in _groups(self._listed()):
            try:
                rows = self._once([read_table(file) for file in group])
            except FileNotFoundError:
                return
            self._put(rows, group)

    def _sweep(self) -> None:
        """Remove what killed processes left behind; an object storage has nothing half written."""
        if isinstance(self.folder, Path):
            sweep(self.folder)

    def _listed(self) -> list[Entry]:
        # A part that goes between the listing and the look at it has left its rows to one that the listing lacks.
        before: list[Place] | None = None
        while True:
            found = [e for e in entries(self.folder, with_gone=True) if _is_part(e.path.name)]
            there = [entry for entry in found if entry.size >= 0]
            names = [entry.path for entry in found]
            if len(there) == len(found) or names == before:
                return there
            before = names

    def _put(self, rows: pl.DataFrame, old: list[Place]) -> None:
        """Write rows in place of these parts; a part that another process has added meanwhile stays."""
        if self.append(rows) is not None:
            keep_names(self.folder)
        for file in old:
            remove(file)

    def _all(self, read: Callable[[Place], T]) -> tuple[list[Place], list[T]]:
        """Every part, read again from the start when another process puts one in place of several meanwhile."""
        while True:
            files = self.files()
            try:
                if isinstance(self.folder, Path) or len(files) < 2:
                    return files, [read(file) for file in files]
                with ThreadPoolExecutor(REMOTE_READERS) as readers:  # a server takes its time over each of them
                    return files, list(readers.map(read, files))
            except FileNotFoundError:
                if self.files() == files:
                    raise

    def _with_key(self, columns: list[str]) -> list[str]:
        return list(dict.fromkeys([*self.key, *columns]))

    def _not_in(self, seen: set[tuple[object, ...]], rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key was not seen yet; remembers them."""
        fresh = []
        for key in rows.select(self.key).iter_rows():
            fresh.append(key not in seen)
            seen.add(key)
        return rows if all(fresh) else rows.filter(pl.Series(fresh, dtype=pl.Boolean))

    def _once(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        if not frames:
            return pl.DataFrame()
        rows = pl.concat(frames, how="diagonal_relaxed")
        return rows.unique(subset=list(self.key), keep="first", maintain_order=True)


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def _groups(parts: list[Entry]) -> Iterator[list[Place]]:
    """Small parts (less than half of PART_BYTES) in groups of up to PART_BYTES; a part alone is no group."""
    group: list[Place] = []
    size = 0
    for part in parts:
        if part.size >= PART_BYTES // 2:
            continue
        if size + part.size > PART_BYTES:
            yield group
            group, size = [], 0
        group.append(part.path)
        size += part.size
    if len(group) > 1:
        yield group


def adopt(own: Parts, others: Iterable[Parts], column: str, wanted: set[str]) -> set[str]:
    """Copy rows of `wanted` ids that other folders hold into `own`; returns the ids still missing.

    A photo that moved to another school year keeps its content id, so what was computed for it is copied, not redone.
    """
    missing = set(wanted)
    for other in others:
        shared = missing & other.ids(column) if missing else set()
        if shared:
            for rows in other.scan():
                own.append(rows.filter(pl.col(column).is_in(list(shared))))
            missing -= shared
    return missing
