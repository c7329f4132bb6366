"""The ledger's one table: its columns, the guards that keep it append-only, and how a row is read and appended."""

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from classface_assets.store.replay import Event

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
_GUARDS = {
    "sqlite": [
        f"CREATE TRIGGER no_{verb} BEFORE {verb} ON events "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION events_only_grow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is only ever appended to'; END $$",
        "CREATE TRIGGER events_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_only_grow()",
    ],
}
for _dialect, _statements in _GUARDS.items():
    for _statement in _statements:
        sa.event.listen(events, "after_create", sa.DDL(_statement).execute_if(dialect=_dialect))
# A transaction takes the only place for writers at once, so that two writers queue and neither fails.
_ONE_WRITER = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7205759)"}


def open_table(url: str) -> sa.Engine:
    """An engine without a pool: every act opens a connection and closes it."""
    location = sa.make_url(url)
    dialect, options = location.get_backend_name(), {}
    if dialect == "sqlite":
        options = {"timeout": 30, "isolation_level": None}
        if location.database:
            Path(location.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, poolclass=sa.NullPool, connect_args=options)
    if dialect in _ONE_WRITER:
        sa.event.listen(engine, "begin", lambda con: con.exec_driver_sql(_ONE_WRITER[dialect]))
    return engine


def without_password(url: str) -> str:
    """The address without its password."""
    try:
        return str(sa.make_url(url))
    except sa.exc.ArgumentError:
        return repr(url)


def read_events(con: sa.Connection) -> list[Event]:
    rows = con.execute(sa.select(events).order_by(events.c.id))
    return [Event(r.id, datetime.fromisoformat(r.at), r.actor, r.kind, r.payload) for r in rows]


def read_last(con: sa.Connection) -> tuple[int, str, str] | None:
    """Number, time and kind of the last event; None when there is none yet."""
    row = con.execute(sa.select(events.c.id, events.c.at, events.c.kind).order_by(events.c.id.desc()).limit(1)).first()
    return None if row is None else (row.id, row.at, row.kind)


def append_event(con: sa.Connection, kind: str, payload: dict[str, Any]) -> None:
    at = datetime.now(UTC).isoformat()
    con.execute(events.insert().values(at=at, actor=actor(), kind=kind, payload=payload))


def actor() -> str:
    try:
        return os.environ.get("CLASSFACE_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a container's user often has a number and no name
        return f"user {os.getuid()}"
