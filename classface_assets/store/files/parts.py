"""Append-only datasets of immutable Parquet parts: the truth of everything that is computed.

A part appears whole or not at all, so a killed run leaves only finished parts and the next run does the rest: pending
work is the current ids minus the ids in the parts. A row leaves a part only when another part, already on the disk,
holds it; so several processes may append, compact and read at once, and after a run that was killed between the two a
row may be there twice, of which readers take one: that of the part whose name comes first. A part that replaces rows
has a name before those of all parts that it found, so from the moment that it is there all its rows count and none of
those that they replace. The meaning of the rows is the caller's business.
"""

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from classface_assets.core.atomic_files import fsync_directory, remove_abandoned
from classface_assets.core.errors import StorageError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.locations import FileEntry, Location, list_named_files, remove_file
from classface_assets.store.files.parquet import (
    DamagedFileError,
    StoredFile,
    iter_parquet_batches,
    read_matching_rows,
    read_parquet,
    write_parquet,
)

MAX_PART_BYTES = 64 << 20
REMOTE_READ_THREADS = 8
READ_ERRORS = (FileNotFoundError, DamagedFileError, StorageError)
"""What reading a part as it was listed may end in when another process has replaced it since."""
T = TypeVar("T")
_REPLACING = re.compile(r"^part--(\d{8})-")
_PLAIN = 10**8
"""In place of the number of a part that replaces none; replacing ones count down from here, and `-` is before `0`."""


