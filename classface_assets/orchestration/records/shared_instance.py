"""Dagster's instance where many archives share it: what `dagster.yaml` names there.

    instance_class:
      module: classface_assets.orchestration.records.shared_instance
      class: SharedInstance

Without these lines Dagster works with the same records, and takes more time for them. Records in PostgreSQL are not
concerned.
"""

from collections.abc import Mapping

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from classface_assets.orchestration.records.sqlite import reused_engines
from classface_assets.orchestration.records.sqlite.reused_engines import (
    ReusedEngineRunStorage,
    ReusedEngineScheduleStorage,
)

_PARTS = ("run_storage", "event_log_storage", "schedule_storage")


class SharedInstance(dg.DagsterInstance):
    """Dagster's own instance, but for how SQLite files are asked."""

    @classmethod
    def config_schema(cls) -> Mapping[str, object]:
        """Further sections of `dagster.yaml`: none."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """What counts where `dagster.yaml` says nothing else; of the storage that is SQLite files in Dagster's home."""
        defaults = dict(InstanceRef.config_defaults(base_dir))
        for name, kind in (("run_storage", ReusedEngineRunStorage), ("schedule_storage", ReusedEngineScheduleStorage)):
            present = defaults[name]
            assert present is not None
            defaults[name] = ConfigurableClassData(reused_engines.__name__, kind.__name__, present.config_yaml)
        parts = {name: data._asdict() for name in _PARTS if (data := defaults[name]) is not None}
        defaults["storage"] = ConfigurableClassData(
            "dagster._core.storage.legacy_storage", "CompositeStorage", yaml.dump(parts)
        )
        return defaults
