"""Dagster's records of runs and of sensors in SQLite files, asked without preparing everything anew for each question.

Dagster's own storages make an engine of SQLAlchemy for each question, so that each statement is compiled again, and
that of schedules and sensors first asks up to three times which tables there are. Where many archives share a Dagster
that is most of what the page *Automation* takes. The files are the same, and no connection stays open between two
questions: Dagster's own storages may read and write them meanwhile.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import sqlalchemy as sa
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine


@functools.cache
def _engine(conn_string: str) -> Engine:
    """The one of this process for a file; it keeps the statements that it compiled, and no connection."""
    return sa.create_engine(conn_string, poolclass=sa.NullPool)


class ReusedEngineRunStorage(SqliteRunStorage):
    """The records of runs."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str]) -> Self:
        """The storage in the folder that is configured, with its tables."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with _engine(self._conn_string).begin() as connection:
            yield connection


class ReusedEngineScheduleStorage(SqliteScheduleStorage):
    """The records of schedules and sensors. That a table or an index is there is asked once; that not, each time."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(conn_string, inst_data)
        self._has_instigators = False
        self._built: frozenset[str] = frozenset()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str]) -> Self:
        """The storage in the folder that is configured, with its tables."""
        made = cls.from_local(inst_data=inst_data, **config_value)
        assert isinstance(made, cls)
        return made

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with _engine(self._conn_string).begin() as connection:
            yield connection

    def has_instigators_table(self) -> bool:
        """Whether Dagster's migrations made that table."""
        return self._has_instigators or super().has_instigators_table()

    def _has_instigators_table(self, conn: Connection) -> bool:
        self._has_instigators = self._has_instigators or super()._has_instigators_table(conn)
        return self._has_instigators

    def has_built_index(self, migration_name: str) -> bool:
        """Whether such a migration is done."""
        if migration_name not in self._built and super().has_built_index(migration_name):
            self._built |= {migration_name}
        return migration_name in self._built
