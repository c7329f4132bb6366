"""Files that appear whole or not at all, on a local disk or at a URL, and the temporary files that this takes.

A local file is written under a temporary name, flushed to the disk and renamed, so it is whole or absent even after a
power cut; an object storage shows an object only when it is whole. The temporary name tells its owner (machine and
process), so that of two processes at work in one folder neither removes what the other is writing, and what a killed
process left behind is recognised. Parquet files belong in `store.files.parquet`.
"""

import itertools
import os
import platform
import random
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

from classface_assets.core.errors import translate_storage_errors
from classface_assets.core.locations import S3_PROTOCOLS, Location

ABANDONED_AFTER_S = 3600
"""Seconds without a write after which a temporary file of another machine counts as abandoned."""
_TEMPORARY_NAME = re.compile(r"\.([^.]+)~(\d+)~([0-9a-f]{4})[0-9a-f]{4}\.tmp")
_OWN_TOKEN = uuid.uuid4().hex[:4]
"""Tells the files of this process from those of a dead one with the same number, whatever the clock says."""
_numbers = itertools.count(random.randrange(1 << 16))


def read_file(file: Location) -> bytes:
    """The content of a file, local or at a URL.

    Raises:
        FileNotFoundError: There is no such file.
        StorageError: Its disk, drive or server fails.
    """
    with translate_storage_errors(file):
        if isinstance(file, Path):
            return file.read_bytes()
        # S3 is asked for the size of an object first, unless it is to be fetched in one piece.
        options = {"max_concurrency": 1} if file.protocol in S3_PROTOCOLS else {}
        return bytes(file.fs.cat_file(file.path, **options))


def write_file(file: Location, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that takes the place of the old one once it is whole.

    Args:
        file: Where; missing local folders are made.
        write: Writes the content into the binary file that it is given.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    with translate_storage_errors(file.parent):
        if isinstance(file, Path):
            _write_local(file, write)
        else:
            content = BytesIO()
            write(content)
            file.fs.pipe_file(file.path, content.getvalue())


def fsync_directory(folder: Location) -> None:
    """Flush the names in a local folder to the disk, before files are deleted whose rows are in a new one."""
    if isinstance(folder, Path) and os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def temporary_path(path: Path) -> Path:
    """A hidden name beside `path` that no other process and no other thread uses."""
    return path.with_name(f".{path.name}.{_host_name()}~{os.getpid()}~{_OWN_TOKEN}{next(_numbers) % (1 << 16):04x}.tmp")


def abandoned_files(folder: Path) -> Iterator[Path]:
    """The temporary files and folders in one folder that no process is writing any more."""
    if folder.is_dir():
        yield from (file for file in sorted(folder.glob(".*.tmp*")) if is_abandoned(file))


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left behind in one folder."""
    for left in abandoned_files(folder):
        remove_tree(left)


def remove_tree(path: Path) -> None:
    """Remove a file or a whole folder; that it is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_abandoned(file: Path) -> bool:
    """Whether the process that was writing this temporary file or folder is gone."""
    try:
        written = file.stat().st_mtime
    except FileNotFoundError:
        return False
    owner = _TEMPORARY_NAME.search(file.name)
    if owner and owner[1] == _host_name():
        if (int(owner[2]), owner[3]) == (os.getpid(), _OWN_TOKEN):
            return False  # also after the clock was set forward, which makes the file look older than this process
        return not _is_process_running(int(owner[2]), written)
    return time.time() - written > ABANDONED_AFTER_S


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


def _host_name() -> str:
    """At most 16 characters: the name of a school year's album may itself be nearly as long as file systems allow."""
    return re.sub(r"[^A-Za-z0-9-]", "_", platform.node())[:16] or "unnamed"


def _is_process_running(pid: int, written: float) -> bool:
    """Whether the process exists, and is not a younger one with the same number."""
    try:
        return psutil.Process(pid).create_time() <= written + 1
    except psutil.NoSuchProcess:
        return False
