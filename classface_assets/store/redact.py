"""The one exception to a ledger that only grows: the name of a person who was erased is taken out of it.

The law asks for it (GDPR, article 17); that there was a person, what was done when and by whom, and where the barred
faces lie, stays. The guard against changes is lifted for that one transaction only, and only names and birthdays of
erased people are written over.
"""

from collections.abc import Set

import sqlalchemy as sa

from classface_assets.store.ledger_engine import open_engine
from classface_assets.store.ledger_table import create_tables, events, put_guards, read_events

_KINDS = ("person_created", "person_renamed", "birth_date_set")
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
    count = 0
    engine = open_engine(url, writing=True)
    dialect = engine.dialect.name
    with engine.begin() as con:
        create_tables(con)
        for statement in _LIFT.get(dialect, ()):
            con.exec_driver_sql(statement)
        for event in read_events(con, _KINDS):
            payload = dict(event.payload)
            if payload.get("person_id") not in persons:
                continue
            clean = payload | {"name": name_of_erased(payload["person_id"])} if "name" in payload else dict(payload)
            clean |= {"birth_date": None} if "birth_date" in payload else {}
            if clean != payload:
                con.execute(sa.update(events).where(events.c.id == event.id).values(payload=clean))
                count += 1
        for statement in _PUT_BACK.get(dialect, ()):
            con.exec_driver_sql(statement)
        put_guards(con)
    return count


def name_of_erased(person_id: str) -> str:
    return f"erased {person_id[:8]}"
