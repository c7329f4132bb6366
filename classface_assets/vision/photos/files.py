"""Opens files of the photos folder without ever blocking on a pipe, socket or device."""

import os
import stat
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from upath import UPath

from classface_assets.core.locations import Location

WHOLE_BYTES = 16 << 20
"""A file at a URL is fetched by one request if it is smaller than that."""


class SpecialFileError(Exception):
    """A socket, pipe or device: opening or reading it might never return."""


def open_without_blocking(path: Location) -> BinaryIO:
    """Open a file for reading, without waiting for the other end of a pipe.

    Raises:
        SpecialFileError: It is a socket, pipe or device.
        OSError: It cannot be opened.
    """
    if not isinstance(path, Path):
        content = fetch_small(path)
        return path.open("rb") if content is None else BytesIO(content)
    if _is_special(path.stat().st_mode):
        raise SpecialFileError
    file = open(path, "rb", opener=_non_blocking_opener)  # noqa: SIM115 Path.open knows no opener
    if _is_special(os.fstat(file.fileno()).st_mode):  # it replaced a file in between
        file.close()
        raise SpecialFileError
    return file


def fetch_small(file: UPath) -> bytes | None:
    """A file at a URL, by one request; None where it is large, or empty, of which stores give no range.

    Opening it would ask for its size first, and a photo is read to its end anyway.
    """
    try:
        content: bytes = file.fs.cat_file(file.path, start=0, end=WHOLE_BYTES)
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, ValueError):
        return None
    return content if len(content) < WHOLE_BYTES else None


def _is_special(mode: int) -> bool:
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _non_blocking_opener(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
