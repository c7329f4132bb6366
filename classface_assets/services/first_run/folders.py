"""Browsing the folders of this machine for the photos folder, never outside one root."""

import os
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.catalog.system_files import is_system_name
from classface_assets.vision.photo_facts import is_photo_name

MAX_FOLDERS = 500
MAX_COUNTED = 10_000


class BrowsingError(UserError):
    """A folder that may not be shown, or cannot be read."""


@dataclass(frozen=True)
class FolderEntry:
    """A folder in the one that is shown."""

    name: str
    path: str


@dataclass(frozen=True)
class FolderListing:
    """A folder as it is shown.

    Attributes:
        path: The real path.
        above: The folders above it, from the root on.
        folders: Those right in it, by name.
        left_out: How many more there are.
        photos: Files right in it that look like photos.
    """

    path: str
    above: tuple[FolderEntry, ...]
    folders: tuple[FolderEntry, ...]
    left_out: int
    photos: int


@dataclass(frozen=True)
class FolderBrowser:
    """Shows the folders below one root.

    Attributes:
        root: The folder that nobody gets out of: links are followed only to places below it.
    """

    root: Path

    def list(self, path: str = "") -> FolderListing:
        """The folders in a folder.

        Args:
            path: Its path; "" for the root.

        Raises:
            BrowsingError: It does not lie below the root, is not there, or cannot be read.
        """
        folder = self.resolve(path)
        folders, photos, seen = [], 0, 0
        try:
            with os.scandir(folder) as inside:
                for entry in inside:
                    seen += 1
                    if entry.name.startswith(".") or is_system_name(entry.name):
                        continue
                    if self._is_shown(entry):
                        folders.append(entry.name)
                    elif seen <= MAX_COUNTED and is_photo_name(entry.name):
                        photos += 1
        except OSError as error:
            raise BrowsingError(
                sentence(
                    "%(folder)s cannot be read (%(why)s); choose another folder.", folder=folder, why=error.strerror
                )
            ) from None
        folders.sort(key=str.casefold)
        shown = tuple(FolderEntry(_text(name), _text(str(folder / name))) for name in folders[:MAX_FOLDERS])
        return FolderListing(_text(str(folder)), self._above(folder), shown, len(folders) - len(shown), photos)

    def resolve(self, path: str) -> Path:
        """The real path of a folder.

        Raises:
            BrowsingError: It does not lie below the root, or is no folder.
        """
        root = self.root.resolve()
        try:
            folder = (root / path).resolve() if path else root
            is_below, is_folder = folder == root or folder.is_relative_to(root), folder.is_dir()
        except (OSError, ValueError, RuntimeError):
            is_below = is_folder = False
        if not is_below or not is_folder:  # one sentence for both: what lies outside is nobody's business
            raise BrowsingError(
                sentence("There is no such folder below %(root)s; choose one that is listed.", root=root)
            )
        return folder

    def _is_shown(self, entry: "os.DirEntry[str]") -> bool:
        try:
            if not entry.is_dir():
                return False
            return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError):
            return False

    def _above(self, folder: Path) -> tuple[FolderEntry, ...]:
        root = self.root.resolve()
        steps = [folder, *folder.parents]
        above = steps[1 : steps.index(root) + 1] if folder != root else []
        return tuple(FolderEntry(one.name or str(one), str(one)) for one in reversed(above))


def browse_root(layout: ArchiveLayout, setting: str | None) -> Path:
    """The folder below which photos may be chosen: as set, else where the photos folder lies, else the user's home.

    Args:
        layout: The archive.
        setting: The setting `browse_root`.
    """
    if setting:
        return Path(setting).expanduser()
    given = layout.photos
    if isinstance(given, Path) and given != layout.data / "photos":
        return given.parent
    return Path.home()


def _text(path: str) -> str:
    """A path as a page can show it."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
