"""Backups of a ledger: a copy by SQLite's own backup, or a complete export of a ledger in another database.

A copy is checked before it takes its name, so that a damaged ledger never takes the place of good backups. It is made
only when the ledger has new events.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.atomic_files import fsync_directory, remove_abandoned, temporary_path, write_file
from classface_assets.core.errors import translate_storage_errors
from classface_assets.store.backups.generations import (
    Backup,
    Retention,
    backup_file,
    is_backup_of,
    list_backups,
    locked_backups,
    superfluous,
)
from classface_assets.store.ledger.database import (
    hide_password,
    open_engine,
    read_identity,
    read_last_event,
    sqlite_file,
)
from classface_assets.store.ledger.event_store import DamagedLedgerError, EventStore
from classface_assets.store.ledger.jsonl import ExportedLedger, to_jsonl
from classface_assets.store.ledger.transaction import LedgerError


@dataclass(frozen=True)
class _State:
    """The identity of a ledger and the number of its last event."""

    ledger_id: str
    last: int


def back_up(store: EventStore, folder: Path, retention: Retention) -> Backup | None:
    """Make a backup, and remove those that need not stay.

    Args:
        store: The ledger.
        folder: Where its backups lie.
        retention: How many stay.

    Returns:
        The backup; None where the ledger has no events, or the newest backup has all of them.

    Raises:
        LedgerError: The ledger cannot be used.
        DamagedLedgerError: It is damaged; the backups that there are stay.
        StorageError: The disk fails.
    """
    if not retention.latest:
        return None
    state = _state(store)
    if state is None or _is_backed_up(folder, state):
        return None
    with locked_backups(folder):
        if _is_backed_up(folder, state):
            return None
        remove_abandoned(folder)
        made = _copy(store, folder)
        for old in superfluous(list_backups(folder), retention):
            old.file.unlink(missing_ok=True)
    return made


def export_copy(store: EventStore, file: Path) -> None:
    """Write the ledger to this file, as backups are.

    Raises:
        LedgerError: The ledger cannot be used, or is damaged.
    """
    source = sqlite_file(store.url)
    if source is None:
        _write_lines(store, file)
        return
    temporary = temporary_path(file)
    try:
        _copy_sqlite(source, temporary, store.url)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _state(store: EventStore) -> _State | None:
    last = store.last()
    if last is None:
        return None
    ledger_id = store.record().ledger_id
    assert ledger_id is not None, "a record has an identity"
    return _State(ledger_id, last[0])


def _is_backed_up(folder: Path, state: _State) -> bool:
    newest = next((one for one in list_backups(folder) if is_backup_of(one, state.ledger_id)), None)
    return newest is not None and newest.last == state.last


def _copy(store: EventStore, folder: Path) -> Backup:
    source = sqlite_file(store.url)
    temporary = temporary_path(folder / ("backup.jsonl" if source is None else "backup.sqlite"))
    try:
        if source is None:
            state = _write_lines(store, temporary)
        else:
            _copy_sqlite(source, temporary, store.url)
            state = _state_of_file(temporary)
        file = backup_file(folder, state.last, state.ledger_id, ".jsonl" if source is None else ".sqlite")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(folder)
    made = Backup.named(file)
    assert made is not None, "backup_file makes names of backups"
    return made


def _write_lines(store: EventStore, file: Path) -> _State:
    events, ledger_id = store.events(), store.record().ledger_id or ""
    last = events[-1].id if events else 0
    exported = ExportedLedger(ledger_id, len(events))
    write_file(file, lambda out: out.writelines(line.encode() + b"\n" for line in to_jsonl(events, exported)))
    return _State(ledger_id, last)


def _copy_sqlite(source: Path, target: Path, url: str) -> None:
    """Copy a database that others may be writing, whole and in one file, and check the copy."""
    try:
        with (
            translate_storage_errors(target.parent),
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as live,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        raise LedgerError(f"The ledger {hide_password(url)} cannot be backed up ({error}); try again.") from None
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise DamagedLedgerError(
            f"The ledger {hide_password(url)} is damaged ({found}), so it was not backed up; put its last backup back "
            "with `classface ledger restore`."
        )
    with target.open("rb+") as written:
        os.fsync(written.fileno())


def _state_of_file(file: Path) -> _State:
    with open_engine(f"sqlite:///{file}", writing=False).begin() as con:
        last = read_last_event(con)
        return _State(read_identity(con) or "", last[0] if last else 0)
