"""All checks that are run as steps of their own, and the job that runs them alone, without materializing anything."""

from collections.abc import Iterable, Mapping

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from classface_assets.defs.catalog.checks import integrity, publication


def load_checks() -> list[dg.AssetChecksDefinition]:
    """Every asset check that has a step of its own."""
    return list(dg.load_asset_checks_from_modules([integrity, publication]))


def check_archive(checks: Iterable[dg.AssetsDefinition], tags: Mapping[str, str]) -> UnresolvedAssetJobDefinition:
    """The job of these checks, whose runs have these tags."""
    return dg.define_asset_job(
        "check_archive",
        selection=dg.AssetSelection.checks(*(spec.key for check in checks for spec in check.check_specs)),
        description="Runs the checks alone, on what there is: nothing is computed and nothing is changed.",
        tags=tags or None,
    )
