"""Immutable Parquet parts: the truth of all that is computed.

A part appears whole or not at all, so a killed run leaves only finished parts and the next run does the rest: pending
work is the current ids minus the ids in the parts. A row leaves a part only when another part, already on the disk,
holds it; so several processes may append, compact and read at once. What the rows mean is the caller's business.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.places import Place, remove
from classface_assets.store.files import keep_names
from classface_assets.store.once import Seen, once
from classface_assets.store.part_files import part_entries, part_files, read_every, small_groups
from classface_assets.store.tables import pick_rows, read_table, scan_table, write_whole
from classface_assets.temporary import sweep


@dataclass(frozen=True)
class Parts:
    """The parts of one asset in one folder. Rows are unique on `key`; of two rows with one key the first read stays."""

    folder: Place
    key: tuple[str, ...]

    def files(self) -> list[Place]:
        return part_files(self.folder)

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """All rows, or only some columns of them; a frame without columns when there is no part yet.

        A part from before a column existed gives null; a column that no part has is left out.
        """
        wanted = None if columns is None else self._with_key(columns)
        _, frames = read_every(self.folder, lambda file: read_table(file, wanted))
        rows = once(frames, self.key)
        return rows if columns is None or not rows.width else rows.select(c for c in columns if c in rows.columns)

    def scan(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows once each in frames of bounded size, never the whole folder in memory, only the keys seen.

        A frame from a part from before a column existed lacks it. Parts that another process puts in place of others
        meanwhile are read instead.
        """
        wanted = None if columns is None else self._with_key(columns)
        seen = Seen(self.key)
        read: set[Place] = set()
        waiting = self.files()
        while waiting:
            file = waiting.pop(0)
            try:
                for rows in scan_table(file, wanted):
                    fresh = seen.fresh(rows)
                    if fresh.height:
                        yield fresh if columns is None else fresh.select(c for c in columns if c in fresh.columns)
            except FileNotFoundError:
                waiting = [f for f in self.files() if f not in read]
                if file in waiting:
                    raise
            read.add(file)

    def pick(self, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
        """These columns of the rows with one of these values, hardly reading more than those; none: no columns."""
        _, frames = read_every(self.folder, lambda file: pick_rows(file, column, values, self._with_key(columns)))
        rows = once([frame for frame in frames if frame.width], self.key)
        return rows.select(c for c in columns if c in rows.columns)

    def ids(self, column: str) -> set[str]:
        """The distinct values of one column over all parts."""
        _, found = read_every(self.folder, lambda file: set(read_table(file, [column])[column].drop_nulls().to_list()))
        return set().union(*found)

    def append(self, rows: pl.DataFrame) -> Place | None:
        """Write one more part; nothing when there are no rows. Raises StorageError."""
        if rows.is_empty():
            return None
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        write_whole(rows, part)
        return part

    def replace(self, rows: pl.DataFrame) -> None:
        """Put these rows in the place of those with the same keys: who reads meanwhile finds the old ones or these."""
        old, frames = read_every(self.folder, read_table)
        others = once(frames, self.key)
        others = others.join(rows, on=list(self.key), how="anti") if others.width else others
        self._put(pl.concat([others, rows], how="diagonal_relaxed") if others.width else rows, old)

    def keep(self, keys: pl.DataFrame) -> None:
        """Drop the rows whose key is not in `keys`; a part that another process adds meanwhile stays as it is."""
        self._sweep()
        old, frames = read_every(self.folder, read_table)
        rows = once(frames, self.key)
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
        for group in small_groups(part_entries(self.folder)):
            try:
                rows = once([read_table(file) for file in group], self.key)
            except FileNotFoundError:
                return
            self._put(rows, group)

    def _sweep(self) -> None:
        """Remove what killed processes left behind; an object storage has nothing half written."""
        if isinstance(self.folder, Path):
            sweep(self.folder)

    def _put(self, rows: pl.DataFrame, old: list[Place]) -> None:
        """Write rows in place of these parts; a part that another process has added meanwhile stays."""
        if self.append(rows) is not None:
            keep_names(self.folder)
        for file in old:
            remove(file)

    def _with_key(self, columns: list[str]) -> list[str]:
        return list(dict.fromkeys([*self.key, *columns]))


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