@dataclass(frozen=True)
class PartDataset:
    """The Parquet parts of one asset in one folder.

    Attributes:
        folder: Where the parts lie, locally or at a URL.
        key: The columns on which rows are unique; of two rows with one key the one that is read first counts.
    """

    folder: Location
    key: tuple[str, ...]

    def files(self) -> list[Location]:
        """The parts that there are now, sorted by name."""
        return list_part_files(self.folder)

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """Read all rows.

        Args:
            columns: The columns to read; None for all.

        Returns:
            A frame without columns when there is no part yet. A part from before a column existed gives null; a column
            that no part has is left out.
        """
        with_key = None if columns is None else self._with_key(columns)
        _, frames = read_all_parts(self.folder, lambda file: read_parquet(file, with_key))
        rows = concat_unique(frames, self.key)
        return rows if columns is None or not rows.width else rows.select(c for c in columns if c in rows.columns)

    def scan(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """Read all rows in frames of bounded size: only their keys are held in memory, never the whole dataset.

        Parts that another process writes in place of others meanwhile are read instead of those.

        Args:
            columns: The columns to read; None for all.

        Yields:
            Frames; one from a part from before a column existed lacks that column.
        """
        with_key = None if columns is None else self._with_key(columns)
        seen = RowDeduplicator(self.key)
        read: set[Location] = set()
        waiting = list_parts(self.folder)
        while waiting:
            part = waiting.pop(0)
            try:
                for rows in iter_parquet_batches(part, with_key):
                    fresh = seen.drop_seen(rows)
                    if fresh.height:
                        yield fresh if columns is None else fresh.select(c for c in columns if c in fresh.columns)
            except READ_ERRORS:
                waiting = [one for one in list_parts(self.folder) if one.path not in read]
                if part in waiting:
                    raise
                continue
            read.add(part.path)

    def read_matching(self, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
        """Read the rows that have one of some values, and hardly more than those.

        Args:
            column: The column to compare.
            values: The values to look for.
            columns: The columns to return.

        Returns:
            A frame without columns when no row has one of the values.
        """
        _, frames = read_all_parts(
            self.folder, lambda file: read_matching_rows(file, column, values, self._with_key(columns))
        )
        rows = concat_unique([frame for frame in frames if frame.width], self.key)
        return rows.select(c for c in columns if c in rows.columns)

    def ids(self, column: str) -> set[str]:
        """The distinct values of one column over all parts, without null."""
        _, found = read_all_parts(
            self.folder, lambda file: set(read_parquet(file, [column])[column].drop_nulls().to_list())
        )
        return set().union(*found)

    def append(self, rows: pl.DataFrame, order: int = _PLAIN, name: str = "") -> Location | None:
        """Write one more part.

        Args:
            rows: Its rows.
            order: Of parts that have rows with the same key, those of the least number count.
            name: Of the part (`part_name`), which takes the place of one that has it already; empty: a new one.

        Returns:
            The new part; None when there are no rows to write.

        Raises:
            StorageError: The disk, drive or server fails.
        """
        if rows.is_empty():
            return None
        replacing = f"-{order:08}-" if order < _PLAIN else ""
        part = self.folder / f"part-{replacing}{name or uuid.uuid4().hex}.parquet"
        write_parquet(rows, part)
        return part

    def append_in_place_of(self, part: Location, rows: pl.DataFrame) -> None:
        """Write the rows that are left of a part, which then goes."""
        self.append(rows, _order([part]))
        reached(Failpoint.PART_REWRITTEN)
        remove_file(part)

    def replace(self, rows: pl.DataFrame) -> None:
        """Write these rows in place of those with the same keys; readers meanwhile see the old ones or these."""
        old, frames = read_all_parts(self.folder, read_parquet)
        others = concat_unique(frames, self.key)
        others = others.join(rows, on=list(self.key), how="anti") if others.width else others
        rows = pl.concat([others, rows], how="diagonal_relaxed") if others.width else rows
        self._replace_parts(rows, old, _order(self.files()) - 1)

    def retain(self, keys: pl.DataFrame) -> None:
        """Drop the rows whose key is not in `keys`; a part that another process adds meanwhile stays as it is."""
        self._remove_abandoned()
        old, frames = read_all_parts(self.folder, read_parquet)
        rows = concat_unique(frames, self.key)
        if not rows.width:
            return
        retained = rows.join(keys, on=list(self.key), how="semi", maintain_order="left")
        if len(old) > 1 or retained.height < rows.height:
            self._replace_parts(retained, old, _order(old))

    def compact(self) -> None:
        """Merge small parts into a few of up to 64 MB, one group after the other, without changing a row.

        Any number of processes may do it at once: one that finds a part gone leaves the rest to the process that took
        it.
        """
        self._remove_abandoned()
        for group in group_small_parts(list_parts(self.folder)):
            try:
                rows = concat_unique([read_parquet(part) for part in group], self.key)
            except FileNotFoundError:
                return
            files = [part.path for part in group]
            self._replace_parts(rows, files, _order(files))

    def _remove_abandoned(self) -> None:
        """Remove what killed processes left behind; an object storage has nothing half written."""
        if isinstance(self.folder, Path):
            remove_abandoned(self.folder)

    def _replace_parts(self, rows: pl.DataFrame, old: list[Location], order: int) -> None:
        """Write rows in place of these parts; a part that another process has added meanwhile stays.

        The parts go in the order from the last to the first, so that at every moment those whose rows count are there.
        """
        if self.append(rows, order) is not None:
            fsync_directory(self.folder)
            reached(Failpoint.PART_APPENDED)
        for file in sorted(old, key=lambda file: file.name, reverse=True):
            remove_file(file)
            reached(Failpoint.PART_REMOVED)

    def _with_key(self, columns: list[str]) -> list[str]:
        return list(dict.fromkeys([*self.key, *columns]))


def part_name(ids: Iterable[str]) -> str:
    """The name of the part for what is computed of these ids: whoever computes it again writes it to the same place."""
    return uuid.uuid5(uuid.NAMESPACE_OID, " ".join(sorted(ids))).hex


class RowDeduplicator:
    """Drops rows whose key was seen before, over any number of frames.

    Args:
        key: The columns on which rows are unique.
    """

    def __init__(self, key: Sequence[str]) -> None:
        self._key, self._seen = list(key), set[tuple[object, ...]]()

    def drop_seen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key was not seen yet; from now on it is."""
        fresh = []
        for key in rows.select(self._key).iter_rows():
            fresh.append(key not in self._seen)
            self._seen.add(key)
        return rows if all(fresh) else rows.filter(pl.Series(fresh, dtype=pl.Boolean))


def concat_unique(frames: Sequence[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """Concatenate frames whose columns may differ, of two rows with one key the first.

    Returns:
        A frame without columns when there are no frames.
    """
    if not frames:
        return pl.DataFrame()
    rows = pl.concat(frames, how="diagonal_relaxed")
    if rows.select(key).is_unique().all():  # as they nearly always are; `unique` would copy all of them
        return rows
    return rows.unique(subset=list(key), keep="first", maintain_order=True)


def list_parts(folder: Location) -> list[FileEntry]:
    """The Parquet parts in a folder, sorted by name."""
    # A part that vanishes between the listing and its inspection left its rows to one that the listing lacks.
    before: list[Location] | None = None
    while True:
        found = [e for e in list_named_files(folder, "part-") if is_part_name(e.path.name)]
        present = [entry for entry in found if entry.size >= 0]
        names = [entry.path for entry in found]
        if len(present) == len(found) or names == before:
            return present
        before = names


def list_part_files(folder: Location) -> list[Location]:
    """The paths of the Parquet parts in a folder, sorted by name."""
    return [entry.path for entry in list_parts(folder)]


def read_all_parts(folder: Location, read: Callable[[StoredFile], T]) -> tuple[list[Location], list[T]]:
    """Read every part of a folder as they are at one moment.

    Reading starts again when another process replaces parts meanwhile. At a URL several parts are read at once.

    Args:
        folder: The folder of the parts.
        read: Called with each part.

    Returns:
        The parts, and what `read` returned for each.
    """
    while True:
        parts = list_parts(folder)
        files = [part.path for part in parts]
        try:
            if isinstance(folder, Path) or len(parts) < 2:
                return files, [read(part) for part in parts]
            with ThreadPoolExecutor(REMOTE_READ_THREADS) as readers:  # a server takes its time over each of them
                return files, list(readers.map(read, parts))
        except READ_ERRORS:
            if list_parts(folder) == parts:
                raise


def group_small_parts(parts: list[FileEntry]) -> Iterator[list[FileEntry]]:
    """Groups of small parts (below half of MAX_PART_BYTES) of up to MAX_PART_BYTES; a part alone is no group."""
    group: list[FileEntry] = []
    size = 0
    for part in parts:
        if part.size >= MAX_PART_BYTES // 2:
            continue
        if size + part.size > MAX_PART_BYTES:
            yield group
            group, size = [], 0
        group.append(part)
        size += part.size
    if len(group) > 1:
        yield group


def _order(parts: Iterable[Location]) -> int:
    """The least number that one of these parts has; `_PLAIN` where none replaces others."""
    found = (_REPLACING.match(part.name) for part in parts)
    return min((int(one[1]) for one in found if one), default=_PLAIN)


def is_part_name(name: str) -> bool:
    """Whether a file of this name is a part."""
    return name.startswith("part-") and name.endswith(".parquet")
