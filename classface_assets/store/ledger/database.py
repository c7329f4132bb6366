"""The ledger's database: its tables, the triggers that keep them append-only, and how rows are read and appended.

`events` is the ledger. `touched` says which events are about which photos, so that a check reads only these.
`ledger_identity` says which ledger it is, in its last row. A ledger of an older version gets what it lacks by the first
command that writes.
"""

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from classface_assets.store.model.events import Event, LastEvent

EventRow = tuple[Any, ...]
"""id, at, actor, kind and payload of an event, the payload as text."""
MAX_QUERY_PARAMETERS = 400
"""Photos or events that one query names."""
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
identities = sa.Table(
    "ledger_identity",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("ledger_id", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)
_GROWING_TABLES = ("events", "touched", "ledger_identity")
_TRIGGERS = {
    "sqlite": [
        *(
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END"
            for table in _GROWING_TABLES
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
            for table in _GROWING_TABLES
        ),
    ],
}
# A transaction that writes takes the only place for writers at once, so that two writers queue and neither fails.
_BEGIN_WRITE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7205759)"}
_BEGIN_READ = {"sqlite": "BEGIN"}
_LOCK_TIMEOUT = 30
"""Seconds that a writer waits for another one."""


class UnreadableEventError(Exception):
    """A row that is no event: the file was damaged, or somebody else wrote into it."""


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite ledger; None for other databases."""
    location = sa.make_url(url)
    if location.get_backend_name() != "sqlite" or location.database in (None, "", ":memory:"):
        return None
    return Path(location.database)


def open_engine(url: str, writing: bool) -> sa.Engine:
    """An engine without a pool: every command opens a connection and closes it."""
    location = sa.make_url(url)
    dialect, options = location.get_backend_name(), {}
    if dialect == "sqlite":
        options = {"timeout": _LOCK_TIMEOUT, "isolation_level": None}
        if location.database:
            Path(location.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, poolclass=sa.NullPool, connect_args=options)
    first = (_BEGIN_WRITE if writing else _BEGIN_READ).get(dialect)
    if first:
        sa.event.listen(engine, "begin", lambda con: con.exec_driver_sql(first))
    return engine


def autocommit_engine(url: str) -> sa.Engine:
    """An engine for what a database does outside transactions, as VACUUM."""
    options = {"timeout": _LOCK_TIMEOUT} if sa.make_url(url).get_backend_name() == "sqlite" else {}
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=options)


def check_database(url: str) -> str | None:
    """What SQLite's own check finds wrong with a ledger; None where nothing is, and of other databases."""
    if sqlite_file(url) is None:
        return None
    with autocommit_engine(url).connect() as con:
        found = con.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    return None if found == "ok" else str(found)


def hide_password(url: str) -> str:
    """The URL without its password."""
    try:
        return str(sa.make_url(url))
    except sa.exc.ArgumentError:
        return repr(url)


def has_tables(con: sa.Connection) -> bool:
    """Whether the ledger has the tables that are read."""
    return sa.inspect(con).has_table(touched.name)


def create_tables(con: sa.Connection, ledger_id: str | None = None) -> None:
    """Create the tables and triggers that do not exist yet, and give a ledger without an identity one.

    Args:
        con: A connection that may write.
        ledger_id: The identity that a ledger without one gets; None for a new one.
    """
    inspector = sa.inspect(con)
    if inspector.has_table(identities.name):
        return
    is_indexed = inspector.has_table(touched.name)
    metadata.create_all(con)
    create_triggers(con)
    if not is_indexed:
        _index_photos(con, ((event.id, event.payload) for event in read_events(con)))
    append_identity(con, ledger_id or uuid.uuid4().hex)


def append_identity(con: sa.Connection, ledger_id: str) -> None:
    """Give the ledger this identity, in place of the one that it has."""
    con.execute(identities.insert().values(ledger_id=ledger_id, at=datetime.now(UTC).isoformat()))


def read_identity(con: sa.Connection) -> str | None:
    """The ledger's identity; None before the first command of this version that writes."""
    if not sa.inspect(con).has_table(identities.name):
        return None
    return con.scalar(sa.select(identities.c.ledger_id).order_by(identities.c.number.desc()).limit(1))


def create_triggers(con: sa.Connection) -> None:
    """Let the database itself refuse to change or delete events."""
    for statement in _TRIGGERS.get(con.dialect.name, ()):
        con.exec_driver_sql(statement)


def read_events(con: sa.Connection, after: int = 0) -> list[Event]:
    """All events later than the event `after`, oldest first."""
    rows = con.execute(_select_events(after)).all()
    return parse_rows(rows) if after else _last_read.events([tuple(row) for row in rows])


def read_events_of(
    con: sa.Connection, kinds: Collection[str], also: Collection[int] = (), after: int = 0
) -> list[Event]:
    """The events of these kinds and those of the ids `also`, later than the event `after`; oldest first."""
    query = _select_events(after)
    if len(also) <= MAX_QUERY_PARAMETERS:
        return parse_rows(con.execute(query.where(events.c.kind.in_(kinds) | events.c.id.in_(also))).all())
    kind_set, id_set = set(kinds), set(also)
    return parse_rows(row for row in con.execute(query) if row.id in id_set or row.kind in kind_set)


