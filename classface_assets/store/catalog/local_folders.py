"""The folders below a local photos folder, whatever links lie among them: each once, and no photo twice."""

import bisect
import os
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from classface_assets.core.locations import Location
from classface_assets.store.catalog.system_files import is_system_name


@dataclass(frozen=True)
class PhotoFolder:
    """One folder of photos.

    Attributes:
        path: Where it lies.
        parts: The names on its path below the photos folder, which itself has none.
        subfolders: The names of the folders right in it.
        has_files: Whether files lie right in it; also of a folder that cannot be opened, so that it is reported.
        left_out: The names in it that systems left there; folders among them are not read.
        links_left_out: The names of links in it that lead to what is read in its own place, or back to a folder above.
    """

    path: Location
    parts: tuple[str, ...]
    subfolders: tuple[str, ...]
    has_files: bool
    left_out: tuple[str, ...] = ()
    links_left_out: tuple[str, ...] = ()


def walk_local(photos: Path) -> list[PhotoFolder]:
    """The photos folder and every folder below it, in any order; see `walk_photo_folders`.

    Raises:
        OSError: The photos folder cannot be read.
    """
    return _Walk(photos, FileLinks.below(photos)).folders()


@dataclass(frozen=True)
class FileLinks:
    """Which links to files are not read: those to a file that is listed in its own place.

    A link to a file elsewhere is that file, also one in a hidden folder, as git-annex makes them. A link that leads
    nowhere, or in a circle, is a file that cannot be read, and is reported as such.

    Attributes:
        photos: The photos folder's real path.
    """

    photos: str

    @classmethod
    def below(cls, photos: Path) -> "FileLinks":
        """The links below a photos folder."""
        return cls(os.path.realpath(photos))

    def is_left_out(self, entry: "os.DirEntry[str]") -> bool:
        """Whether this is a link to a file that is listed in its own place."""
        if not entry.is_symlink() or not Path(entry.path).is_file():
            return False
        target, folder = os.path.realpath(entry.path), os.path.realpath(os.path.dirname(entry.path))  # noqa: PTH120
        return any(_is_listed(target, root) for root in (self.photos, folder))


def _is_listed(target: str, root: str) -> bool:
    """Whether a file lies below this folder, and in none that is left out as a system's."""
    inside = target.startswith(f"{root.rstrip(os.sep)}{os.sep}")
    return inside and not any(map(is_system_name, Path(target[len(root) :]).parts))


@dataclass
class _Walk:
    """Reads the folders that lie below the photos folder; after them, in the order of their paths, those linked to.

    Attributes:
        photos: The photos folder.
        file_links: Which links to files are not read.
        seen: Device and number of each folder that was read, or that the photos folder lies in.
        links: The paths of links to folders that are still to be followed, sorted.
        found: Path below the photos folder → folder.
        left_out: Path below the photos folder → the links in it that were not followed.
    """

    photos: Path
    file_links: FileLinks
    seen: set[tuple[int, int]] = field(default_factory=set)
    links: list[tuple[str, ...]] = field(default_factory=list)
    found: dict[tuple[str, ...], PhotoFolder] = field(default_factory=dict)
    left_out: defaultdict[tuple[str, ...], set[str]] = field(default_factory=lambda: defaultdict(set))

    def folders(self) -> list[PhotoFolder]:
        """All of them."""
        os.scandir(self.photos).close()  # what cannot be read at all is an error
        self.seen |= {_identity(above) for above in Path(self.file_links.photos).parents}
        self._read(())
        while self.links:
            parts = self.links.pop(0)
            if self._leads_up(parts):
                self.left_out[parts[:-1]].add(parts[-1])
            else:
                self._read(parts)
        return [self._with_links(folder) for folder in self.found.values()]

    def _read(self, top: tuple[str, ...]) -> None:
        """Read a folder and those below it, but for those linked to."""
        waiting = [top]
        while waiting:
            parts = waiting.pop()
            path = self.photos.joinpath(*parts)
            try:
                if (identity := _identity(path)) in self.seen:
                    self.left_out[parts[:-1]].add(parts[-1])
                    continue
                self.seen.add(identity)
                self.found[parts], below = self._scan(path, parts)
                waiting += [(*parts, name) for name in below]
            except OSError:
                self.found[parts] = PhotoFolder(path, parts, (), has_files=True)

    def _scan(self, path: Path, parts: tuple[str, ...]) -> tuple[PhotoFolder, list[str]]:
        """A folder, and the names of the folders in it that are no links."""
        subfolders, below, systems, has_files = [], [], [], False
        with os.scandir(path) as inside:
            for entry in inside:
                if is_system_name(entry.name):
                    systems.append(entry.name)
                elif is_folder(entry):
                    subfolders.append(entry.name)
                    if entry.is_symlink():
                        bisect.insort(self.links, (*parts, entry.name))
                    else:
                        below.append(entry.name)
                elif self.file_links.is_left_out(entry):
                    self.left_out[parts].add(entry.name)
                else:
                    has_files = True
        return PhotoFolder(path, parts, tuple(sorted(subfolders)), has_files, tuple(sorted(systems))), below

    def _leads_up(self, parts: tuple[str, ...]) -> bool:
        """Whether a link leads to a folder above it, from where everything would be read once more."""
        link = self.photos.joinpath(*parts)
        return Path(os.path.realpath(link)) in Path(os.path.realpath(link.parent), link.name).parents

    def _with_links(self, folder: PhotoFolder) -> PhotoFolder:
        """A folder with the links in it that were not followed, which are no folders of it."""
        links = self.left_out.get(folder.parts, set())
        followed = tuple(name for name in folder.subfolders if name not in links)
        return replace(folder, subfolders=followed, links_left_out=tuple(sorted(links)))


def _identity(folder: Path) -> tuple[int, int]:
    info = folder.stat()
    return info.st_dev, info.st_ino


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether this is a folder that can be entered, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a folder that may be listed but not entered
        return False
