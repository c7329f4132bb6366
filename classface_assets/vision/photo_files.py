"""The files of a photos folder: which there are, and opening one without ever waiting for its other end.

What is in them belongs in photos.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from classface_assets.places import Place

# Left behind by systems and photo programs, never put there as photos (@eaDir holds a NAS's thumbnails of each photo).
LEFT_OUT = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})
NOT_A_FILE = "a socket, pipe or device, not a file"


def photo_files(folder: Path) -> list[Path]:
    """Every file below the folder in sorted order, photo or not, but for dot-files and the names in LEFT_OUT.

    Links are followed, each folder once. What cannot be opened (a folder without permission, a link to nowhere, a
    socket) is in the list too, so that read_facts accounts for it.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            info = here.stat()
            inside = sorted(here.iterdir(), reverse=True)
        except OSError:
            found.append(here)
            continue
        if (info.st_dev, info.st_ino) in seen:
            continue
        seen.add((info.st_dev, info.st_ino))
        wanted = [p for p in inside if not p.name.startswith(".") and p.name.lower() not in LEFT_OUT]
        for entry in wanted:
            (folders if _is_folder(entry) else found).append(entry)
    return sorted(found)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a folder that may be listed but not entered
        return False


class NotAFile(Exception):  # noqa: N818
    """A socket, a pipe or a device: opening it might wait for ever, or never end."""


def open_file(path: Place) -> BinaryIO:
    """Open for reading; never waits for the other end of a pipe. Raises OSError, NotAFile."""
    if not isinstance(path, Path):
        return path.open("rb")
    if _is_special(path.stat().st_mode):
        raise NotAFile
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 Path.open knows no opener
    if _is_special(os.fstat(file.fileno()).st_mode):  # it took the place of a file since
        file.close()
        raise NotAFile
    return file


def _is_special(mode: int) -> bool:
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
