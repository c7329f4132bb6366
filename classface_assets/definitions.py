"""What Dagster loads: `dagster dev -m classface_assets.definitions`, and the workspace file."""

import dagster as dg

from classface_assets.defs.loading.build import definitions_with
from classface_assets.defs.loading.migration_scripts import read_migration_scripts_once
from classface_assets.orchestration.configured_resources import default_resources
from classface_assets.orchestration.records.sqlite.connections import keep_records_open


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules, on the archive that the environment names."""
    read_migration_scripts_once()
    keep_records_open()
    return definitions_with(default_resources())
