"""The folders of the photos folder, at every level, without what systems left there; and the files in some of them."""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from upath import UPath

from classface_assets.core.locations import (
    FileEntry,
    Location,
    encode_relative_path,
    encode_relative_text,
    list_directory,
    list_files_recursive,
)
from classface_assets.store.catalog.local_folders import FileLinks, PhotoFolder, is_folder, walk_local
from classface_assets.store.catalog.system_files import is_system_name

FileSignature = tuple[str, int, int]
"""Path below the photos folder, size in bytes and mtime in ns of a file."""


def walk_photo_folders(photos: Location) -> list[PhotoFolder]:
    """List the photos folder and every folder below it, each before those in it.

    Each folder is read once: in its own place if it lies in the photos folder, else by the first link to it. A link to
    a folder above is not followed. A URL takes two listings, whatever is there.

    Raises:
        OSError: The photos folder cannot be read.
        StorageError: The disk, drive or server fails.
    """
    return sorted(
        walk_local(photos) if isinstance(photos, Path) else _walk_url(photos), key=lambda folder: folder.parts
    )


def list_files(photos: Location, folders: Sequence[Location]) -> tuple[list[FileEntry], Counter[str]]:
    """List the files right in some folders. A URL takes one listing for each folder that lies in no other.

    Returns:
        The files sorted by path, and how many of each name were ignored as system files. A file that cannot be
        inspected has the size -1; a folder that cannot be opened is listed in place of its files.
    """
    left_out: Counter[str] = Counter()
    found: list[FileEntry] = []
    links = FileLinks.below(photos) if isinstance(photos, Path) else None
    for folder in folders:
        if isinstance(folder, Path) and links is not None:
            files = _files_in(folder, links, left_out)
            found += (FileEntry(Path(path), size, mtime_ns, is_folder) for path, size, mtime_ns, is_folder in files)
    found += _files_at_url(photos, [folder for folder in folders if isinstance(folder, UPath)], left_out)
    return sorted(found, key=lambda entry: str(entry.path)), left_out


def list_signatures(photos: Location, folders: Sequence[Location]) -> list[FileSignature]:
    """The files of `list_files` with their paths below the photos folder, as `encode_relative_path` writes them.

    Of local files this takes half the time, as no object is made of each.
    """
    if not isinstance(photos, Path):
        files, _ = list_files(photos, folders)
        return [(encode_relative_path(file.path, photos), file.size, file.mtime_ns) for file in files]
    links, left_out = FileLinks.below(photos), Counter[str]()
    local = (folder for folder in folders if isinstance(folder, Path))
    found = sorted(file for folder in local for file in _files_in(folder, links, left_out))
    below = len(photos.as_posix().rstrip("/")) + 1
    relative = ((path[below:].replace(os.sep, "/"), size, mtime_ns) for path, size, mtime_ns, _ in found)
    return [(encode_relative_text(path), size, mtime_ns) for path, size, mtime_ns in relative]


def _files_in(folder: Path, links: FileLinks, left_out: Counter[str]) -> Iterator[tuple[str, int, int, bool]]:
    """The files right in a local folder, each with what a FileEntry says of it; the folder where it cannot be read."""
    try:
        with os.scandir(folder) as inside:
            entries = list(inside)
    except OSError:
        yield _as_stat_entry(str(folder))
        return
    for entry in entries:
        if is_system_name(entry.name):
            left_out[entry.name] += 1
        elif not is_folder(entry) and not links.is_left_out(entry):
            yield _as_stat_entry(entry.path)


def _as_stat_entry(path: str) -> tuple[str, int, int, bool]:
    """As `stat_entry`, of a path as text: of tens of thousands of files a Path costs as much as the call."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return path, -1, -1, False
    return path, status.st_size, status.st_mtime_ns, stat.S_ISDIR(status.st_mode)


def _walk_url(photos: UPath) -> Iterator[PhotoFolder]:
    subfolders: dict[tuple[str, ...], set[str]] = defaultdict(set)
    left_out: dict[tuple[str, ...], set[str]] = defaultdict(set)
    with_files: set[tuple[str, ...]] = set()
    top = list_directory(photos)
    subfolders[()] |= {entry.path.name for entry in top if entry.is_folder and not is_system_name(entry.path.name)}
    for entry in list_files_recursive(photos) if top else []:
        parts = [part for part in str(entry.path)[len(str(photos)) :].split("/") if part]
        depth = next((n for n, part in enumerate(parts) if is_system_name(part)), len(parts))
        if depth < len(parts):
            left_out[tuple(parts[:depth])].add(parts[depth])
        else:
            with_files.add(tuple(parts[:-1]))
        for level in range(min(depth, len(parts) - 1)):
            subfolders[tuple(parts[:level])].add(parts[level])
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        here = waiting.pop()
        below = tuple(sorted(subfolders.get(here, ())))
        yield PhotoFolder(
            photos.joinpath(*here), here, below, here in with_files, tuple(sorted(left_out.get(here, ())))
        )
        waiting += [(*here, name) for name in below]


def _files_at_url(photos: Location, folders: Sequence[UPath], left_out: Counter[str]) -> Iterator[FileEntry]:
    names = {str(folder) for folder in folders}
    systems: set[tuple[str, str]] = set()
    for folder in folders:
        if folder != photos and any(str(above) in names for above in folder.parents if above != photos):
            continue
        listed = list_directory(folder) if folder == photos else list_files_recursive(folder)
        for entry in listed:
            parent, name = _visible_parent_and_name(folder, entry)
            if parent in names and is_system_name(name):
                systems.add((parent, name))
            elif parent in names and not entry.is_folder:
                yield entry
    left_out.update(name for _, name in systems)


def _visible_parent_and_name(folder: UPath, entry: FileEntry) -> tuple[str, str]:
    """The folder that an entry lies in and its name; for one below a system folder those of that folder."""
    parts = str(entry.path)[len(str(folder)) :].strip("/").split("/")
    level = next((n for n, part in enumerate(parts) if is_system_name(part)), len(parts) - 1)
    return "/".join([str(folder), *parts[:level]]), parts[level]
