"""Which tables the records of schedules and sensors have, asked once and not before each question."""

from dagster._core.storage.schedules import SqlScheduleStorage
from sqlalchemy.engine import Connection


class KnownTables(SqlScheduleStorage):
    """That a table is there, or that a migration was done, is remembered; that not, is asked each time.

    So `dagster instance migrate` is noticed as without it.
    """

    _has_instigators = False
    _built: frozenset[str] = frozenset()

    def has_instigators_table(self) -> bool:
        """Whether that table is there."""
        return self._has_instigators or super().has_instigators_table()

    def _has_instigators_table(self, conn: Connection) -> bool:
        self._has_instigators = self._has_instigators or super()._has_instigators_table(conn)
        return self._has_instigators

    def has_built_index(self, migration_name: str) -> bool:
        """Whether that migration was done."""
        if migration_name not in self._built and super().has_built_index(migration_name):
            self._built |= {migration_name}
        return migration_name in self._built
