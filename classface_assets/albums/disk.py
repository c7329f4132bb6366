"""Files and folders of albums: which there are, and writing them so that a kill leaves the old or the new of each.

Albums that are published at a URL need not all lie in this machine's albums folder: another one may have made them.
"""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.atomic_files import remove_abandoned, temporary_path
from classface_assets.core.errors import UserError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.locations import FileEntry


@dataclass(frozen=True)
class PublishedFiles:
    """What of albums is published: files by their path below the albums folder, and what lies in each folder."""

    paths: frozenset[str]
    children: dict[str, set[str]]

    @staticmethod
    def of(paths: Collection[str]) -> "PublishedFiles":
        """The files of these paths."""
        children: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            while name not in (known := children.setdefault(folder, set())):
                known.add(name)
                if not folder:
                    break
                folder, _, name = folder.rpartition("/")
        return PublishedFiles(frozenset(paths), children)


_published: dict[Path, PublishedFiles] = {}
"""Albums folder → what of it is published at a URL, while albums are made there."""


@contextlib.contextmanager
def counting_published(out: Path, paths: Collection[str]) -> Iterator[None]:
    """Within it, what is published at a URL counts as there; and of the albums of years nothing else does.

    Args:
        out: The albums folder of this machine, whose albums of years may be older than what is published.
        paths: The published files, below it.
    """
    _published[out] = PublishedFiles.of(paths)
    try:
        yield
    finally:
        del _published[out]


def has_file(out: Path, path: str) -> bool:
    """Whether albums have a file: in the albums folder, or, within `counting_published`, at the URL."""
    published = _is_published(out, path)
    return (out / path).exists() if published is None else published


def _is_published(out: Path, path: str) -> bool | None:
    """Whether a file or folder is at the URL; None where what lies in the albums folder counts."""
    published = _published.get(out)
    if published is None:
        return None
    is_there = path in published.paths or path.rstrip("/") in published.children
    return is_there if is_there or path.startswith("years/") else None


def is_counting_published(out: Path) -> bool:
    """Whether what is published at a URL counts just now, so that the albums folder may lack files or have old ones."""
    return out in _published


def child_names(out: Path, folder: str) -> list[str]:
    """The names of files and folders in a folder of albums; none where there is no such folder."""
    published = _published.get(out)
    if published is not None:
        return sorted(published.children.get(folder, ()))
    return [entry.name for entry in os.scandir(out / folder)] if (out / folder).is_dir() else []


class AlbumError(UserError):
    """An album cannot be made with these settings; the message says why and what to do."""


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name and rename it: a reader sees the old file or the whole new one.

    Unlike core/atomic_files, nothing is flushed to the disk: an album can be built again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_if_changed(path: Path, content: str) -> None:
    """Write a text atomically, unless the file has it already: then it keeps its time of change."""
    data = content.encode()
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)


class FolderListing:
    """What the albums folder holds, each folder as it was when it was first asked for.

    Asking the disk for each of tens of thousands of files takes many times longer.
    """

    def __init__(self, out: Path) -> None:
        """Of the albums folder `out`; nothing is listed yet."""
        self.out = out
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether albums have a file or folder of this path; see `has_file`."""
        published = _is_published(self.out, path)
        if published is not None:
            return published
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = self._list(folder)
        if name in self._names[folder]:
            return True
        # A disk may list accents in another encoding than the one that it finds them by.
        return not name.isascii() and (self.out / path).exists()

    def _list(self, folder: str) -> frozenset[str]:
        try:
            with os.scandir(self.out / folder) as entries:
                return frozenset(entry.name for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()


@contextlib.contextmanager
def rebuild_folder(folder: Path) -> Iterator[Path]:
    """Replace a folder by one that the block fills.

    If the block fails or the process is killed, `folder` stays as it was. Several processes may do so at a time.

    Yields:
        An empty folder beside `folder`, which takes its place when the block ends without an error.
    """
    building = temporary_path(folder)
    retired = folder.with_name(f".{folder.name}.retired")
    if retired.exists() and not folder.exists():  # killed between the two renames of a system without exchange
        retired.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
    remove_abandoned(folder.parent)
    building.mkdir(parents=True)
    try:
        yield building
        reached(Failpoint.FOLDER_BUILT)
        _swap_in(building, folder, retired)
        reached(Failpoint.FOLDER_SWAPPED)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _swap_in(building: Path, folder: Path, retired: Path) -> None:
    with contextlib.suppress(OSError):  # another process may have put one there a moment ago
        if not folder.exists():
            building.rename(folder)
            return
    if not _exchange_folders(building, folder):
        folder.rename(retired)
        reached(Failpoint.FOLDER_RETIRED)
        building.rename(folder)
        shutil.rmtree(retired)


def link_or_copy_photo(original: FileEntry, target: Path, copies: list[Path]) -> bool:
    """Put a photo at `target` as a hard link, or else as a copy.

    Args:
        original: The photo; on another disk or at a URL it cannot be linked.
        target: Where to put it.
        copies: Earlier copies, to one of which is linked instead if size and time of change agree.

    Returns:
        Whether bytes were copied.

    Raises:
        OSError: The original cannot be read.
    """
    photo = original.path
    for source in [photo, *copies] if isinstance(photo, Path) else copies:
        with contextlib.suppress(OSError):
            found = source.stat()
            if (found.st_size, found.st_mtime_ns) == (original.size, original.mtime_ns):
                os.link(source, target)
                return False
    if isinstance(photo, Path):
        shutil.copy2(photo, target)
    else:
        target.write_bytes(photo.read_bytes())
        os.utime(target, ns=(original.mtime_ns, original.mtime_ns))
    return True


def _exchange_folders(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system can: renameat2(2) on Linux, renamex_np(2) on macOS."""
    here, exchange = -100, 2
    try:
        library = ctypes.CDLL(None)
        a, b = os.fsencode(one), os.fsencode(other)
        if sys.platform == "darwin":
            return library.renamex_np(a, b, exchange) == 0
        return library.renameat2(here, a, here, b, exchange) == 0
    except (AttributeError, OSError, TypeError):
        return False
