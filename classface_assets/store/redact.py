"""The one exception to a ledger that only grows: the name of a person who was erased is taken out of it.

The law asks for it (GDPR, article 17); that there was a person, what was done when and by whom, and where the barred
faces lie, stays. The guard against changes is lifted for that one transaction only, and only names and birthdays of
erased people are written over, and their rows of the school's rosters.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any

import sqlalchemy as sa

from classface_assets.store.decisions import fold
from classface_assets.store.events import Event
from classface_assets.store.ledger_engine import open_engine
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
_PUT_BACK = {"postgresql": ["ALTER TABLE events ENABLE TRIGGER events_only_grow"]}


def redact(url: str, persons: Set[str]) -> int:
    """Write over the names and birthdays of these erased people, in every event; returns in how many."""
    told: list[Event] = []

    def clean(event: Event) -> Payload:
        payload = event.payload
        if event.kind == "roster_imported":
            return _without(payload, _names(told, persons))
        told.append(event)
        if payload.get("person_id") not in persons:
            return payload
        named = {"name": name_of_erased(payload["person_id"])} if "name" in payload else {}
        return {**payload, **named, **({"birth_date": None} if "birth_date" in payload else {})}

    return _rewrite(url, clean)


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
    """Write over the payloads that `clean` changes, the rosters last; returns how many."""
    count = 0
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
    return count


def name_of_erased(person_id: str) -> str:
    return f"erased {person_id[:8]}"
