"""Writes files and folders of albums so that a kill at any moment leaves the old or the new, never half of either."""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from classface_assets.core.atomic_files import remove_abandoned, temporary_path
from classface_assets.core.errors import UserError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.locations import FileEntry


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
