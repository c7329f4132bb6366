"""Several datasets of parts read at once, such as those of all school years.

At a URL one listing finds the parts of all of them, and several parts are read at once, so that what it takes hardly
grows with the number of datasets.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl
from upath import UPath

from classface_assets.core.locations import FileEntry, list_files_recursive
from classface_assets.store.files.parquet import StoredFile, read_parquet
from classface_assets.store.files.parts import (
    READ_ERRORS,
    REMOTE_READ_THREADS,
    PartDataset,
    concat_unique,
    is_part_name,
    read_all_parts,
)

T = TypeVar("T")


def read_each(datasets: Sequence[PartDataset], read: Callable[[StoredFile], T]) -> Iterator[list[T]]:
    """Read every part of several datasets, each as it is at one moment.

    Args:
        datasets: The datasets. Local ones are read when their turn comes; at a URL all are read before the first.
        read: Called with each part, at a URL in several threads.

    Yields:
        For each dataset what `read` returned for its parts.
    """
    folders = [one.folder for one in datasets]
    places = [folder for folder in folders if isinstance(folder, UPath)]
    if len(places) < max(2, len(folders)):
        for folder in folders:
            yield read_all_parts(folder, read)[1]
        return
    listed = _list_parts_below(places)
    with ThreadPoolExecutor(REMOTE_READ_THREADS) as readers:
        started = [[readers.submit(read, part) for part in listed[str(folder)]] for folder in places]
        for folder, results in zip(places, started, strict=True):
            try:
                found = [one.result() for one in results]
            except READ_ERRORS:
                found = read_all_parts(folder, read)[1]
            yield found


def read_several(datasets: Sequence[PartDataset], columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of all rows of several datasets with the same key.

    Returns:
        A frame without columns when there is no part yet; a column that no part has is left out.
    """
    if not datasets:
        return pl.DataFrame()
    key = datasets[0].key
    with_key = list(dict.fromkeys([*key, *columns]))
    found = [concat_unique(frames, key) for frames in read_each(datasets, lambda part: read_parquet(part, with_key))]
    rows = [frame for frame in found if frame.width]
    return (
        pl.concat(rows, how="diagonal_relaxed").select(pl.col("^" + "|".join(columns) + "$"))
        if rows
        else pl.DataFrame()
    )


def held_ids(datasets: Sequence[PartDataset], column: str, ids: Collection[str]) -> Iterator[set[str]]:
    """For each of several datasets, those of some ids that it holds.

    Args:
        datasets: The datasets.
        column: The column with the ids.
        ids: The ids to look for.
    """
    wanted = pl.Series(list(ids), dtype=pl.String)

    def read(part: StoredFile) -> set[str]:
        held = read_parquet(part, [column])[column]
        return set(held.filter(held.is_in(wanted.implode())))

    for found in read_each(datasets, read):
        yield set().union(*found)


def copy_rows_from(
    own: PartDataset,
    others: Sequence[PartDataset],
    column: str,
    ids: set[str],
    held: Iterable[Collection[str]] | None = None,
) -> set[str]:
    """Copy the rows of some ids that other datasets hold.

    A photo that moved to another school year keeps its content id, so what was computed for it is copied, not redone.

    Args:
        own: The dataset to append to.
        others: The datasets to copy from, in this order.
        column: The column with the ids.
        ids: The ids whose rows are missing.
        held: For each of the others those of these ids that it holds; None to look.

    Returns:
        The ids that no other dataset holds.
    """
    missing = set(ids)
    if not missing:
        return missing
    for other, there in zip(others, held_ids(others, column, ids) if held is None else held, strict=True):
        shared = missing.intersection(there)
        if shared:
            for rows in other.scan():
                own.append(rows.filter(pl.col(column).is_in(list(shared))))
            missing -= shared
        if not missing:
            break
    return missing


def _list_parts_below(folders: Sequence[UPath]) -> dict[str, list[FileEntry]]:
    """Folder → its parts, sorted by name, from one listing of the folder that they all lie in."""
    root = next(above for above in folders[0].parents if all(above in folder.parents for folder in folders))
    parts: dict[str, list[FileEntry]] = defaultdict(list)
    for entry in list_files_recursive(root):
        if is_part_name(entry.path.name):
            parts[str(entry.path.parent)].append(entry)
    return parts
