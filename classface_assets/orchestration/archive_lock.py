"""Runs of one archive take turns: a lock of the system in its local folder, and a note of who has it.

The system frees the lock of a process that was killed. Runs that Dagster's own UI or daemon starts do not take it; they
are kept apart by Dagster's pools, asset by asset.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout

LOCK_FILE = "run.lock"
HOLDER_FILE = "run.json"


class ArchiveLockedError(UserError):
    """Another run of the archive goes on, and is not to be waited for."""


@dataclass(frozen=True)
class LockHolder:
    """Who has the turn: what they were called as, since when (ISO time), in which process."""

    command: str
    since: str
    process: int

    def __str__(self) -> str:
        began = datetime.fromisoformat(self.since)
        when = f"{began:%H:%M}" if began.date() == datetime.now().astimezone().date() else f"{began:%Y-%m-%d %H:%M}"
        return f"Another `{self.command}` of this archive goes on since {when} (process {self.process})"


@contextmanager
def archive_lock(
    layout: ArchiveLayout, command: str, tell: Callable[[str], object], wait: bool = True
) -> Iterator[None]:
    """Have the archive to oneself as far as other runs go; tells for whom it waits.

    Raises RunningAlreadyError where there is another and `wait` is not wanted.
    """
    lock, note = FileLock(layout.local / LOCK_FILE), layout.local / HOLDER_FILE
    layout.local.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = _read_holder(note)
        if not wait:
            raise ArchiveLockedError(f"{other}; try again when it is done.") from None
        tell(f"{other}; waiting until it is done.")
        lock.acquire(poll_interval=0.2)
    try:
        mine = LockHolder(command, datetime.now().astimezone().isoformat(timespec="seconds"), os.getpid())
        write_file(note, lambda out: out.write(json.dumps(asdict(mine)).encode()))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _read_holder(note: Path) -> LockHolder | str:
    """Who has the lock; they may have taken it a moment ago, or be about to let it go."""
    try:
        return LockHolder(**json.loads(note.read_text()))
    except (OSError, ValueError, TypeError):
        return "Another run of this archive goes on"
