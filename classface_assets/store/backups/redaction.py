"""Erased people are removed from backups of the ledger as from the ledger itself, byte by byte.

Where a backup has the events of the ledger, it gets what is left of them there; events that only the backup has, of
decisions that a restore gave up, are redacted by themselves. What cannot be read may hold anything, and is deleted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.atomic_files import write_file
from classface_assets.store.backups.generations import files_with_names
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.jsonl import read_export, to_jsonl
from classface_assets.store.ledger.redaction import Payload, Redactor, rewrite_payloads
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.events import NAMING_KINDS, Event

EventKey = tuple[int, str, str, str]
"""What never changes of an event: number, time, actor and kind."""


@dataclass(frozen=True)
class RedactionCounts:
    """What a redaction did with backups.

    Attributes:
        changed: How many had something removed from them.
        deleted: How many could not be read and were deleted.
    """

    changed: int = 0
    deleted: int = 0


def payloads_after(store: EventStore, redactor: Redactor) -> dict[EventKey, Payload]:
    """What is left of the events of a ledger about people and rosters, before it is rewritten itself."""
    every = store.events(kinds=NAMING_KINDS)
    redact = redactor(every)
    return {_key(event): redact(event) for event in every}


def redact_backups(folder: Path, left: Mapping[EventKey, Payload], redactor: Redactor) -> RedactionCounts:
    """Remove people from every backup in a folder, and from the ledgers that backups took the place of.

    To be called with `locked_backups`.

    Args:
        folder: Of the backups.
        left: What is left of the events of the ledger (`payloads_after`).
        redactor: Redacts events that are not among them.

    Raises:
        StorageError: The disk fails.
    """

    def with_ledgers_payloads(every: list[Event]) -> Callable[[Event], Payload]:
        own = redactor(every)
        return lambda event: left.get(_key(event)) or own(event)

    changed = deleted = 0
    for file in files_with_names(folder):
        if not file.exists():  # removed with the database that it belonged to
            continue
        try:
            changed += bool(_redact_file(file, with_ledgers_payloads))
        except (LedgerError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            _delete_with_logs(file)
            deleted += 1
    return RedactionCounts(changed, deleted)


def _redact_file(file: Path, redactor: Redactor) -> int:
    if file.suffix == ".sqlite":
        return rewrite_payloads(f"sqlite:///{file}", redactor)
    if file.suffix != ".jsonl":
        if file.name.endswith(("-wal", "-shm", "-journal")) and file.with_name(file.name.rsplit("-", 1)[0]).exists():
            return 0  # SQLite empties it with its database
        raise ValueError("not a backup")
    with file.open("rb") as lines:
        export = read_export(lines)
    redact = redactor([event for event in export.events if event.kind in NAMING_KINDS])
    rows = [json.loads(line) for line in to_jsonl(export.events, export.ledger)]
    count = 0
    for event, row in zip(export.events, rows, strict=True):
        payload = redact(event) if event.kind in NAMING_KINDS else event.payload
        count += payload != event.payload
        row["payload"] = dict(payload)
    if count:
        text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
        write_file(file, lambda out: out.write(text.encode()))
    return count


def _delete_with_logs(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _key(event: Event) -> EventKey:
    return event.id, event.at.isoformat(), event.actor, event.kind
