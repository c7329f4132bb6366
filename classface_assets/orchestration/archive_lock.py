"""Only one command at a time runs an archive: a file lock in its local folder, and a note of who holds it.

The operating system releases the lock of a process that was killed. Runs that Dagster's own UI or daemon starts do not
take it; Dagster's pools separate them, asset by asset.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import StorageError, UserError, sentence_of
from classface_assets.core.languages import Sentence, sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.published.publishing_lease import LeaseHeldError, publishing_lease
from classface_assets.store.published.shared_files import pull

LOCK_FILE = "run.lock"
HOLDER_FILE = "run.json"


class ArchiveLockedError(UserError):
    """Another command runs the archive, and is not to be waited for."""


@dataclass(frozen=True)
class LockHolder:
    """The process that holds the lock.

    Attributes:
        command: What it was started as, such as `classface run`.
        since: ISO time.
        process: Its number.
    """

    command: str
    since: str
    process: int

    def describe(self) -> Sentence:
        """A sentence without its full stop, for messages to go on with."""
        start = datetime.fromisoformat(self.since)
        when = f"{start:%H:%M}" if start.date() == datetime.now().astimezone().date() else f"{start:%Y-%m-%d %H:%M}"
        return sentence(
            "Another `%(command)s` of this archive goes on since %(when)s (process %(process)s)",
            command=self.command,
            when=when,
            process=str(self.process),
        )


@contextmanager
def archive_lock(
    layout: ArchiveLayout, command: str, report: Callable[[str], object], wait: bool = True
) -> Iterator[None]:
    """A context in which no other command runs this archive.

    Args:
        layout: The archive.
        command: Shown to others that wait for this one.
        report: Called with a sentence where this command has to wait for another.
        wait: Whether to wait at all.

    Raises:
        ArchiveLockedError: Another command holds the lock, and `wait` is False.
    """
    lock, note = FileLock(layout.local / LOCK_FILE), layout.local / HOLDER_FILE
    layout.local.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = _read_holder(note)
        if not wait:
            raise ArchiveLockedError(sentence("%(who)s; try again when it is done.", who=other)) from None
        report(sentence("%(who)s; waiting until it is done.", who=other))
        lock.acquire(poll_interval=0.2)
    try:
        own = LockHolder(command, datetime.now().astimezone().isoformat(timespec="seconds"), os.getpid())
        write_file(note, lambda out: out.write(json.dumps(asdict(own)).encode()))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


@contextmanager
def lock_on_all_machines(layout: ArchiveLayout, command: str) -> Iterator[None]:
    """A context in which no other command runs this archive here, and no other machine publishes it.

    Neither is waited for, as it may take hours. It begins with what others have published. Where the server with the
    data is away, the context is entered nonetheless: what is to be recorded in the ledger is not lost for that.

    Args:
        layout: The archive.
        command: Shown to others that wait for this one.

    Raises:
        ArchiveLockedError: Another command or machine is at work.
    """
    with archive_lock(layout, command, lambda _: None, wait=False), ExitStack() as stack:
        try:
            with suppress(StorageError):
                stack.enter_context(publishing_lease(layout, command, wait=False))
                pull(layout)
        except LeaseHeldError as error:
            raise ArchiveLockedError(sentence_of(error)) from None
        yield


def _read_holder(note: Path) -> Sentence:
    """Who holds the lock; they may have taken it a moment ago, or be about to release it."""
    try:
        return LockHolder(**json.loads(note.read_text())).describe()
    except (OSError, ValueError, TypeError):
        return sentence("Another run of this archive goes on")
