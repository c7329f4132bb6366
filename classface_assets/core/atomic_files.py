"""One file in the data place, local or at a URL: there whole or not at all.

A local file is written under another name, flushed to the disk and renamed; so after a power cut too it is whole or
not there. An object storage shows an object when it is whole. Parquet files belong in tables.

Temporary files and folders: what is not whole yet is called so, and which of them a killed process left behind.

The name says whose it is, so that of two processes at work in one folder neither removes what the other is writing.
"""

import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import psutil

from classface_assets.core.locations import Location
from classface_assets.core.storage_errors import translate_storage_errors

ABANDONED_AFTER_S = 3600
"""A file of another machine, whose processes cannot be asked, is left behind when nobody wrote to it for an hour."""
_TEMPORARY_NAME = re.compile(r"\.([^.]+)~(\d+)~[0-9a-f]{8}\.tmp")


def temporary_path(path: Path) -> Path:
    """A hidden name beside `path` that no other process and no other thread takes."""
    return path.with_name(f".{path.name}.{_host_name()}~{os.getpid()}~{uuid.uuid4().hex[:8]}.tmp")


def abandoned_files(folder: Path) -> Iterator[Path]:
    """The temporary files and folders in one folder that nobody is writing any more."""
    if folder.is_dir():
        yield from (file for file in sorted(folder.glob(".*.tmp*")) if is_abandoned(file))


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left behind in a folder."""
    for left in abandoned_files(folder):
        remove_tree(left)


def remove_tree(left: Path) -> None:
    """Remove a file or a whole folder; that it is gone already is no error."""
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _host_name() -> str:
    """Short: the name of a school year's album may be as long as a file system allows but for so much."""
    return re.sub(r"[^A-Za-z0-9-]", "_", platform.node())[:16] or "unnamed"


def is_abandoned(file: Path) -> bool:
    """Whether the process that was writing this temporary file or folder is gone."""
    try:
        written = file.stat().st_mtime
    except FileNotFoundError:
        return False
    owner = _TEMPORARY_NAME.search(file.name)
    if owner and owner[1] == _host_name():
        return not _is_process_running(int(owner[2]), written)
    return time.time() - written > ABANDONED_AFTER_S


def _is_process_running(pid: int, written: float) -> bool:
    """Whether the process is there, and is not a younger one with the same number."""
    try:
        return psutil.Process(pid).create_time() <= written + 1
    except psutil.NoSuchProcess:
        return False


def read_file(file: Location) -> bytes:
    """Raises FileNotFoundError, StorageError."""
    with translate_storage_errors(file):
        return file.read_bytes()


def write_file(file: Location, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that takes the place of the old one when it is whole. Raises StorageError."""
    with translate_storage_errors(file.parent):
        if isinstance(file, Path):
            _write_local(file, write)
        else:
            content = BytesIO()
            write(content)
            file.fs.pipe_file(file.path, content.getvalue())


def _write_local(file: Path, write: Callable[[BinaryIO], object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(file.parent)
    temporary = temporary_path(file)
    try:
        with temporary.open("wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def fsync_directory(folder: Location) -> None:
    """Flush a local folder's names to the disk, before files are deleted whose rows are in a new one."""
    if isinstance(folder, Path) and os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
