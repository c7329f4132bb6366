"""The school year that a step works on: a step may take a range of them, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from classface_assets.core.languages import gettext
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames


@dataclass
class YearStep:
    """One school year of a step.

    Attributes:
        year: The school year.
        checks_failed: Whether checks of the asset that block failed when the year was run last.
        metadata: What is added to the metadata of its materialization.
        logged: What `log_once` has logged, the same set for all school years of a step.
    """

    year: str
    checks_failed: bool = False
    metadata: dict[str, int | float] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)


_CURRENT: ContextVar[YearStep | None] = ContextVar("school year of the step", default=None)


@contextmanager
def working_on(year: str, checks_failed: bool = False, logged: set[str] | None = None) -> Iterator[YearStep]:
    """Within it a step works on this school year; see `YearStep`."""
    step = YearStep(year, checks_failed, logged=set() if logged is None else logged)
    token = _CURRENT.set(step)
    try:
        yield step
    finally:
        _CURRENT.reset(token)


def current_year_step() -> YearStep | None:
    """What a step works on; None in steps that are one for all school years."""
    return _CURRENT.get()


def step_year(context: dg.AssetExecutionContext) -> str:
    """The school year that a step works on."""
    step = _CURRENT.get()
    return context.partition_key if step is None else step.year


def step_had_failed_checks() -> bool:
    """Whether checks that block failed when the asset's school year was run last, so that it removes what is broken."""
    step = _CURRENT.get()
    return step is not None and step.checks_failed


def log_once(context: dg.AssetExecutionContext, message: str) -> None:
    """Log what is the same for all school years of a step with the first of them: each line is an event of Dagster."""
    step = _CURRENT.get()
    if step is None or message not in step.logged:
        context.log.info(message)
    if step is not None:
        step.logged.add(message)


def years_of_step(context: dg.AssetExecutionContext) -> list[str]:
    """The school years that a step is to do, in their order."""
    return [context.partition_key] if context.has_partition_key else list(context.partition_keys)


def range_tags(years: Sequence[str]) -> dict[str, str]:
    """The tags of a run over school years that follow one another."""
    if len(years) == 1:
        return {PARTITION_NAME_TAG: years[0]}
    return {ASSET_PARTITION_RANGE_START_TAG: years[0], ASSET_PARTITION_RANGE_END_TAG: years[-1]}


def years_of_run(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """The first and the last school year of a run by its tags; None for a run that is of none."""
    first = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_START_TAG)
    last = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return (first, last) if first and last else None


def years_phrase(tags: Mapping[str, str]) -> str:
    """`2016-2017`, `2016-2017 to 2019-2020` in the language in use, or "" for a run that is of no school year."""
    years = years_of_run(tags)
    if years is None:
        return ""
    first, last = years
    return first if first == last else gettext("%(first)s to %(last)s", first=first, last=last)


def expand_range(first: str, last: str, registered: Sequence[str]) -> list[str]:
    """The school years from the first to the last, in Dagster's order; these two where it does not know them."""
    if first not in registered or last not in registered:
        return list(dict.fromkeys((first, last)))
    return list(registered[registered.index(first) : registered.index(last) + 1])


def ranges_of(instance: dg.DagsterInstance, years: Sequence[str], names: ArchiveNames = ALONE) -> list[list[str]]:
    """The same school years in Dagster's order, those that follow one another together: each is a run.

    A run over a range covers all years between its ends, so that years which need none part the ranges.
    """
    return split_ranges(instance.get_dynamic_partitions(names.school_years_name), years)


def split_ranges(registered: Sequence[str], years: Sequence[str]) -> list[list[str]]:
    """`ranges_of` by the order of all school years; those that are not among them are runs of their own."""
    wanted, ranges = set(years), list[list[str]]()
    follows = False
    for year in registered:
        if year not in wanted:
            follows = False
            continue
        if follows:
            ranges[-1].append(year)
        else:
            ranges.append([year])
        follows = True
    unknown = wanted - {year for one in ranges for year in one}
    return [*ranges, *([year] for year in years if year in unknown)]
