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
from classface_assets.store.decisions import fold
from classface_assets.store.events import Event
from classface_assets.store.ledger_engine import open_engine, outside_transactions
from classface_assets.store.ledger_table import create_tables, events, put_guards, read_events
from classface_assets.store.roster import without_names
from classface_assets.store.roster_entry import RosterEntry

Payload = Mapping[str, Any]
_KINDS = ("person_created", "person_renamed", "birth_date_set", "roster_imported")
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
    told: list[Event] = []

    def clean(event: Event) -> Payload:
        if event.kind == "roster_imported":
            return _without(event.payload, _names(told, persons))
        told.append(event)
        return _nameless(event.payload) if event.payload.get("person_id") in persons else event.payload

    return _rewrite(url, clean) if persons else 0


def is_redacted(event: Event, plain: Event) -> bool:
    """Whether an event is another one, out of which names were taken."""
    if (event.id, event.at, event.actor, event.kind) != (plain.id, plain.at, plain.actor, plain.kind):
        return False
    if event.kind != "roster_imported":
        return event.kind in _KINDS and event.payload == _nameless(plain.payload)
    kept, rows = [_known_by(row) for row in event.payload["entries"]], map(_known_by, plain.payload["entries"])
    same = all(event.payload[key] == value for key, value in plain.payload.items() if key != "entries")
    return same and all(row in rows for row in kept)  # in their order: each is looked for behind the one before


def _nameless(payload: Payload) -> Payload:
    named = {"name": name_of_erased(payload["person_id"])} if "name" in payload else {}
    return {**payload, **named, **({"birth_date": None} if "birth_date" in payload else {})}


def _known_by(row: Payload) -> RosterEntry:
    """A roster's row but for the siblings, of whom some may have been struck."""
    return replace(RosterEntry.of(row), siblings=())


def strike(url: str, names: Set[str]) -> int:
    """Take the students of these folded names or student ids out of every roster; returns out of how many."""
    return _rewrite(url, lambda e: _without(e.payload, names) if e.kind == "roster_imported" else e.payload)


def _names(told: list[Event], persons: Set[str]) -> set[str]:
    """What these people were ever called, folded, without what anybody else is called."""
    theirs: set[str] = set()
    others: dict[str, str] = {}
    for event in (e for e in told if "name" in e.payload):
        if event.payload["person_id"] in persons:
            theirs.add(fold(event.payload["name"]))
        else:
            others[event.payload["person_id"]] = fold(event.payload["name"])
    return theirs - set(others.values())


def _without(payload: Payload, names: Set[str]) -> Payload:
    left = without_names(map(RosterEntry.of, payload["entries"]), names)
    return {**payload, "entries": [entry.payload() for entry in left]}


def _rewrite(url: str, clean: Callable[[Event], Payload]) -> int:
    """Write over the payloads that `clean` changes, the rosters last; returns how many. Raises LedgerError."""
    count = 0
    with told_when_it_fails(url):
        engine = open_engine(url, writing=True)
        dialect = engine.dialect.name
        with engine.begin() as con:
            create_tables(con)
            for statement in _LIFT.get(dialect, ()):
                con.exec_driver_sql(statement)
            for event in sorted(read_events(con, _KINDS), key=lambda e: e.kind == "roster_imported"):
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
