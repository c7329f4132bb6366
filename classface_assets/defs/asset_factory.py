"""What all assets of an archive share: the decorator `archive_asset`, its pools, and the rules that assets check."""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Required, TypedDict, Unpack, cast

import dagster as dg
import polars as pl

from classface_assets.defs.metadata import column_schema
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.school_year_runs.range_step import for_each_year
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames
from classface_assets.store.files.fetched import reuse_fetched

INFERENCE_POOL = "inference"
"""Steps that keep all cores busy with a model: one at a time on a machine."""
PUBLISH_POOL = "publish"
"""Steps that write what all school years share: never two at once."""


class AssetOptions(TypedDict, total=False):
    """The arguments of `dagster.asset` that differ from asset to asset."""

    deps: Iterable[dg.AssetsDefinition]
    group_name: str
    kinds: set[str]
    code_version: Required[str]
    pool: str
    automate: Callable[[ArchiveNames], dg.AutomationCondition]


@dataclass(frozen=True)
class CheckRule:
    """A rule that an asset checks itself, in the step that materializes it.

    Attributes:
        name: Of the asset check.
        description: What holds where it passes.
        severity: WARN where the next run mends it, or nothing downstream depends on it.
        blocking: Whether assets downstream are not run where it fails: their input would be wrong.
    """

    name: str
    description: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    blocking: bool = False

    def spec(self, asset: str) -> dg.AssetCheckSpec:
        """As the asset declares it."""
        return dg.AssetCheckSpec(self.name, asset=asset, description=self.description, blocking=self.blocking)

    def as_warning(self) -> "CheckRule":
        """The same rule where its failure is known to do no harm: it never blocks."""
        return replace(self, severity=dg.AssetCheckSeverity.WARN)

    def result(self, passed: bool, **metadata: int | float | str) -> dg.AssetCheckResult:
        """As the asset reports it."""
        return dg.AssetCheckResult(check_name=self.name, passed=bool(passed), severity=self.severity, metadata=metadata)


def archive_asset(
    *, rules: Sequence[CheckRule] = (), columns: Mapping[str, pl.DataType | str] | None = None, per_year: bool = False,
    publishes: bool = False, **options: Unpack[AssetOptions],
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:  # fmt: skip
    """Decorates a function as an asset of the archive.

    Its user errors fail the step with one sentence. Its name is that of the function.

    The one rule of code versions: an asset's counts up when the same inputs give other outputs than before, and by
    nothing else. Dagster's page then marks what was made by an older version as unsynced, since its code changed.

    Args:
        rules: What it checks itself.
        columns: Name → type, of the table that it writes; for Dagster's UI.
        per_year: Whether it is partitioned by school year.
        publishes: Whether it writes what readers of all machines see: with data at a URL one machine at a time does.
        **options: As for `dagster.asset`; `code_version` is required.

    Returns:
        The decorator.
    """

    def decorate(compute: Callable[..., dg.MaterializeResult]) -> dg.AssetsDefinition:
        blueprint = AssetBlueprint(_shared(compute, publishes), options, tuple(rules), columns, per_year)
        _BLUEPRINTS[compute.__name__] = blueprint
        return blueprint.build(ALONE)

    return decorate


@dataclass(frozen=True)
class AssetBlueprint:
    """What an asset is in each archive.

    Attributes:
        compute: Computes it; its name is the asset's.
        options: As for `dagster.asset`.
        rules: What it checks itself.
        columns: Of the table that it writes.
        per_year: Whether it is partitioned by school year.
    """

    compute: Callable[..., dg.MaterializeResult]
    options: AssetOptions
    rules: tuple[CheckRule, ...]
    columns: Mapping[str, pl.DataType | str] | None
    per_year: bool

    def build(self, names: ArchiveNames) -> dg.AssetsDefinition:
        """The asset of one archive, still under its plain key: see `with_names`."""
        given: dict[str, Any] = {**self.options, "pool": names.pool(self.options.get("pool"))}
        automate = given.pop("automate", None)
        with warnings.catch_warnings():  # that Dagster calls its backfill policies beta is for us to know
            warnings.simplefilter("ignore", dg.BetaWarning)
            asset = dg.asset(
                **given,
                automation_condition=automate(names) if automate else None,
                partitions_def=names.school_years if self.per_year else None,
                backfill_policy=dg.BackfillPolicy.single_run() if self.per_year else None,
                check_specs=[rule.spec(self.compute.__name__) for rule in self.rules] or None,
                metadata={} if self.columns is None else {"dagster/column_schema": column_schema(self.columns)},
            )
        reported = report_user_errors(self.compute)
        return asset(for_each_year(reported, self.rules) if self.per_year else reported)


_BLUEPRINTS: dict[str, AssetBlueprint] = {}
"""Name of an asset → its blueprint; the modules of the assets add theirs when they are imported."""


def build_for(asset: dg.AssetsDefinition, names: ArchiveNames) -> dg.AssetsDefinition:
    """An asset as another archive has it: its own pool, school years and condition."""
    return _BLUEPRINTS[asset.key.to_user_string()].build(names) if names.name else asset


def with_names(
    definitions: Sequence[dg.AssetsDefinition], assets: Iterable[str], names: ArchiveNames
) -> list[dg.AssetsDefinition]:
    """Assets or checks with the keys that they have in an archive, and those of their inputs.

    Run config stays as it is, since steps are named for the asset alone.

    Args:
        definitions: With plain keys.
        assets: The names of all assets.
        names: Of the archive.
    """
    if not names.name:
        return list(definitions)
    keys = {dg.AssetKey(asset): names.asset_key(asset) for asset in assets}
    named = [one.with_attributes(asset_key_replacements=keys) for one in definitions]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # a copy sets all parameters that there are
        # What was a check is no check any more in Dagster's copy.
        return [
            dg.AssetChecksDefinition(**new.get_attributes_dict()) if isinstance(old, dg.AssetChecksDefinition) else new
            for old, new in zip(definitions, named, strict=True)
        ]


def _shared(compute: Callable[..., dg.MaterializeResult], publishes: bool) -> Callable[..., dg.MaterializeResult]:
    """The asset's function, whose local files are then shared with the other machines of data at a URL."""

    @functools.wraps(compute)
    def wrapped(*args: object, **given: object) -> dg.MaterializeResult:
        archive = cast("Archive", given["archive"])
        reuse_fetched()
        if publishes:
            with archive.publishing(f"Dagster's asset {compute.__name__}"):
                return compute(*args, **given)
        result = compute(*args, **given)
        archive.share()
        return result

    return wrapped
