"""Immutable Parquet parts: the truth of all that is computed.

A part appears whole or not at all, so a killed run leaves only finished parts and the next run does the rest: pending
work is the current ids minus the ids in the parts. A row leaves a part only when another part, already on the disk,
holds it; so several processes may append, compact and read at once. What the rows mean is the caller's business.

Rows that are there twice, as after a run that was killed between writing a part and removing the old one.

The files of one folder of parts, while other processes put some of them in the place of others.

Which files there are, reading all of them as they were at one moment, and which small ones to put together. What their
rows are belongs in parts.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from classface_assets.core.atomic_files import fsync_directory, remove_abandoned
from classface_assets.core.locations import FileEntry, Location, list_directory, remove_file
from classface_assets.store.files.parquet import iter_parquet_batches, read_matching_rows, read_parquet, write_parquet


class RowDeduplicator:
    """The keys of rows that were met, so that of two rows with one key only the first is taken."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key, self._met = list(key), set[tuple[object, ...]]()

    def drop_seen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key was not met yet; they are met now."""
        fresh = []
        for key in rows.select(self._key).iter_rows():
            fresh.append(key not in self._met)
            self._met.add(key)
        return rows if all(fresh) else rows.filter(pl.Series(fresh, dtype=pl.Boolean))


def concat_unique(frames: Sequence[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """The rows of all frames, of two with one key the first; a frame without columns where there is none."""
    if not frames:
        return pl.DataFrame()
    rows = pl.concat(frames, how="diagonal_relaxed")
    if rows.select(key).is_unique().all():  # as they nearly always are; the other way would copy all of them
        return rows
    return rows.unique(subset=list(key), keep="first", maintain_order=True)


MAX_PART_BYTES = 64 << 20
REMOTE_READ_THREADS = 8
T = TypeVar("T")


def list_parts(folder: Location) -> list[FileEntry]:
    """The parts in a folder, sorted by name."""
    # A part that goes between the listing and the look at it has left its rows to one that the listing lacks.
    before: list[Location] | None = None
    while True:
        found = [e for e in list_directory(folder, include_missing=True) if _is_part(e.path.name)]
        there = [entry for entry in found if entry.size >= 0]
        names = [entry.path for entry in found]
        if len(there) == len(found) or names == before:
            return there
        before = names


def list_part_files(folder: Location) -> list[Location]:
    """The same as paths alone."""
    return [entry.path for entry in list_parts(folder)]


def read_all_parts(folder: Location, read: Callable[[Location], T]) -> tuple[list[Location], list[T]]:
    """Every part, read again from the start when another process puts one in place of several meanwhile."""
    while True:
        files = list_part_files(folder)
        try:
            if isinstance(folder, Path) or len(files) < 2:
                return files, [read(file) for file in files]
            with ThreadPoolExecutor(REMOTE_READ_THREADS) as readers:  # a server takes its time over each of them
                return files, list(readers.map(read, files))
        except FileNotFoundError:
            if list_part_files(folder) == files:
                raise


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def group_small_parts(parts: list[FileEntry]) -> Iterator[list[Location]]:
    """Small parts (less than half of PART_BYTES) in groups of up to PART_BYTES; a part alone is no group."""
    group: list[Location] = []
    size = 0
    for part in parts:
        if part.size >= MAX_PART_BYTES // 2:
            continue
        if size + part.size > MAX_PART_BYTES:
            yield group
            group, size = [], 0
        group.append(part.path)
        size += part.size
    if len(group) > 1:
        yield group


@dataclass(frozen=True)
class PartDataset:
    """The parts of one asset in one folder. Rows are unique on `key`; of two rows with one key the first read stays."""

    folder: Location
    key: tuple[str, ...]

    def files(self) -> list[Location]:
        return list_part_files(self.folder)

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """All rows, or only some columns of them; a frame without columns when there is no part yet.

        A part from before a column existed gives null; a column that no part has is left out.
        """
        wanted = None if columns is None else self._with_key(columns)
        _, frames = read_all_parts(self.folder, lambda file: read_parquet(file, wanted))
        rows = concat_unique(frames, self.key)
        return rows if columns is None or not rows.width else rows.select(c for c in columns if c in rows.columns)

    def scan(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows once each in frames of bounded size, never the whole folder in memory, only the keys seen.

        A frame from a part from before a column existed lacks it. Parts that another process puts in place of others
        meanwhile are read instead.
        """
        wanted = None if columns is None else self._with_key(columns)
        seen = RowDeduplicator(self.key)
        read: set[Location] = set()
        waiting = self.files()
        while waiting:
            file = waiting.pop(0)
            try:
                for rows in iter_parquet_batches(file, wanted):
                    fresh = seen.drop_seen(rows)
                    if fresh.height:
                        yield fresh if columns is None else fresh.select(c for c in columns if c in fresh.columns)
            except FileNotFoundError:
                waiting = [f for f in self.files() if f not in read]
                if file in waiting:
                    raise
            read.add(file)

    def read_matching(self, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
        """These columns of the rows with one of these values, hardly reading more than those; none: no columns."""
        _, frames = read_all_parts(
            self.folder, lambda file: read_matching_rows(file, column, values, self._with_key(columns))
        )
        rows = concat_unique([frame for frame in frames if frame.width], self.key)
        return rows.select(c for c in columns if c in rows.columns)

    def ids(self, column: str) -> set[str]:
        """The distinct values of one column over all parts."""
        _, found = read_all_parts(
            self.folder, lambda file: set(read_parquet(file, [column])[column].drop_nulls().to_list())
        )
        return set().union(*found)

    def append(self, rows: pl.DataFrame) -> Location | None:
        """Write one more part; nothing when there are no rows. Raises StorageError."""
        if rows.is_empty():
            return None
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        write_parquet(rows, part)
        return part

    def replace(self, rows: pl.DataFrame) -> None:
        """Put these rows in the place of those with the same keys: who reads meanwhile finds the old ones or these."""
        old, frames = read_all_parts(self.folder, read_parquet)
        others = concat_unique(frames, self.key)
        others = others.join(rows, on=list(self.key), how="anti") if others.width else others
        self._put(pl.concat([others, rows], how="diagonal_relaxed") if others.width else rows, old)

    def keep(self, keys: pl.DataFrame) -> None:
        """Drop the rows whose key is not in `keys`; a part that another process adds meanwhile stays as it is."""
        self._sweep()
        old, frames = read_all_parts(self.folder, read_parquet)
        rows = concat_unique(frames, self.key)
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
        for group in group_small_parts(list_parts(self.folder)):
            try:
                rows = concat_unique([read_parquet(file) for file in group], self.key)
            except FileNotFoundError:
                return
            self._put(rows, group)

    def _sweep(self) -> None:
        """Remove what killed processes left behind; an object storage has nothing half written."""
        if isinstance(self.folder, Path):
            remove_abandoned(self.folder)

    def _put(self, rows: pl.DataFrame, old: list[Location]) -> None:
        """Write rows in place of these parts; a part that another process has added meanwhile stays."""
        if self.append(rows) is not None:
            fsync_directory(self.folder)
        for file in old:
            remove_file(file)

    def _with_key(self, columns: list[str]) -> list[str]:
        return list(dict.fromkeys([*self.key, *columns]))


def copy_rows_from(own: PartDataset, others: Iterable[PartDataset], column: str, wanted: set[str]) -> set[str]:
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