def read_rows(con: sa.Connection, kinds: Collection[str], after: int) -> list[EventRow]:
    """The rows of the events of these kinds, later than the event `after`, as they are stored; oldest first."""
    return [tuple(row) for row in con.execute(_select_events(after).where(events.c.kind.in_(kinds)))]


def read_events_by_id(con: sa.Connection, ids: Collection[int]) -> list[Event]:
    """The events of these ids, oldest first."""
    return read_events_of(con, (), ids)


def read_last_event(con: sa.Connection, without: Collection[str] = ()) -> LastEvent | None:
    """Number, time and kind of the last event that is of none of the kinds `without`; None when there is none yet."""
    query = sa.select(events.c.id, events.c.at, events.c.kind).order_by(events.c.id.desc()).limit(1)
    row = con.execute(query.where(events.c.kind.not_in(without)) if without else query).first()
    return None if row is None else (row.id, row.at, row.kind)


def event_ids_of_photos(con: sa.Connection, photos: Collection[str]) -> set[int]:
    """Ids of the events that are about these photos or faces in them."""
    found: set[int] = set()
    names = list(photos)
    for start in range(0, len(names), MAX_QUERY_PARAMETERS):
        some = names[start : start + MAX_QUERY_PARAMETERS]
        found |= set(con.scalars(sa.select(touched.c.event_id).where(touched.c.asset_id.in_(some))))
    return found


def photos_of_people(con: sa.Connection, people: Collection[str]) -> set[str]:
    """The photos with a face about which any event names one of these people."""
    return set(con.scalars(sa.select(touched.c.asset_id).where(touched.c.person_id.in_(people)).distinct()))


def append_event(con: sa.Connection, kind: str, payload: Mapping[str, Any], actor: str) -> int:
    """Append one event; returns its id."""
    row = {"at": datetime.now(UTC).isoformat(), "actor": actor, "kind": kind, "payload": payload}
    key = con.execute(events.insert().values(row)).inserted_primary_key
    assert key is not None
    _index_photos(con, [(key[0], payload)])
    return key[0]


def insert_events(con: sa.Connection, new: Collection[Event]) -> None:
    """Append events that already have their ids and times, as those of an imported ledger."""
    rows = [{"id": e.id, "at": e.at.isoformat(), "actor": e.actor, "kind": e.kind, "payload": e.payload} for e in new]
    if rows:
        con.execute(events.insert(), rows)
        _index_photos(con, ((e.id, e.payload) for e in new))
    if rows and con.dialect.name == "postgresql":
        con.exec_driver_sql("SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))")


def _select_events(after: int) -> sa.Select[Any]:
    payload = sa.cast(events.c.payload, sa.Text).label("payload")
    columns = (events.c.id, events.c.at, events.c.actor, events.c.kind, payload)
    return sa.select(*columns).where(events.c.id > after).order_by(events.c.id)


def parse_rows(rows: Iterable[Sequence[Any]]) -> list[Event]:
    """The events of rows as `read_rows` returns them.

    Raises:
        UnreadableEventError: A row is no event.
    """
    number = 0
    try:
        return [
            Event(number, datetime.fromisoformat(at), actor, kind, json.loads(payload))
            for number, at, actor, kind, payload in rows
        ]
    except (ValueError, TypeError) as error:
        raise UnreadableEventError(f"event {number} cannot be read: {error}") from None


class _LastRead:
    """The rows of a whole ledger that were read last, with their events: the steps of a run read the same in turn.

    Rows are compared by what is in them, so those from which names were removed are parsed again.
    """

    def __init__(self) -> None:
        self._known: tuple[list[EventRow], list[Event]] = [], []

    def events(self, rows: list[EventRow]) -> list[Event]:
        """The events of all rows of a ledger."""
        known_rows, known = self._known
        same = next((n for n, (row, before) in enumerate(zip(rows, known_rows, strict=False)) if row != before), None)
        count = min(len(rows), len(known_rows)) if same is None else same
        events = [*known[:count], *parse_rows(rows[count:])]
        self._known = rows, events
        return list(events)


_last_read = _LastRead()


def _index_photos(con: sa.Connection, payloads: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    rows = [
        {"event_id": event_id, "asset_id": asset_id, "person_id": payload.get("person_id")}
        for event_id, payload in payloads
        for asset_id in sorted(set(_photos_of_payload(payload)))
    ]
    if rows:
        con.execute(touched.insert(), rows)


def _photos_of_payload(payload: Mapping[str, Any]) -> Iterator[str]:
    if "asset_id" in payload:
        yield payload["asset_id"]
    for faces in (payload.get("faces", ()), *payload.get("groups", ())):
        yield from (face["asset_id"] for face in faces)
