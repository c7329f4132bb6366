"""The ledger as JSON Lines: one event a line, written whole, and imported into another ledger unchanged.

The first line also says which ledger it is and how many events follow, so that the ledger's identity goes with it and a
file that was cut off is seen; what reads lines of events only passes over it.

A ledger is imported into an empty one, or into one that holds its beginning: then only what is missing is appended.
Anything else would mix the events of two ledgers in an order that nobody meant, and is refused. An event out of which
the name of an erased person was removed counts as the same event, and the name does not come back.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from classface_assets.store.ledger.database import (
    append_identity,
    hide_password,
    insert_events,
    read_events,
    read_identity,
)
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.identity import LedgerRecord, require_known_ledger
from classface_assets.store.ledger.payloads import Undone, payload_error
from classface_assets.store.ledger.redaction import is_redaction_of
from classface_assets.store.ledger.transaction import ConflictError, LedgerError, LedgerTransaction
from classface_assets.store.model.events import Event

MAX_LINES_SHOWN = 20
_FIELDS = {"id": int, "at": str, "actor": str, "kind": str, "payload": dict}
_MAX_KIND_LENGTH, _MAX_ACTOR_LENGTH, _MAX_VALUE_SHOWN = 40, 255, 60
_MAX_LEDGER_ID_LENGTH = 64


class InvalidLinesError(LedgerError):
    """Lines that are no events.

    Attributes:
        lines: (line number, reason) of each.
    """

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines = lines
        more = f"\n  … and {len(lines) - MAX_LINES_SHOWN:,} more" if len(lines) > MAX_LINES_SHOWN else ""
        shown = "".join(f"\n  line {number}: {reason}" for number, reason in lines[:MAX_LINES_SHOWN])
        count = "1 line is no event" if len(lines) == 1 else f"{len(lines):,} lines are no events"
        super().__init__(f"{count} of a ledger, so nothing was imported:{shown}{more}")


class CutOffError(LedgerError):
    """A file that has fewer events than it had when it was written."""


@dataclass(frozen=True)
class ExportedLedger:
    """What the first line of a file says of the whole.

    Attributes:
        ledger_id: The identity of the ledger.
        count: How many events it had.
    """

    ledger_id: str
    count: int


@dataclass(frozen=True)
class LedgerExport:
    """A ledger as a file.

    Attributes:
        events: Oldest first.
        ledger: What the first line says of the whole; None in files of older versions.
    """

    events: list[Event]
    ledger: ExportedLedger | None = None

    @property
    def ledger_id(self) -> str | None:
        """The identity of the ledger, where it is known."""
        return None if self.ledger is None else self.ledger.ledger_id


def to_jsonl(events: Iterable[Event], ledger: ExportedLedger | None = None) -> Iterator[str]:
    """One line of JSON an event, without its line end; the first says which ledger it is, if that is given."""
    for number, e in enumerate(events):
        row = {"id": e.id, "at": e.at.isoformat(), "actor": e.actor, "kind": e.kind, "payload": dict(e.payload)}
        if ledger is not None and number == 0:
            row["ledger"] = {"id": ledger.ledger_id, "events": ledger.count}
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def from_jsonl(lines: Iterable[bytes]) -> list[Event]:
    """The events of these lines; see `read_export`."""
    return read_export(lines).events


def read_export(lines: Iterable[bytes]) -> LedgerExport:
    """The events of these lines of UTF-8, and which ledger it is; blank lines are skipped.

    Raises:
        InvalidLinesError: It lists every line that is no event.
        CutOffError: Lines are missing at the end.
    """
    events: list[Event] = []
    ledger: ExportedLedger | None = None
    invalid: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event, exported = _parse_line(line)
            ledger = ledger or exported
            if event.kind == Undone.kind and event.payload["event_id"] >= event.id:
                raise ValueError("it undoes an event that comes after it")
            if events and event.id <= events[-1].id:
                raise ValueError(f"event {event.id} comes after event {events[-1].id}; ids only grow")
            events.append(event)
        except (RecursionError, ValueError) as error:
            invalid.append((number, _line_flaw(error)))
    if invalid:
        raise InvalidLinesError(invalid)
    if ledger is not None and len(events) < ledger.count:
        raise CutOffError(
            f"The file is cut off: it has {len(events):,} of {ledger.count:,} decisions, so nothing was imported."
        )
    return LedgerExport(events, ledger)


def _line_flaw(error: RecursionError | ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8, or has half of a character"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it is not JSON ({error.msg})" if isinstance(error, json.JSONDecodeError) else str(error)


def import_events(
    store: EventStore,
    imported: Sequence[Event],
    ledger_id: str | None = None,
    records: Sequence[LedgerRecord] = (),
) -> int:
    """Append the events that a ledger lacks; returns how many.

    Args:
        store: The ledger.
        imported: Events of one ledger, oldest first.
        ledger_id: The identity that a ledger without events takes over; None where it is not known.
        records: What is known of the ledger; it must fit with them once the events are appended.

    Raises:
        ConflictError: They are those of another ledger.
        LostLedgerError: With them, the ledger is still not the one that is known.
    """
    known_ids = [one.ledger_id for one in records if one.ledger_id and one.decisions]
    taken_over = ledger_id or next(iter(known_ids), None)

    def append_missing(tx: LedgerTransaction) -> int:
        mine = {e.id: e for e in read_events(tx.con)}
        last = max(mine, default=0)
        for event in imported:
            if event.id <= last and not is_same_event(mine.get(event.id), event):
                raise ConflictError(
                    f"Event {event.id} is not the same in the file and in this ledger, so they are two ledgers; "
                    "import the file into an empty one (CLASSFACE_LEDGER names another)."
                )
        missing = [event for event in imported if event.id > last]
        if missing and last and imported[0].id > last:
            raise ConflictError(
                f"The file begins with event {imported[0].id}, and this ledger ends with event {last}: nothing shows "
                "that they belong together; import a file that has the ledger's beginning too."
            )
        if missing and not mine and taken_over and read_identity(tx.con) != taken_over:
            append_identity(tx.con, taken_over)
        insert_events(tx.con, missing)
        require_known_ledger(tx.con, True, records, hide_password(store.url))
        return len(missing)

    return store.write(append_missing)


def is_same_event(mine: Event | None, other: Event) -> bool:
    """Whether two events are the same, also where names were removed from one of them."""
    return mine is not None and (mine == other or is_redaction_of(mine, other) or is_redaction_of(other, mine))


def _parse_line(line: bytes) -> tuple[Event, ExportedLedger | None]:
    """One event, and what the line says of the whole. Raises ValueError with a clause on what is wrong with it."""
    row: Any = json.loads(line.decode("utf-8"), parse_constant=_reject_constant)
    json.dumps(row, ensure_ascii=False).encode("utf-8")
    if not isinstance(row, dict):
        raise ValueError("it is not an object with id, at, actor, kind and payload")
    _check_fields(row)
    try:
        at = datetime.fromisoformat(row["at"])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"its at is no time with a time zone: {row['at'][:_MAX_VALUE_SHOWN]!r}")
    wrong = payload_error(row["kind"], row["payload"])
    if wrong:
        raise ValueError(wrong)
    return Event(row["id"], at, row["actor"], row["kind"], row["payload"]), _exported_ledger(row.get("ledger"))


def _exported_ledger(value: object) -> ExportedLedger | None:
    if value is None:
        return None
    match value:
        case {"id": str(ledger_id), "events": int(count)} if 0 < len(ledger_id) <= _MAX_LEDGER_ID_LENGTH:
            return ExportedLedger(ledger_id, count)
    raise ValueError(f"its ledger cannot be {str(value)[:_MAX_VALUE_SHOWN]!r}")


def _check_fields(row: dict[str, Any]) -> None:
    for name, kind in _FIELDS.items():
        if name not in row:
            raise ValueError(f"it has no {name}")
        if not isinstance(row[name], kind) or isinstance(row[name], bool):
            raise ValueError(f"its {name} cannot be {str(row[name])[:_MAX_VALUE_SHOWN]!r}")
    if not 0 < row["id"] < 2**31:
        raise ValueError(f"its id cannot be {row['id']}")
    if not 0 < len(row["kind"]) <= _MAX_KIND_LENGTH or len(row["actor"]) > _MAX_ACTOR_LENGTH:
        raise ValueError("its kind has more than 40 or its actor more than 255 characters")


def _reject_constant(value: str) -> None:
    raise ValueError(f"{value} is no number of JSON")
