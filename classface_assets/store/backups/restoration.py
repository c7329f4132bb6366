"""A ledger is put back from a backup, which is checked first; the ledger that it replaces stays under another name."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from classface_assets.core.atomic_files import fsync_directory, temporary_path, write_file
from classface_assets.core.names import pluralize
from classface_assets.store.backups.generations import list_backups, locked_backups, replaced_file
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.database import (
    UnreadableEventError,
    create_tables,
    has_tables,
    insert_events,
    metadata,
    open_engine,
    read_events,
    read_identity,
    sqlite_file,
)
from classface_assets.store.ledger.event_store import EventStore, translate_database_errors
from classface_assets.store.ledger.identity import LedgerRecord
from classface_assets.store.ledger.jsonl import ExportedLedger, import_events, is_same_event, read_export, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.payloads import Undone, payload_error
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.events import AUTOMATIC_EVENT_KINDS, Event

_LOGS = ("-wal", "-shm", "-journal")
_SQLITE_HEADER = b"SQLite format 3\0"


class BackupError(LedgerError):
    """A backup that cannot be restored."""


@dataclass(frozen=True)
class CheckedBackup:
    """A ledger in a file, whole and readable.

    Attributes:
        file: A backup, or an exported ledger.
        ledger_id: The identity; None where the file does not know it.
        events: Oldest first.
    """

    file: Path
    ledger_id: str | None
    events: list[Event]

    @property
    def decisions(self) -> int:
        """How many of the events people added."""
        return count_people_events(self.events)


@dataclass(frozen=True)
class LostDecisions:
    """The decisions that a restore gives up.

    Attributes:
        count: How many.
        is_exact: Whether they were compared one by one; else the ledger cannot be read, and these are at least lost.
    """

    count: int
    is_exact: bool

    def __str__(self) -> str:
        """A sentence."""
        if not self.count:
            return "No decision is lost." if self.is_exact else "No decision is lost that the archive knows of."
        at_least = "" if self.is_exact else "at least "
        return f"Decisions that the backup does not have, and that are lost: {at_least}{self.count:,}."


def count_people_events(events: Sequence[Event]) -> int:
    """How many of the events people added."""
    return sum(event.kind not in AUTOMATIC_EVENT_KINDS for event in events)


def check_backup(file: Path) -> CheckedBackup:
    """Read a backup and check it: the database's own check, its identity, every event, and that they can be replayed.

    Raises:
        BackupError: It is damaged, or no ledger.
    """
    try:
        with file.open("rb") as content:
            is_sqlite = content.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
        found = _read_sqlite(file) if is_sqlite else _read_lines(file)
    except (OSError, sqlite3.DatabaseError, sa.exc.SQLAlchemyError, UnreadableEventError, LedgerError) as error:
        raise BackupError(f"{file} cannot be restored ({_first_line(error)}); choose another backup.") from None
    flaw = event_flaw(found.events) if found.events else "it has no decisions"
    if flaw:
        raise BackupError(f"{file} cannot be restored ({flaw}); choose another backup.")
    return found


def readable_backup(file: Path) -> None:
    """Check that a backup can be read, without a look at each event.

    Raises:
        BackupError: It is damaged, or no ledger.
    """
    try:
        _read_sqlite_header(file) if file.suffix == ".sqlite" else _read_lines(file)
    except (OSError, sqlite3.DatabaseError, sa.exc.SQLAlchemyError, LedgerError) as error:
        raise BackupError(f"{file} cannot be restored ({_first_line(error)}); choose another backup.") from None


def event_flaw(events: Sequence[Event]) -> str | None:
    """A clause on what is wrong with the events of a ledger; None when they are in order and can be replayed."""
    before = 0
    for event in events:
        if event.id <= before:
            return f"event {event.id} comes after event {before}"
        wrong = payload_error(event.kind, event.payload)
        if wrong:
            return f"event {event.id}: {wrong}"
        if event.kind == Undone.kind and event.payload["event_id"] >= event.id:
            return f"event {event.id} undoes a later one"
        before = event.id
    try:
        replay(list(events))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return f"its decisions cannot be replayed: {error!r}"
    return None


def newest_good_backup(folder: Path, ledger_ids: Sequence[str]) -> tuple[CheckedBackup, list[str]]:
    """The newest backup that passes every check, one of a ledger that the archive knows if there is any.

    Args:
        folder: Of the backups.
        ledger_ids: The identities that the archive knows.

    Returns:
        It, and a sentence for each newer one that does not pass.

    Raises:
        BackupError: There is none.
    """
    backups, problems = list_backups(folder), list[str]()
    shorts = {one[:8] for one in ledger_ids}
    for backup in sorted(backups, key=lambda one: (one.ledger in shorts, one.file.name), reverse=True):
        try:
            return check_backup(backup.file), problems
        except BackupError as error:
            problems.append(str(error))
    more = f" ({pluralize(len(problems), 'backup')} cannot be read)" if problems else ""
    raise BackupError(
        f"There is no backup of the ledger in {folder}{more}; name one, or an exported ledger: "
        "`classface ledger restore FILE`."
    )


def lost_decisions(store: EventStore, backup: CheckedBackup, records: Sequence[LedgerRecord]) -> LostDecisions:
    """The decisions of the ledger that a backup lacks; where it cannot be read, by what the archive knows of it."""
    known = max((one.decisions for one in records if one.ledger_id in (None, backup.ledger_id)), default=0)
    at_least = max(known - backup.decisions, 0)
    file = sqlite_file(store.url)
    if file is not None and not file.exists():
        return LostDecisions(at_least, False)
    try:
        events = _events_if_there(store)
    except LedgerError:
        return LostDecisions(at_least, False)
    mine = {event.id: event for event in backup.events}
    lost = count_people_events([event for event in events if not is_same_event(mine.get(event.id), event)])
    # The ledger may itself be older than the archive knows.
    return LostDecisions(max(lost, at_least), lost >= at_least)


def restore(url: str, backup: CheckedBackup, folder: Path, prepare: Callable[[Ledger], None]) -> Path | None:
    """Put a ledger back.

    Args:
        url: Of the ledger that it replaces.
        backup: The ledger as it is to be.
        folder: Of the backups, where the ledger that it replaces goes.
        prepare: Is called with the restored ledger; in SQLite before it takes the place of the other one.

    Returns:
        The file of the ledger that it replaced; None where there was none.

    Raises:
        LedgerError: The database cannot be used.
        StorageError: The disk fails.
    """
    file = sqlite_file(url)
    return _restore_file(file, backup, folder, prepare) if file else _restore_tables(url, backup, folder, prepare)


def _restore_file(file: Path, backup: CheckedBackup, folder: Path, prepare: Callable[[Ledger], None]) -> Path | None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(file)
    restored = Ledger(f"sqlite:///{temporary}")
    try:
        import_events(restored, backup.events, backup.ledger_id)
        prepare(restored)
        with locked_backups(folder), _others_wait(file):
            replaced = _set_aside(file, folder)
            temporary.replace(file)
            fsync_directory(file.parent)
    finally:
        for suffix in ("", *_LOGS):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    return replaced


def _set_aside(file: Path, folder: Path) -> Path | None:
    """Copy a ledger and its logs to the backups, and remove the logs: SQLite would apply them to another ledger."""
    if not file.exists():
        return None
    aside = replaced_file(folder, ".sqlite")
    for suffix in ("", *_LOGS):
        with suppress(FileNotFoundError):
            shutil.copy2(file.with_name(file.name + suffix), aside.with_name(aside.name + suffix))
    fsync_directory(folder)
    for suffix in _LOGS:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    return aside


def _restore_tables(url: str, backup: CheckedBackup, folder: Path, prepare: Callable[[Ledger], None]) -> Path | None:
    store = Ledger(url)
    events = _events_if_there(store)
    replaced = None
    with locked_backups(folder), translate_database_errors(url):
        if events:
            replaced = replaced_file(folder, ".jsonl")
            exported = ExportedLedger(store.record().ledger_id or "", len(events))
            lines = [line.encode() + b"\n" for line in to_jsonl(events, exported)]
            write_file(replaced, lambda out: out.writelines(lines))
        with open_engine(url, writing=True).begin() as con:
            metadata.drop_all(con)
            create_tables(con, backup.ledger_id)
            insert_events(con, backup.events)
    prepare(store)
    return replaced


@contextmanager
def _others_wait(file: Path) -> Iterator[None]:
    """Hold the place of the writer of a ledger that is replaced, if it can still be written."""
    try:
        if not file.exists():
            raise FileNotFoundError
        con = open_engine(f"sqlite:///{file}", writing=True).connect()
        con.begin()
    except (sa.exc.SQLAlchemyError, OSError):
        yield
        return
    with con:
        yield


def _events_if_there(store: EventStore) -> list[Event]:
    """The events of a ledger that may not have any tables yet; nothing is created."""
    with translate_database_errors(store.url), open_engine(store.url, writing=False).begin() as con:
        there = has_tables(con)
    return store.events() if there else []


def _read_sqlite(file: Path) -> CheckedBackup:
    _read_sqlite_header(file)
    with open_engine(f"sqlite:///{file}", writing=False).begin() as con:
        return CheckedBackup(file, read_identity(con), read_events(con))


def _read_sqlite_header(file: Path) -> None:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as con:
        (found,) = con.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"it is damaged: {found}")
    with open_engine(f"sqlite:///{file}", writing=False).begin() as con:
        if not sa.inspect(con).has_table("events"):
            raise BackupError("it is no ledger")


def _read_lines(file: Path) -> CheckedBackup:
    with file.open("rb") as lines:
        export = read_export(lines)
    return CheckedBackup(file, export.ledger_id, export.events)


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", error))
    return text.splitlines()[0].rstrip(".;: ") if text else type(error).__name__
