"""The files of one folder of parts, while other processes put some of them in the place of others.

Which files there are, reading all of them as they were at one moment, and which small ones to put together. What their
rows are belongs in parts.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from classface_assets.places import Entry, Place, entries

PART_BYTES = 64 << 20
REMOTE_READERS = 8
T = TypeVar("T")


def part_entries(folder: Place) -> list[Entry]:
    """The parts in a folder, sorted by name."""
    # A part that goes between the listing and the look at it has left its rows to one that the listing lacks.
    before: list[Place] | None = None
    while True:
        found = [e for e in entries(folder, with_gone=True) if _is_part(e.path.name)]
        there = [entry for entry in found if entry.size >= 0]
        names = [entry.path for entry in found]
        if len(there) == len(found) or names == before:
            return there
        before = names


def part_files(folder: Place) -> list[Place]:
    """The same as paths alone."""
    return [entry.path for entry in part_entries(folder)]


def read_every(folder: Place, read: Callable[[Place], T]) -> tuple[list[Place], list[T]]:
    """Every part, read again from the start when another process puts one in place of several meanwhile."""
    while True:
        files = part_files(folder)
        try:
            if isinstance(folder, Path) or len(files) < 2:
                return files, [read(file) for file in files]
            with ThreadPoolExecutor(REMOTE_READERS) as readers:  # a server takes its time over each of them
                return files, list(readers.map(read, files))
        except FileNotFoundError:
            if part_files(folder) == files:
                raise


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def small_groups(parts: list[Entry]) -> Iterator[list[Place]]:
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
