"""Dagster's instance where many archives share it: what `dagster.yaml` names there.

    instance_class:
      module: classface_assets.orchestration.records.shared.instance
      class: SharedInstance

Before a question about schedules and sensors Dagster asks up to three times which tables there are, and its page asks
such questions archive by archive. With hundreds of archives that is most of what the page *Automation* and the daemon
take. Without these lines Dagster works with the same records.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.runs import RunStorage, SqliteRunStorage
from dagster._core.storage.schedules import ScheduleStorage, SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

from classface_assets.orchestration.records.shared.sqlite_storages import OneEngineRunStorage, OneEngineScheduleStorage


class SharedInstance(dg.DagsterInstance):
    """Dagster's own instance, but for how its records are asked.

    Args:
        run_storage: As `dagster.yaml` configures it.
        schedule_storage: The same.
        others: What else Dagster's instance has.
    """

    def __init__(
        self, *, run_storage: RunStorage, schedule_storage: ScheduleStorage | None = None, **others: Any
    ) -> None:
        super().__init__(
            run_storage=_optimized_run_storage(run_storage),
            schedule_storage=_optimized_schedule_storage(schedule_storage),
            **others,
        )

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """What Dagster's web server does with its records, and how often it looks for garbage.

        The definitions of 300 archives are two million objects that stay, and every third answer that lists them went
        through all of them: for two seconds, in which the web server does nothing else.
        """
        from classface_assets.core.arrays import collect_garbage_rarely

        super().optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)
        collect_garbage_rarely()

    @classmethod
    def config_schema(cls) -> Mapping[str, object]:
        """Further sections of `dagster.yaml`: none."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """What counts where `dagster.yaml` says nothing else: what Dagster itself takes."""
        return InstanceRef.config_defaults(base_dir)


def _optimized_run_storage(storage: RunStorage) -> RunStorage:
    return OneEngineRunStorage.like(storage) if type(storage) is SqliteRunStorage else storage


def _optimized_schedule_storage(storage: ScheduleStorage | None) -> ScheduleStorage | None:
    """Other storages than those of SQLite and PostgreSQL stay as they are."""
    if type(storage) is SqliteScheduleStorage:
        return OneEngineScheduleStorage.like(storage)
    if type(storage).__module__.startswith("dagster_postgres."):
        from dagster_postgres import PostgresScheduleStorage

        from classface_assets.orchestration.records.shared.postgresql_storage import KnownTablesPostgresStorage

        if type(storage) is PostgresScheduleStorage:
            return KnownTablesPostgresStorage.like(storage)
    return storage
