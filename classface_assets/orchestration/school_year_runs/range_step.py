"""How an asset of a school year is made for a range of years in one step: year after year, each with its own record.

Dagster itself records a range with one outcome and one data version for all of its partitions. Here each year is
recorded when it is done, with its own data version and numbers; a year that fails stops no other, and is left out of
the later assets of its run. The last asset of the year in that run then fails with the reasons, so that Dagster shows
the years that failed as failed, and the others as materialized.
"""

import functools
import hashlib
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from classface_assets.core.languages import sentence, stored_sentence
from classface_assets.orchestration.failures import CHECK_ERROR, ERROR_KEY, SENTENCE_KEY, YearFailure, years_failure
from classface_assets.orchestration.school_year_runs.years import working_on, years_of_step
from classface_assets.orchestration.settings.archive_names import asset_name
from classface_assets.store.artifacts.memoization import content_digest
from classface_assets.store.maintenance.failed_checks import failed_checks, record_checks

Compute = Callable[..., dg.MaterializeResult]
StepEvent = dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckResult
_RECORDED_ALREADY = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
"""By this metadata of a result Dagster records no materialization of its own, for that has happened already."""

_failed: dict[str, dict[str, YearFailure]] = {}
"""Run → school year → why an earlier asset of the year failed; the steps of a run share a process."""


class Rule(Protocol):
    """What `YearRange` needs of a `CheckRule`."""

    @property
    def name(self) -> str:
        """Of the check."""
        ...

    @property
    def description(self) -> str | None:
        """What holds where it passes."""
        ...

    @property
    def blocking(self) -> bool:
        """Whether the years of which it fails go no further."""
        ...


def for_each_year(compute: Compute, rules: Sequence[Rule]) -> Callable[..., Iterator[StepEvent]]:
    """The function of a step that computes an asset for each school year of its run.

    Args:
        compute: Computes the year `step_year`.
        rules: What the asset checks itself.
    """

    @functools.wraps(compute)
    def run(context: dg.AssetExecutionContext, **given: Any) -> Iterator[StepEvent]:
        years, checks = years_of_step(context), BlockingRules(compute.__name__, rules, given)
        if len(years) > 1:
            yield from YearRange(context, compute, checks).run(years, given)
            return
        _announce(given, compute, years[0])
        began = time.monotonic()
        with working_on(years[0], years[0] in checks.failed_before) as step:
            result = compute(context=context, **given)
        checks.record(years[0], result)
        if step.metadata:
            context.add_asset_metadata(step.metadata, context.asset_key, years[0])
        yield _with_seconds(result, began)

    return run


def _announce(given: Mapping[str, Any], compute: Compute, year: str) -> None:
    """Report that a step begins with a school year; an asset is named as its function."""
    if "progress" in given:
        given["progress"].enter_year(compute.__name__, year)


def _with_seconds(result: dg.MaterializeResult, began: float) -> dg.MaterializeResult:
    metadata = {"seconds": round(time.monotonic() - began, 2), **(result.metadata or {})}
    return dg.MaterializeResult(
        metadata=metadata, check_results=list(result.check_results or ()), data_version=result.data_version
    )


class BlockingRules:
    """The rules of an asset of which some block; what fails of these is recorded beside the parts."""

    def __init__(self, asset: str, rules: Sequence[Rule], given: Mapping[str, Any]) -> None:
        """Look up in which school years some failed last: once a step, for at a URL each look is a request.

        Args:
            asset: Name of the asset, which is that of its function.
            rules: What it checks itself.
            given: The arguments of the asset; without an archive nothing is recorded.
        """
        self.every, self._asset = rules, asset
        self._blocking = {rule.name: rule for rule in rules if rule.blocking}
        self._layout = given["archive"].layout if self._blocking and "archive" in given else None
        found = failed_checks(self._layout) if self._layout else []
        self.failed_before = {one.year for one in found if one.asset == asset}

    def record(self, year: str, result: dg.MaterializeResult) -> list[Rule]:
        """Record which of them failed in a school year; returns their rules."""
        failed = [
            self._blocking[str(check.check_name)]
            for check in result.check_results or ()
            if check.check_name in self._blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
        ]
        if self._layout and (failed or year in self.failed_before):
            record_checks(self._layout, self._asset, year, [rule.name for rule in failed])
        return failed


