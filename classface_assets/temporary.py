"""Temporary files and folders: what is not whole yet is called so, and which of them a killed process left behind.

The name says whose it is, so that of two processes at work in one folder neither removes what the other is writing.
"""

import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

ABANDONED_AFTER_S = 3600
"""A file of another machine, whose processes cannot be asked, is left behind when nobody wrote to it for an hour."""
_NAME = re.compile(r"\.([^.]+)~(\d+)~[0-9a-f]{8}\.tmp")


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path` that no other process and no other thread takes."""
    return path.with_name(f".{path.name}.{_machine()}~{os.getpid()}~{uuid.uuid4().hex[:8]}.tmp")


def left_behind(folder: Path) -> Iterator[Path]:
    """The temporary files and folders in one folder that nobody is writing any more."""
    if folder.is_dir():
        yield from (file for file in sorted(folder.glob(".*.tmp*")) if is_abandoned(file))


def sweep(folder: Path) -> None:
    """Remove what killed processes left behind in a folder."""
    for left in left_behind(folder):
        discard(left)


def discard(left: Path) -> None:
    """Remove a file or a whole folder; that it is gone already is no error."""
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _machine() -> str:
    """Short: the name of a school year's album may be as long as a file system allows but for so much."""
    return re.sub(r"[^A-Za-z0-9-]", "_", platform.node())[:16] or "unnamed"


def is_abandoned(file: Path) -> bool:
    """Whether the process that was writing this temporary file or folder is gone."""
    try:
        written = file.stat().st_mtime
    except FileNotFoundError:
        return False
    owner = _NAME.search(file.name)
    if owner and owner[1] == _machine():
        return not _is_running(int(owner[2]), written)
    return time.time() - written > ABANDONED_AFTER_S


def _is_running(pid: int, written: float) -> bool:
    """Whether the process is there, and is not a younger one with the same number."""
    try:
        return psutil.Process(pid).create_time() <= written + 1
    except psutil.NoSuchProcess:
        return False
