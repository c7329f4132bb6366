"""The ledger's tables: their columns, the guards that keep them append-only, and how rows are read and appended.

`events` is the ledger. `touched` says which events are about which photos, so that a check reads only these; a ledger
from before it existed gets it, with the guards it lacks, by the first act.

How the ledger's database is reached: an engine for a URL, and how its transactions begin.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from classface_assets.store.model.events import Event

MAX_QUERY_PARAMETERS = 400  # more photos or events than this are not asked for by name
metadata = sa.MetaData()
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
touched = sa.Table(
    "touched",
    metadata,
    sa.Column("event_id", sa.Integer, sa.ForeignKey("events.id"), nullable=False),
    sa.Column("asset_id", sa.String(64), nullable=False, index=True),
    sa.Column("person_id", sa.String(64), index=True),
)
_TRIGGERS = {
    "sqlite": [
        *(
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END"
            for table in ("events", "touched")
            for verb in ("UPDATE", "DELETE")
        ),
        # INSERT OR REPLACE deletes without calling the trigger that guards deleting.
        "CREATE TRIGGER IF NOT EXISTS events_no_replace BEFORE INSERT ON events "
        "WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION events_only_grow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is only ever appended to'; END $$",
        *(
            f"CREATE OR REPLACE TRIGGER {table}_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION events_only_grow()"
            for table in ("events", "touched")
        ),
    ],
}


def has_tables(con: sa.Connection) -> bool:
    return sa.inspect(con).has_table(touched.name)


def create_tables(con: sa.Connection) -> None:
    """What is not there yet of tables and guards; does nothing to a ledger that has all."""
    if has_tables(con):
        return
    metadata.create_all(con)
    create_triggers(con)
    _index_photos(con, ((event.id, event.payload) for event in read_events(con)))


def create_triggers(con: sa.Connection) -> None:
    """Let the database itself refuse to change or delete what was said."""
    for statement in _TRIGGERS.get(con.dialect.name, ()):
        con.exec_driver_sql(statement)


def read_events(
    con: sa.Connection, kinds: Collection[str] = (), also: Collection[int] = (), after: int = 0
) -> list[Event]:
    """All events later than `after`, or those of these kinds and those of these ids; oldest first."""
    columns = (events.c.id, events.c.at, events.c.actor, events.c.kind, sa.cast(events.c.payload, sa.Text))
    query = sa.select(*columns).where(events.c.id > after).order_by(events.c.id)
    if kinds and len(also) <= MAX_QUERY_PARAMETERS:
        query = query.where(sa.or_(events.c.kind.in_(kinds), events.c.id.in_(also)))
    rows = con.execute(query).all()
    return [
        Event(number, datetime.fromisoformat(at), actor, kind, json.loads(payload))
        for number, at, actor, kind, payload in rows
    ]


def read_last_event(con: sa.Connection) -> tuple[int, str, str] | None:
    """Number, time and kind of the last event; None when there is none yet."""
    row = con.execute(sa.select(events.c.id, events.c.at, events.c.kind).order_by(events.c.id.desc()).limit(1)).first()
    return None if row is None else (row.id, row.at, row.kind)


def event_ids_of_photos(con: sa.Connection, photos: Collection[str]) -> set[int]:
    """Ids of the events that are about faces of these photos, or about the photos."""
    found: set[int] = set()
    names = list(photos)
    for start in range(0, len(names), MAX_QUERY_PARAMETERS):
        some = names[start : start + MAX_QUERY_PARAMETERS]
        found |= set(con.scalars(sa.select(touched.c.event_id).where(touched.c.asset_id.in_(some))))
    return found


def photos_of_people(con: sa.Connection, people: Collection[str]) -> set[str]:
    """The photos with a face about which anything was ever said that named one of these people."""
    return set(con.scalars(sa.select(touched.c.asset_id).where(touched.c.person_id.in_(people)).distinct()))


def append_event(con: sa.Connection, kind: str, payload: Mapping[str, Any], actor: str) -> int:
    """The id of the new event."""
    row = {"at": datetime.now(UTC).isoformat(), "actor": actor, "kind": kind, "payload": payload}
    key = con.execute(events.insert().values(row)).inserted_primary_key
    assert key is not None
    _index_photos(con, [(key[0], payload)])
    return key[0]


def insert_events(con: sa.Connection, told: Iterable[Event]) -> None:
    """Append events that already have their ids and times, as an imported ledger's."""
    told = list(told)
    rows = [{"id": e.id, "at": e.at.isoformat(), "actor": e.actor, "kind": e.kind, "payload": e.payload} for e in told]
    if rows:
        con.execute(events.insert(), rows)
        _index_photos(con, ((e.id, e.payload) for e in told))
    if rows and con.dialect.name == "postgresql":
        con.exec_driver_sql("SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))")


def _index_photos(con: sa.Connection, told: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    rows = [
        {"event_id": event_id, "asset_id": asset_id, "person_id": payload.get("person_id")}
        for event_id, payload in told
        for asset_id in sorted(set(_photos_of_payload(payload)))
    ]
    if rows:
        con.execute(touched.insert(), rows)


def _photos_of_payload(payload: Mapping[str, Any]) -> Iterator[str]:
    if "asset_id" in payload:
        yield payload["asset_id"]
    for faces in (payload.get("faces", ()), *payload.get("groups", ())):
        yield from (face["asset_id"] for face in faces)


# A transaction that writes takes the only place for writers at once, so that two writers queue and neither fails.
_BEGIN_WRITE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7205759)"}
_BEGIN_READ = {"sqlite": "BEGIN"}


def open_engine(url: str, writing: bool) -> sa.Engine:
    """An engine without a pool: every act opens a connection and closes it."""
    location = sa.make_url(url)
    dialect, options = location.get_backend_name(), {}
    if dialect == "sqlite":
        options = {"timeout": 30, "isolation_level": None}
        if location.database:
            Path(location.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, poolclass=sa.NullPool, connect_args=options)
    first = (_BEGIN_WRITE if writing else _BEGIN_READ).get(dialect)
    if first:
        sa.event.listen(engine, "begin", lambda con: con.exec_driver_sql(first))
    return engine


def autocommit_engine(url: str) -> sa.Engine:
    """An engine for what a database does in no transaction, as cleaning itself."""
    options = {"timeout": 30} if sa.make_url(url).get_backend_name() == "sqlite" else {}
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=options)


def hide_password(url: str) -> str:
    """The address without its password."""
    try:
        return str(sa.make_url(url))
    except sa.exc.ArgumentError:
        return repr(url)