@dataclass(frozen=True)
class YearRange:
    """One asset in one run over several school years.

    Attributes:
        context: Of the step.
        compute: Computes the school year that the step works on.
        rules: What the asset checks itself.
    """

    context: dg.AssetExecutionContext
    compute: Compute
    rules: BlockingRules

    def run(self, years: Sequence[str], given: Mapping[str, Any]) -> Iterator[StepEvent]:
        """Make each year, record it, and report the checks of all.

        Args:
            years: The school years.
            given: The arguments of the asset.

        Raises:
            dagster.Failure: Years failed, here or in an earlier asset of the run, and no later asset follows, or has a
                year to follow with.
        """
        context, asset = self.context, asset_name(self.context.asset_key)
        failed = _failed.setdefault(context.run.run_id, {})
        provenance = Provenance(context, years)
        checks: dict[str, dict[str, dg.AssetCheckResult]] = defaultdict(dict)
        logged: set[str] = set()
        for number, year in enumerate(years, 1):
            if year in failed:
                context.log.info(f"{year}: left out, for {failed[year].asset} failed.")
                continue
            _announce(given, self.compute, year)
            began = time.monotonic()
            try:
                with working_on(year, year in self.rules.failed_before, logged) as step:
                    result = _with_seconds(self.compute(context=context, **given), began)
            except Exception as error:  # whatever it is, it stops no other year
                if isinstance(error, dg.RetryRequested) and context.retry_number < error.max_retries:
                    raise  # the whole step is tried again; what is done is known then
                failed[year] = _as_year_failure(asset, year, error)
                context.log.error(f"{year}: {failed[year].reason}{_details(error)}")
                continue
            context.log.info(f"{year}: done, {number} of {len(years)}, in {time.monotonic() - began:.1f} s.")
            yield dg.AssetMaterialization(
                context.asset_key,
                partition=year,
                metadata={**(result.metadata or {}), **step.metadata},
                tags=provenance.tags(year, result.data_version),
            )
            for check in result.check_results or ():
                checks[str(check.check_name)][year] = check
            for rule in self.rules.record(year, result):
                failed[year] = self._failure_of(rule, asset, year)
        yield from self._check_results(checks)
        if failed and (set(years) <= failed.keys() or not self._is_followed()):
            raise years_failure(_failed.pop(context.run.run_id).values())
        if not failed:
            _failed.pop(context.run.run_id, None)
        yield dg.MaterializeResult(metadata=_RECORDED_ALREADY)

    def _failure_of(self, rule: Rule, asset: str, year: str) -> YearFailure:
        """The failure of a year of which a blocking check failed; it is left out of the run's later assets."""
        reason = sentence(
            "the check %(check)s of %(asset)s failed (%(what)s)",
            check=rule.name,
            asset=asset,
            what=sentence(rule.description) if rule.description else "",
        )
        self.context.log.error(f"{year}: {reason}")
        return YearFailure(asset, year, str(reason), CHECK_ERROR, stored_sentence(reason))

    def _check_results(self, checks: Mapping[str, Mapping[str, dg.AssetCheckResult]]) -> Iterator[dg.AssetCheckResult]:
        """One result of each check, over all years. Those that failed are named with what was found.

        None of them stops the run, also where the check is blocking: the years that failed are left out instead.
        """
        selected = {key.name for key in self.context.selected_asset_check_keys}
        for rule in self.rules.every:
            results = checks.get(rule.name, {})
            if rule.name not in selected or not results:
                continue
            failed = {year: dict(one.metadata or {}) for year, one in results.items() if not one.passed}
            found = {f"{year}: {name}": value for year, values in failed.items() for name, value in values.items()}
            yield dg.AssetCheckResult(
                check_name=rule.name,
                passed=not failed,
                severity=dg.AssetCheckSeverity.WARN if rule.blocking else next(iter(results.values())).severity,
                metadata={"school years": len(results), "school years that fail": ", ".join(failed) or "none", **found},
            )

    def _is_followed(self) -> bool:
        """Whether a later step of this run takes up the same school years."""
        layer = self.context.job_def.asset_layer
        children = layer.get(self.context.asset_key).child_keys & layer.selected_asset_keys
        return any(layer.get(key).partitions_def is not None for key in children)


