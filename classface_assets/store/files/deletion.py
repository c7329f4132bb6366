"""Taking things out of the data: files, empty folders, and rows of parts. What is to go is the caller's business.

What lies in the folders of the data, whatever it is: folders, files, and what killed processes left behind.
"""

from collections.abc import Callable, Set
from pathlib import Path

import polars as pl

from classface_assets.core.atomic_files import discard, is_abandoned
from classface_assets.core.layout import Layout
from classface_assets.core.locations import Entry, Place, entries, remove
from classface_assets.store.files.parquet import read_table
from classface_assets.store.files.parts import Parts


def temporary_files(layout: Layout) -> list[Entry]:
    """The files and folders that killed processes left on this machine below the data, photos and records left out."""
    roots = {folder for folder in (layout.data, layout.local) if isinstance(folder, Path)}
    found: list[Entry] = []
    waiting = sorted(roots)
    while waiting:
        for entry in entries(waiting.pop()):
            path = entry.path
            if not isinstance(path, Path) or path.is_symlink() or path in (layout.photos, layout.dagster_home):
                continue
            if path.match(".*.tmp*"):
                found += [entry] if is_abandoned(path) else []
            elif entry.is_folder:
                waiting.append(path)
    return sorted(found, key=lambda entry: entry.path)


def tree(folder: Place) -> list[Entry]:
    """Every file below a folder; links to folders are not followed."""
    found = []
    for entry in entries(folder):
        if not entry.is_folder:
            found.append(entry)
        elif not entry.path.is_symlink():
            found += tree(entry.path)
    return found


def folders(folder: Place) -> list[Place]:
    return [e.path for e in entries(folder) if e.is_folder]


def take_away(left: Place) -> None:
    """Delete a file or, as a temporary one may be on this machine, a whole folder."""
    if isinstance(left, Path):
        discard(left)
    else:
        remove(left)


def drop_rows(parts: Parts, column: str, ids: Set[str]) -> None:
    """Remove the rows of these ids, part by part. A part that holds none of them stays as it is."""
    keep_rows(parts, lambda rows: rows.filter(~pl.col(column).is_in(list(ids)).fill_null(value=False)))


def keep_rows(parts: Parts, wanted: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Keep only the wanted rows of each part. The new part is there before the old one goes."""
    for file in parts.files():
        rows = read_table(file)
        kept = wanted(rows)
        if kept.height < rows.height:
            parts.append(kept)
            remove(file)


def remove_empty(folder: Place) -> None:
    """An object storage has no folders of its own to remove."""
    if isinstance(folder, Path):
        for inner in folders(folder):
            remove_empty(inner)
        if not any(folder.iterdir()):
            folder.rmdir()
