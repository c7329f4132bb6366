"""The ledger as JSON Lines: one event a line, written whole, and imported into another ledger unchanged.

A ledger is imported into an empty one, or into one that holds its beginning: then only what is missing is appended.
Anything else would mix the events of two ledgers in an order that nobody meant, and is refused. An event out of which
the name of an erased person was removed counts as the same event, and the name does not come back.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from classface_assets.store.ledger.database import insert_events, read_events
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.payloads import Undone, payload_error
from classface_assets.store.ledger.redaction import is_redaction_of
from classface_assets.store.ledger.transaction import ConflictError, LedgerError, LedgerTransaction
from classface_assets.store.model.events import Event

MAX_LINES_SHOWN = 20
_FIELDS = {"id": int, "at": str, "actor": str, "kind": str, "payload": dict}
_MAX_KIND_LENGTH, _MAX_ACTOR_LENGTH, _MAX_VALUE_SHOWN = 40, 255, 60


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


def to_jsonl(events: Iterable[Event]) -> Iterator[str]:
    """One line of JSON an event, without its line end."""
    for e in events:
        row = {"id": e.id, "at": e.at.isoformat(), "actor": e.actor, "kind": e.kind, "payload": dict(e.payload)}
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def from_jsonl(lines: Iterable[bytes]) -> list[Event]:
    """The events of these lines of UTF-8; blank lines are skipped.

    Raises:
        InvalidLinesError: It lists every line that is no event.
    """
    events: list[Event] = []
    invalid: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = _parse_event(line)
            if event.kind == Undone.kind and event.payload["event_id"] >= event.id:
                raise ValueError("it undoes an event that comes after it")
            if events and event.id <= events[-1].id:
                raise ValueError(f"event {event.id} comes after event {events[-1].id}; ids only grow")
            events.append(event)
        except UnicodeError:
            invalid.append((number, "it is not UTF-8, or has half of a character"))
        except RecursionError:
            invalid.append((number, "it is nested too deeply"))
        except json.JSONDecodeError as error:
            invalid.append((number, f"it is not JSON ({error.msg})"))
        except ValueError as error:
            invalid.append((number, str(error)))
    if invalid:
        raise InvalidLinesError(invalid)
    return events


def import_events(store: EventStore, imported: Sequence[Event]) -> int:
    """Append the events that a ledger lacks; returns how many.

    Raises:
        ConflictError: They are those of another ledger.
    """

    def append_missing(tx: LedgerTransaction) -> int:
        mine = {e.id: e for e in read_events(tx.con)}
        last = max(mine, default=0)
        for event in imported:
            if event.id <= last and not _is_same_event(mine.get(event.id), event):
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
        insert_events(tx.con, missing)
        return len(missing)

    return store.write(append_missing)


def _is_same_event(mine: Event | None, other: Event) -> bool:
    return mine is not None and (mine == other or is_redaction_of(mine, other) or is_redaction_of(other, mine))


def _parse_event(line: bytes) -> Event:
    """One event. Raises ValueError with a clause on what is wrong with the line."""
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
    return Event(row["id"], at, row["actor"], row["kind"], row["payload"])


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