class Provenance:
    """What each school year of an asset is made from, as tags of Dagster: by them its UI knows what is unsynced."""

    def __init__(self, context: dg.AssetExecutionContext, years: Sequence[str]) -> None:
        """Look up the inputs of these school years, as they are when the step begins."""
        layer, instance = context.job_def.asset_layer, context.instance
        node = layer.get(context.asset_key)
        self._code_version = node.code_version or context.run.run_id
        self._common: dict[str, str] = {}
        self._by_year: dict[str, dict[str, str]] = {year: {} for year in years}
        for key in node.parent_keys:
            if layer.get(key).partitions_def is not None:
                self._add_yearly_input(instance, key, years)
            else:
                record = instance.get_latest_data_version_record(key)
                version = extract_data_version_from_entry(record.event_log_entry) if record else None
                self._common |= _input_tags(key, version.value if version else "INITIAL", record and record.storage_id)

    def _add_yearly_input(self, instance: dg.DagsterInstance, key: dg.AssetKey, years: Sequence[str]) -> None:
        storage, kind = instance.event_log_storage, dg.DagsterEventType.ASSET_MATERIALIZATION
        versions = storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION_TAG], list(years))
        events = storage.get_latest_storage_id_by_partition(key, kind, set(years))
        for year in years:
            # Dagster's version of a partitioned input is a digest of those of its partitions, here of one.
            version = hashlib.sha256(versions.get(year, {}).get(DATA_VERSION_TAG, "").encode()).hexdigest()
            self._by_year[year] |= _input_tags(key, version, events.get(year))

    def tags(self, year: str, version: dg.DataVersion | None) -> dict[str, str]:
        """The tags of the materialization of a school year with this data version."""
        tags = {CODE_VERSION_TAG: self._code_version, **self._common, **self._by_year[year]}
        if version is None:  # what was not finished: another one as soon as code or inputs are
            return {**tags, DATA_VERSION_TAG: content_digest(sorted(tags.items()))}
        return {**tags, DATA_VERSION_TAG: version.value, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def _input_tags(key: dg.AssetKey, version: str, storage_id: int | None) -> dict[str, str]:
    pointer = str(storage_id) if storage_id else NULL_EVENT_POINTER
    return {get_input_data_version_tag(key): version, get_input_event_pointer_tag(key): pointer}


def _as_year_failure(asset: str, year: str, error: BaseException) -> YearFailure:
    if isinstance(error, dg.RetryRequested) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, dg.Failure):
        name = error.metadata.get(ERROR_KEY)
        stored = error.metadata.get(SENTENCE_KEY)
        return YearFailure(
            asset,
            year,
            reason=str(error.description),
            error=None if name is None else str(name.value),
            sentence=stored.value if stored is not None and isinstance(stored.value, Mapping) else None,
        )
    return YearFailure(asset, year, f"{type(error).__name__}: {error}".strip(), None)


def _details(error: Exception) -> str:
    """The traceback of an error that nobody expected."""
    return (
        "" if isinstance(error, dg.Failure | dg.RetryRequested) else "\n" + "".join(traceback.format_exception(error))
    )
