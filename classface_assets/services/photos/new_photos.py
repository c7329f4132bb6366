"""How many photos were added to the photos folder since the last update: cheap enough to be asked again and again.

A folder whose time of last change is the same holds the same names, so only folders that changed are read again. A file
that was overwritten in place is not noticed here; the update itself looks at every file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import encode_relative_path
from classface_assets.store.catalog.local_folders import FileLinks, is_folder
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.catalog.system_files import is_system_name
from classface_assets.vision.photo_facts import is_photo_name


@dataclass(frozen=True)
class _Folder:
    """A folder when it was read last: its time of last change, the folders in it, and its new photos."""

    changed_at: int
    subfolders: tuple[Path, ...]
    new_photos: int


@dataclass
class NewPhotoCounter:
    """Counts the photos of one archive that no update has read. To be used by one thread at a time."""

    layout: ArchiveLayout
    _folders: dict[Path, _Folder] = field(default_factory=dict)
    _known_version: object = None

    def count(self) -> int | None:
        """The number of new photos; None where the photos are at a URL or cannot be read.

        Raises:
            StorageError: What is known of the photos cannot be read.
        """
        photos = self.layout.photos
        if not isinstance(photos, Path) or not photos.is_dir():
            return None
        version = self._parts_version()
        if version != self._known_version:
            self._folders.clear()
        fresh = dict(self._read_changed(photos, version))
        self._folders = fresh
        return sum(folder.new_photos for folder in fresh.values())

    def _parts_version(self) -> object:
        """A value that changes when an update has read files."""
        layout = self.layout
        return [(year, [file.name for file in image_parts(layout, year).files()]) for year in list_school_years(layout)]

    def _read_changed(self, photos: Path, version: object) -> Iterator[tuple[Path, _Folder]]:
        links, seen, waiting = FileLinks.below(photos), set(), [photos]
        known: set[str] | None = None
        while waiting:
            path = waiting.pop()
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                folder = self._folders.get(path)
                if folder is None or folder.changed_at != status.st_mtime_ns:
                    if known is None:
                        known = known_paths(self.layout)
                    folder = _read_folder(path, photos, links, known, status.st_mtime_ns)
            except OSError:
                continue
            waiting += folder.subfolders
            yield path, folder
        self._known_version = version


def known_paths(layout: ArchiveLayout) -> set[str]:
    """The files of all school years that an update has read, by their paths below the photos folder."""
    return {path for year in list_school_years(layout) for path in image_parts(layout, year).ids("path")}


def _read_folder(path: Path, photos: Path, links: FileLinks, known: set[str], changed_at: int) -> _Folder:
    subfolders, new = [], 0
    with os.scandir(path) as inside:
        for entry in inside:
            if is_system_name(entry.name):
                continue
            if is_folder(entry):
                subfolders.append(path / entry.name)
            elif is_photo_name(entry.name) and not links.is_left_out(entry):
                new += encode_relative_path(path / entry.name, photos) not in known
    return _Folder(changed_at, tuple(subfolders), new)
