"""How the ledger's database is reached: an engine for a URL, and how its transactions begin."""

from pathlib import Path

import sqlalchemy as sa

# A transaction that writes takes the only place for writers at once, so that two writers queue and neither fails.
_ONE_WRITER = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7205759)"}
_READER = {"sqlite": "BEGIN"}


def open_engine(url: str, writing: bool) -> sa.Engine:
    """An engine without a pool: every act opens a connection and closes it."""
    location = sa.make_url(url)
    dialect, options = location.get_backend_name(), {}
    if dialect == "sqlite":
        options = {"timeout": 30, "isolation_level": None}
        if location.database:
            Path(location.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, poolclass=sa.NullPool, connect_args=options)
    first = (_ONE_WRITER if writing else _READER).get(dialect)
    if first:
        sa.event.listen(engine, "begin", lambda con: con.exec_driver_sql(first))
    return engine


def outside_transactions(url: str) -> sa.Engine:
    """An engine for what a database does in no transaction, as cleaning itself."""
    options = {"timeout": 30} if sa.make_url(url).get_backend_name() == "sqlite" else {}
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=options)


def without_password(url: str) -> str:
    """The address without its password."""
    try:
        return str(sa.make_url(url))
    except sa.exc.ArgumentError:
        return repr(url)
