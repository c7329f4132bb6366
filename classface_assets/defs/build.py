"""The one `dagster.Definitions`: every asset, check, job, sensor, schedule and resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from classface_assets.defs import albums, checks, identity, ingest
from classface_assets.defs.automation import JOBS, automation_sensor, nightly
from classface_assets.defs.sensors import decisions, failed_runs, killed_runs, photo_folders


def load_assets() -> list[dg.AssetsDefinition]:
    """Every asset of the package."""
    found = [
        *dg.load_assets_from_package_module(ingest),
        *dg.load_assets_from_package_module(identity),
        *dg.load_assets_from_modules([albums]),
    ]
    # A module that names another asset as its input has it as an attribute too.
    return list({asset.key: asset for asset in found if isinstance(asset, dg.AssetsDefinition)}.values())


def definitions_with(resources: Mapping[str, Any]) -> dg.Definitions:
    """The definitions on these resources: archive, models and progress."""
    return dg.Definitions(
        assets=load_assets(),
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=JOBS,
        sensors=[photo_folders, decisions, automation_sensor, failed_runs, killed_runs],
        schedules=[nightly],
        resources=resources,
        executor=dg.in_process_executor,
    )
