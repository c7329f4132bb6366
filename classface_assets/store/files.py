"""One file in the data place, local or at a URL: there whole or not at all.

A local file is written under another name, flushed to the disk and renamed; so after a power cut too it is whole or
not there. An object storage shows an object when it is whole. Parquet files belong in tables.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from classface_assets.places import Place
from classface_assets.storage_errors import told_in_a_sentence
from classface_assets.temporary import sweep, temporary_name


def read_file(file: Place) -> bytes:
    """Raises FileNotFoundError, StorageError."""
    with told_in_a_sentence(file):
        return file.read_bytes()


def write_file(file: Place, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that takes the place of the old one when it is whole. Raises StorageError."""
    with told_in_a_sentence(file.parent):
        if isinstance(file, Path):
            _write_local(file, write)
        else:
            content = BytesIO()
            write(content)
            file.fs.pipe_file(file.path, content.getvalue())


def _write_local(file: Path, write: Callable[[BinaryIO], object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    sweep(file.parent)
    temporary = temporary_name(file)
    try:
        with temporary.open("wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def keep_names(folder: Place) -> None:
    """Flush a local folder's names to the disk, before files are deleted whose rows are in a new one."""
    if isinstance(folder, Path) and os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
