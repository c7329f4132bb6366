"""One machine at a time publishes an archive whose data are at a URL: a lease, which a dead machine loses.

The lease is a small object that its holder rewrites every few seconds. Who waits for it sees whether it is rewritten;
the clocks of machines are never compared. With local data the lock of the archive and Dagster's pools do this.
"""

import getpass
import json
import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from classface_assets.core.errors import StorageError, UserError
from classface_assets.core.languages import Sentence, sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.files.conditional import (
    ChangedMeanwhileError,
    ConditionalObject,
    Unread,
    VersionedContent,
)
from classface_assets.store.published.shared_pointer import shared_object

BEAT_S, DEAD_AFTER_S, LOOK_EVERY_S = 10.0, 60.0, 2.0
"""Seconds between two rewrites; without one for how long the holder counts as dead; between two looks of who waits."""
_log = logging.getLogger(__name__)
_held: dict[str, "HeldLease"] = {}
"""Of this process, by URL: what publishes within what publishes needs no second lease."""
_guard, _acquiring = threading.Lock(), threading.Lock()


class LeaseLostError(UserError):
    """Another machine publishes the archive now, since this one did not answer for a while."""


@dataclass(frozen=True)
class LeaseNote:
    """What the lease's object says of its holder.

    Attributes:
        holder: Of this one lease.
        machine: The name of the machine.
        user: Who runs the process.
        process: Its number.
        folder: The local folder.
        command: What it does.
        since: ISO time.
        beat: Counts the rewrites.
    """

    holder: str
    machine: str
    user: str
    process: int
    folder: str
    command: str
    since: str
    beat: int = 0

    def describe(self) -> Sentence:
        """A sentence without its full stop."""
        since = datetime.fromisoformat(self.since).astimezone().strftime("%Y-%m-%d %H:%M")
        return sentence(
            "`%(command)s` on %(machine)s (process %(process)s of %(user)s) publishes this archive since %(since)s",
            command=self.command,
            machine=self.machine,
            process=str(self.process),
            user=self.user,
            since=since,
        )

    def to_bytes(self) -> bytes:
        """As its object holds it."""
        return json.dumps(asdict(self)).encode()


@dataclass
class HeldLease:
    """A lease that this process holds, and rewrites in a thread until it is released.

    Attributes:
        place: The object.
        note: What it says.
        version: The object's version; None once the lease is lost.
        depth: How many blocks use it.
    """

    place: ConditionalObject
    note: LeaseNote
    version: str | None
    depth: int = 1
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to rewrite it."""
        threading.Thread(target=self._rewrite, name="publishing lease", daemon=True).start()

    def beat(self) -> None:
        """Rewrite it once.

        Raises:
            LeaseLostError: Another machine has it.
            StorageError: The server fails.
        """
        with self._lock:
            if self.version is None:
                raise self._lost()
            self.note = LeaseNote(**{**asdict(self.note), "beat": self.note.beat + 1})
            try:
                self.version = self.place.write(self.note.to_bytes(), self.version)
            except ChangedMeanwhileError:
                self.version = None
                raise self._lost() from None

    def release(self) -> None:
        """Give it back."""
        self._stopped.set()
        with self._lock, suppress(ChangedMeanwhileError, StorageError):  # else who waits takes it a minute later
            if self.version is not None:
                self.place.remove(self.version)

    def _rewrite(self) -> None:
        while not self._stopped.wait(BEAT_S):
            try:
                self.beat()
            except LeaseLostError:
                return
            except StorageError as error:  # the server may be back in time
                _log.warning("%s", error)

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(
            sentence(
                "This machine did not answer for a while, and another one publishes the archive now; nothing is "
                "published from here. Run again."
            )
        )


def lease_object(layout: ArchiveLayout) -> ConditionalObject:
    """Where the lease of an archive lies whose data are at a URL."""
    return shared_object(layout, "lease.json")


@contextmanager
def publishing_lease(
    layout: ArchiveLayout, command: str, report: Callable[[str], object] = _log.warning, wait: bool = True
) -> Iterator[bool]:
    """A context in which no other machine publishes the archive. Blocks of one process may lie within each other.

    Args:
        layout: The archive; with local data nothing is done.
        command: Shown to machines that wait for this one.
        report: Called with a sentence where this machine has to wait for another.
        wait: Whether to wait at all.

    Yields:
        Whether the lease was taken now, so that others may have published since this process read what is shared.

    Raises:
        LeaseHeldError: Another machine holds it, and `wait` is False.
        StorageError: The server fails.
    """
    if isinstance(layout.data, Path):
        yield False
        return
    key = str(layout.data)
    with _acquiring:
        with _guard:
            lease = _held.get(key)
            if lease is not None:
                lease.depth += 1
        is_new = lease is None
        if lease is None:
            lease = _acquire(lease_object(layout), _own_note(layout, command), report, wait)
            lease.start()
            with _guard:
                _held[key] = lease
    try:
        yield is_new
    finally:
        with _guard:
            lease.depth -= 1
            is_last = lease.depth == 0
            if is_last:
                del _held[key]
        if is_last:
            lease.release()


def require_lease(layout: ArchiveLayout) -> None:
    """Check, by rewriting it, that this process still holds the lease, if it ever took one.

    Raises:
        LeaseLostError: Another machine has it.
        StorageError: The server fails.
    """
    lease = _held.get(str(layout.data))
    if lease is not None:
        lease.beat()


class LeaseHeldError(UserError):
    """Another machine publishes the archive, and is not to be waited for."""


def _own_note(layout: ArchiveLayout, command: str) -> LeaseNote:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        user = "somebody"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    machine, folder = platform.node() or "another machine", str(layout.local)
    return LeaseNote(uuid.uuid4().hex, machine, user, os.getpid(), folder, command, since)


def _acquire(place: ConditionalObject, note: LeaseNote, report: Callable[[str], object], wait: bool) -> HeldLease:
    seen, seen_at, reported, is_dead = "", time.monotonic(), "", False
    while True:
        found = place.read(seen)
        if isinstance(found, VersionedContent):
            seen, seen_at = found.version, time.monotonic()
            holder = _read_note(found.content)
            is_dead = holder is not None and _is_killed(holder, note)
            if not wait and not is_dead:
                raise LeaseHeldError(sentence("%(who)s; try again when it is done.", who=_shown(holder)))
            if not is_dead and (holder is None or holder.holder != reported):
                report(sentence("%(who)s; waiting until it is done.", who=_shown(holder)))
                reported = holder.holder if holder else ""
        is_missing = found is Unread.MISSING
        if is_missing or is_dead or time.monotonic() - seen_at > DEAD_AFTER_S:
            try:
                return HeldLease(place, note, place.write(note.to_bytes(), None if is_missing else seen))
            except ChangedMeanwhileError:
                seen, seen_at, is_dead = "", time.monotonic(), False
                continue
        time.sleep(LOOK_EVERY_S)


def _is_killed(holder: LeaseNote, own: LeaseNote) -> bool:
    """Whether the holder was a process of this machine and folder that is gone: nobody has to wait for it.

    It may have been this process itself, if the server was away when it gave the lease back.
    """
    is_own = (holder.machine, holder.folder) == (own.machine, own.folder)
    return is_own and (holder.process == own.process or not psutil.pid_exists(holder.process))


def _read_note(content: bytes) -> LeaseNote | None:
    try:
        return LeaseNote(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _shown(holder: LeaseNote | None) -> Sentence:
    return sentence("Another machine publishes this archive") if holder is None else holder.describe()
