"""Deleting data: files, empty folders and rows of parts; and listing what lies below the data folder, whatever it is.

What is to be deleted is the caller's business.
"""

from collections.abc import Callable, Set
from pathlib import Path

import polars as pl

from classface_assets.core.atomic_files import is_abandoned, remove_tree
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, list_directory, remove_file
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.files.parts import PartDataset


def list_tree(folder: Location) -> list[FileEntry]:
    """Every file below a folder; links to folders are not followed."""
    found = []
    for entry in list_directory(folder):
        if not entry.is_folder:
            found.append(entry)
        elif not entry.path.is_symlink():
            found += list_tree(entry.path)
    return found


def list_subfolders(folder: Location) -> list[Location]:
    """The folders right below a folder, sorted by name; none when there is no such folder."""
    return [e.path for e in list_directory(folder) if e.is_folder]


def abandoned_temporary_files(layout: ArchiveLayout) -> list[FileEntry]:
    """The temporary files and folders that killed processes left on this machine below the data and local folders.

    Photos and Dagster's records are not searched.
    """
    roots = {folder for folder in (layout.data, layout.local) if isinstance(folder, Path)}
    found: list[FileEntry] = []
    waiting = sorted(roots)
    while waiting:
        for entry in list_directory(waiting.pop()):
            path = entry.path
            if not isinstance(path, Path) or path.is_symlink() or path in (layout.photos, layout.dagster_home):
                continue
            if path.match(".*.tmp*"):
                found += [entry] if is_abandoned(path) else []
            elif entry.is_folder:
                waiting.append(path)
    return sorted(found, key=lambda entry: entry.path)


def delete_path(path: Location) -> None:
    """Delete a file or, on this machine, a whole folder; that it is gone already is no error."""
    if isinstance(path, Path):
        remove_tree(path)
    else:
        remove_file(path)


def drop_rows(parts: PartDataset, column: str, ids: Set[str]) -> None:
    """Delete the rows of these ids, part by part. A part that holds none of them stays as it is."""
    filter_rows(parts, lambda rows: rows.filter(~pl.col(column).is_in(list(ids)).fill_null(value=False)))


def filter_rows(parts: PartDataset, select: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Replace each part by the rows of it that `select` returns. The new part is there before the old one goes.

    A call that was killed in between leaves rows twice; the next one leaves each once.
    """
    changed = False
    for file in parts.files():
        rows = read_parquet(file)
        retained = select(rows)
        if retained.height < rows.height:
            parts.append_in_place_of(file, retained)
            changed = True
    if changed:
        parts.compact()


def remove_empty_folders(folder: Location) -> None:
    """Remove the folders without files below a local folder; an object storage has no folders to remove."""
    if isinstance(folder, Path):
        for inner in list_subfolders(folder):
            remove_empty_folders(inner)
        if not any(folder.iterdir()):
            folder.rmdir()
