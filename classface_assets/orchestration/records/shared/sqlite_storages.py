"""Records of runs and of sensors in SQLite files, with one engine of SQLAlchemy in a process.

Dagster's own storages make an engine for each question, so that each statement is compiled again. The files are the
same, and no connection stays open between two questions: Dagster's own storages may read and write them meanwhile.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from sqlalchemy.engine import Connection, Engine

from classface_assets.orchestration.records.shared.known_states import KnownStates


@functools.cache
def _engine(conn_string: str) -> Engine:
    """The one of this process for a file; it keeps the statements that it compiled, and no connection."""
    return sa.create_engine(conn_string, poolclass=sa.NullPool)


class OneEngineRunStorage(SqliteRunStorage):
    """The records of runs."""

    @classmethod
    def like(cls, storage: SqliteRunStorage) -> "OneEngineRunStorage":
        """One on the same file."""
        return cls(storage._conn_string, storage.inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with _engine(self._conn_string).begin() as connection:
            yield connection


class OneEngineScheduleStorage(KnownStates, SqliteScheduleStorage):
    """The records of schedules and sensors."""

    @classmethod
    def like(cls, storage: SqliteScheduleStorage) -> "OneEngineScheduleStorage":
        """One on the same file."""
        return cls(storage._conn_string, storage.inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with _engine(self._conn_string).begin() as connection:
            yield connection
