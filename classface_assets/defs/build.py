"""The one `dagster.Definitions`: every asset, check, job, sensor, schedule and resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from classface_assets.defs import albums, identity, ingest
from classface_assets.defs.automation import JOBS, automation_sensor, nightly
from classface_assets.defs.catalog.checks.registry import check_archive, load_checks
from classface_assets.defs.catalog.entries import in_catalog
from classface_assets.defs.catalog.settings import CatalogSettings
from classface_assets.defs.sensors.automatic_runs import automatic_runs
from classface_assets.defs.sensors.decisions import decisions
from classface_assets.defs.sensors.failed_runs import failed_runs
from classface_assets.defs.sensors.failure_reports import failure_reports
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.defs.sensors.upkeep import killed_runs, old_records


def load_assets() -> list[dg.AssetsDefinition]:
    """Every asset of the package."""
    found = [
        *dg.load_assets_from_package_module(ingest),
        *dg.load_assets_from_package_module(identity),
        *dg.load_assets_from_package_module(albums),
    ]
    # A module that names another asset as its input has it as an attribute too.
    return list({asset.key: asset for asset in found if isinstance(asset, dg.AssetsDefinition)}.values())


def definitions_with(resources: Mapping[str, Any]) -> dg.Definitions:
    """The definitions on these resources: archive, models and progress; the rest as the environment says.

    Raises:
        UserError: A setting of the catalog cannot be used.
    """
    return dg.Definitions(
        assets=in_catalog(load_assets(), resources.get("archive"), CatalogSettings.from_environment()),
        asset_checks=load_checks(),
        jobs=[*JOBS, check_archive],
        sensors=[photo_folders, decisions, automation_sensor, automatic_runs, failed_runs, killed_runs, old_records],
        schedules=[nightly],
        resources={"failure_reports": failure_reports(), **resources},
        executor=dg.in_process_executor,
    )
