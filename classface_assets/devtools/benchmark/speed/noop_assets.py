"""The same jobs with steps that do nothing, to measure the overhead of Dagster itself."""

import dagster as dg

from classface_assets.defs import checks
from classface_assets.defs.automation import JOBS
from classface_assets.defs.build import load_assets


def noop_definitions() -> dg.Definitions:
    """The same assets, partitions, pools, checks and jobs, whose steps do nothing."""
    return dg.Definitions(
        assets=[_noop_asset(asset) for asset in load_assets()],
        asset_checks=[_noop_check(check) for check in dg.load_asset_checks_from_modules([checks])],
        jobs=JOBS,
        executor=dg.in_process_executor,
    )


def _noop_asset(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    (spec,) = asset.specs
    rules = list(asset.check_specs)

    @dg.asset(
        key=spec.key,
        deps=[dep.asset_key for dep in spec.deps],
        partitions_def=asset.partitions_def,
        check_specs=rules or None,
        pool=asset.op.pool,
    )
    def nothing() -> dg.MaterializeResult:
        passed = [dg.AssetCheckResult(check_name=rule.name, passed=True) for rule in rules]
        return dg.MaterializeResult(metadata={"rows": 0}, check_results=passed)

    return nothing


def _noop_check(check: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
    (spec,) = check.check_specs

    @dg.asset_check(asset=spec.asset_key, name=spec.name, blocking=spec.blocking)
    def nothing() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return nothing
