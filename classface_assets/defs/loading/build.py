"""The one `dagster.Definitions`: every asset, check, job, sensor, schedule and resource."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from classface_assets.defs import albums, identity, ingest
from classface_assets.defs.asset_factory import build_for, with_names
from classface_assets.defs.automation import JOBS, ArchiveJobs, automation_sensor, nightly
from classface_assets.defs.catalog.checks.registry import check_archive, load_checks
from classface_assets.defs.catalog.entries import configured, in_catalog
from classface_assets.defs.catalog.settings import CatalogSettings
from classface_assets.defs.sensors.automatic_runs import automatic_runs_of
from classface_assets.defs.sensors.decisions import decisions
from classface_assets.defs.sensors.failed_runs import failed_runs_of
from classface_assets.defs.sensors.failure_reports import failure_reports
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.defs.sensors.upkeep import killed_runs_of, old_records
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, names_of


def load_assets(names: ArchiveNames = ALONE) -> list[dg.AssetsDefinition]:
    """Every asset of the package as an archive has it, still under its plain key."""
    found = [
        *dg.load_assets_from_package_module(ingest),
        *dg.load_assets_from_package_module(identity),
        *dg.load_assets_from_package_module(albums),
    ]
    # A module that names another asset as its input has it as an attribute too.
    assets = {asset.key: asset for asset in found if isinstance(asset, dg.AssetsDefinition)}
    return [build_for(asset, names) for asset in assets.values()]


def definitions_with(resources: Mapping[str, Any]) -> dg.Definitions:
    """The definitions on these resources: archive, models and progress; the rest as the environment says.

    Raises:
        UserError: A setting of the catalog cannot be used.
    """
    return dg.Definitions(**_parts(resources), executor=dg.in_process_executor)


def repository_with(resources: Mapping[str, Any]) -> dg.RepositoryDefinition:
    """The same as a repository of the archive's name: of these a code location can hold several.

    Raises:
        UserError: A setting of the catalog cannot be used.
    """
    name = _names(resources).name
    made = dg.create_repository_using_definitions_args(name=name, **_parts(resources), executor=dg.in_process_executor)
    assert isinstance(made, dg.RepositoryDefinition)  # never a pending one: no asset is loaded from elsewhere
    return made


def _parts(resources: Mapping[str, Any]) -> dict[str, Any]:
    archive, names = resources.get("archive"), _names(resources)
    assets = load_assets(names)
    every = [asset.key.to_user_string() for asset in assets]
    checks = with_names(load_checks(), every, names)
    jobs = ArchiveJobs(names) if names.name else JOBS
    return {
        "assets": with_names(in_catalog(assets, archive, CatalogSettings.from_environment()), every, names),
        "asset_checks": checks,
        "jobs": [*jobs.all, check_archive(checks, names.tags)],
        "sensors": [
            *_starters(jobs),
            automation_sensor(names),
            automatic_runs_of(names),
            failed_runs_of(names),
            killed_runs_of(names),
            old_records,
        ],
        "schedules": [nightly if jobs is JOBS else nightly.with_attributes(job=jobs.identify)],
        "resources": {"failure_reports": failure_reports(), **resources},
    }


def _starters(jobs: ArchiveJobs) -> list[dg.SensorDefinition]:
    """The sensors that start runs of these jobs."""
    if jobs is JOBS:
        return [photo_folders, decisions]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster's copy of a sensor sets all parameters that it has
        return [
            photo_folders.with_attributes(jobs=[jobs.ingest_year]),
            decisions.with_attributes(jobs=[jobs.identify, jobs.ingest_year]),
        ]


def _names(resources: Mapping[str, Any]) -> ArchiveNames:
    archive = resources.get("archive")
    return ALONE if archive is None else names_of(configured(archive).layout)
