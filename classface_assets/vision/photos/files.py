"""Opens files of the photos folder without ever blocking on a pipe, socket or device."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from classface_assets.core.locations import Location

SPECIAL_FILE_REASON = "a socket, pipe or device, not a file"


class SpecialFileError(Exception):
    """A socket, pipe or device: opening or reading it might never return."""


def open_without_blocking(path: Location) -> BinaryIO:
    """Open a file for reading, without waiting for the other end of a pipe.

    Raises:
        SpecialFileError: It is a socket, pipe or device.
        OSError: It cannot be opened.
    """
    if not isinstance(path, Path):
        return path.open("rb")
    if _is_special(path.stat().st_mode):
        raise SpecialFileError
    file = open(path, "rb", opener=_non_blocking_opener)  # noqa: SIM115 Path.open knows no opener
    if _is_special(os.fstat(file.fileno()).st_mode):  # it replaced a file in between
        file.close()
        raise SpecialFileError
    return file


def _is_special(mode: int) -> bool:
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _non_blocking_opener(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
