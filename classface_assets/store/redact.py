"""The one exception to a ledger that only grows: the name of a person who was erased is taken out of it.

The law asks for it (GDPR, article 17); that there was a person, what was done when and by whom, and where the barred
faces lie, stays. The guard against changes is lifted for that one transaction only, and only names and birthdays of
erased people are written over, and their rows of the school's rosters.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from classface_assets.store.book import told_when_it_fails
from classface_assets.store.events import PEOPLE_KINDS, ROSTER_KINDS, Event
from classface_assets.store.ledger_engine import open_engine, outside_transactions
from classface_assets.store.ledger_table import create_tables, events, put_guards, read_events
from classface_assets.store.replay import replayed
from classface_assets.store.roster_entry import RosterEntry
from classface_assets.store.struck_rows import StruckRows

Payload = Mapping[str, Any]
_NAMING = ("name", "student", "birth_date")
"""The keys of payloads that say who a person is."""
_LIFT = {
    "sqlite": [
        "PRAGMA secure_delete = ON",
        "DROP TRIGGER IF EXISTS events_no_UPDATE",
        "DROP TRIGGER IF EXISTS no_UPDATE",
    ],
    "postgresql": ["ALTER TABLE events DISABLE TRIGGER events_only_grow"],
}
# What was written over is in no free space of the database either; a backup and PostgreSQL's log are others' business.
_LEAVE_NO_TRACE = {
    "sqlite": ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": ["SET lock_timeout = '60s'", "VACUUM FULL events"],
}
_PUT_BACK = {"postgresql": ["ALTER TABLE events ENABLE TRIGGER events_only_grow"]}


def redact(url: str, persons: Set[str]) -> int:
    """Write over the names and birthdays of these erased people, in every event; returns in how many."""

    def cleaner(told: list[Event]) -> Callable[[Event], Payload]:
        struck = StruckRows.of_erased(replayed(told), persons)

        def clean(event: Event) -> Payload:
            if event.kind == "roster_imported":
                return struck.without(event)
            return _nameless(event.payload) if event.payload.get("person_id") in persons else event.payload

        return clean

    return _rewrite(url, cleaner) if persons else 0


def is_redacted(event: Event, plain: Event) -> bool:
    """Whether an event is another one, out of which names were taken."""
    if (event.id, event.at, event.actor, event.kind) != (plain.id, plain.at, plain.actor, plain.kind):
        return False
    if event.kind != "roster_imported":
        cleaned = (_nameless(plain.payload), _unlinked(plain.payload))
        return any(key in plain.payload for key in _NAMING) and event.payload in cleaned
    kept, rows = [_known_by(row) for row in event.payload["entries"]], map(_known_by, plain.payload["entries"])
    same = all(event.payload[key] == value for key, value in plain.payload.items() if key != "entries")
    return same and all(row in rows for row in kept)  # in their order: each is looked for behind the one before


def _nameless(payload: Payload) -> Payload:
    nobody = name_of_erased(payload["person_id"]) if "person_id" in payload else ""
    cleaned = {"name": nobody, "student": nobody, "birth_date": None}
    return {key: cleaned.get(key, value) for key, value in payload.items()}


def _unlinked(payload: Payload) -> Payload:
    """Without the student whom a person was said to be."""
    return {**payload, "student": f"struck {payload['person_id'][:8]}"} if "student" in payload else payload


def _known_by(row: Payload) -> RosterEntry:
    """A roster's row but for the siblings, of whom some may have been struck."""
    return replace(RosterEntry.of(row), siblings=())


def strike(url: str, key: str) -> int:
    """Take the student of this key (`RosterEntry.key`) out of every roster; returns out of how many."""
    count = 0

    def cleaner(told: list[Event]) -> Callable[[Event], Payload]:
        state = replayed(told)
        places = {place for place, entry in enumerate(state.enrolling.students.entries) if entry.key == key}
        struck = StruckRows.of(state, places)

        def clean(event: Event) -> Payload:
            nonlocal count
            if event.kind == "student_linked" and event.payload["student"] in struck.keys:
                return _unlinked(event.payload)
            left = struck.without(event) if event.kind == "roster_imported" else event.payload
            count += left != event.payload
            return left

        return clean

    _rewrite(url, cleaner)
    return count


def _rewrite(url: str, cleaner: Callable[[list[Event]], Callable[[Event], Payload]]) -> int:
    """Write over the payloads that are changed by what `cleaner` makes of all events; returns how many.

    Raises LedgerError.
    """
    count = 0
    with told_when_it_fails(url):
        engine = open_engine(url, writing=True)
        dialect = engine.dialect.name
        with engine.begin() as con:
            create_tables(con)
            for statement in _LIFT.get(dialect, ()):
                con.exec_driver_sql(statement)
            told = read_events(con, (*PEOPLE_KINDS, *ROSTER_KINDS))
            clean = cleaner(told)
            for event in told:
                payload = clean(event)
                if payload != event.payload:
                    con.execute(sa.update(events).where(events.c.id == event.id).values(payload=payload))
                    count += 1
            for statement in _PUT_BACK.get(dialect, ()):
                con.exec_driver_sql(statement)
            put_guards(con)
        with outside_transactions(url).connect() as con:
            for statement in _LEAVE_NO_TRACE.get(dialect, ()):
                con.exec_driver_sql(statement)
    return count


def name_of_erased(person_id: str) -> str:
    return f"erased {person_id[:8]}"
