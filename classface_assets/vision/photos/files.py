"""Opening a file of the photos folder without ever waiting for its other end. What is in it belongs in photos."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from classface_assets.core.locations import Location

SPECIAL_FILE_REASON = "a socket, pipe or device, not a file"


class SpecialFileError(Exception):
    """A socket, a pipe or a device: opening it might wait for ever, or never end."""


def open_without_blocking(path: Location) -> BinaryIO:
    """Open for reading; never waits for the other end of a pipe. Raises OSError, NotAFile."""
    if not isinstance(path, Path):
        return path.open("rb")
    if _is_special(path.stat().st_mode):
        raise SpecialFileError
    file = open(path, "rb", opener=_non_blocking_opener)  # noqa: SIM115 Path.open knows no opener
    if _is_special(os.fstat(file.fileno()).st_mode):  # it took the place of a file since
        file.close()
        raise SpecialFileError
    return file


def _is_special(mode: int) -> bool:
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _non_blocking_opener(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
