"""What Dagster recorded of runs: parameters, times, the numbers their assets logged, and why they failed.

A page of runs takes two queries, however long the runs' logs are.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from classface_assets.core.languages import translated
from classface_assets.orchestration.failures import failure_reason, no_reason
from classface_assets.orchestration.school_year_runs.years import years_phrase
from classface_assets.orchestration.settings.archive_names import asset_name
from classface_assets.orchestration.updates.record import UPDATE_TAG
from classface_assets.review.runs.dagster_page import DAGSTER_UI

MAX_FAILURES = 1000
_NON_OP_KEYS = frozenset({"loggers", "execution", "resources"})
_NEWS = (("images", "new_files"), ("detections", "photos_searched_now"), ("embeddings", "embedded_now"))
Counts = dict[str, dict[str, float]]
_Numbers = dict[str, dict[str, dict[str, float]]]
"""Asset → school year, "" for all of them → name → number."""


@dataclass(frozen=True)
class RunSummary:
    """A run as pages and API show it.

    Attributes:
        run_id: Its id.
        job: The name of its job.
        school_year: The school year (partition), or `2016-2017 to 2019-2020` for a range of them; None for a job over
            all of them.
        status: Dagster's status, such as SUCCESS.
        parameters: The config of its assets, by asset.
        created_at: Seconds since 1970, as the other times; None where it has not happened.
        started_at: When it began.
        ended_at: When it ended.
        counts: The numbers that its assets logged, by asset.
        reason: Why it failed; empty if it did not.
        url: Its page in the Dagster UI; empty before Dagster has recorded it.
        update_id: Of the update that it belongs to, as the other runs of one chain; empty for a run on its own.
        started_by: The command that started it; empty where it is not recorded.
        pack: The model pack; empty where it is not recorded.
        photos_folder: The photos folder; empty where it is not recorded.
        data_folder: The data folder; empty where it is not recorded.
        materialized: Asset → the school years of it that it made.
        news: The school years of which it found new files or faces.
    """

    run_id: str
    job: str
    school_year: str | None
    status: str
    parameters: Mapping[str, Any]
    created_at: float | None
    started_at: float | None
    ended_at: float | None
    counts: Counts
    reason: str
    url: str
    update_id: str = ""
    started_by: str = ""
    pack: str = ""
    photos_folder: str = ""
    data_folder: str = ""
    materialized: Mapping[str, Sequence[str]] = field(default_factory=dict)
    news: Sequence[str] = ()


def summarize_runs(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> list[RunSummary]:
    """Summaries of these runs, in their order."""
    if not records:
        return []
    numbers, reasons = _logged_numbers(instance, records), _failure_reasons(instance, records)
    return [_summarize(record, numbers, reasons) for record in records]


def op_configs(run: dg.DagsterRun) -> dict[str, Any]:
    """The config of the assets of a run, by asset."""
    config: Mapping[str, Any] = run.run_config
    return {name: op for name, op in config.get("ops", {}).items() if name not in _NON_OP_KEYS}


def _summarize(record: dg.RunRecord, numbers: Mapping[str, _Numbers], reasons: Mapping[str, str]) -> RunSummary:
    run = record.dagster_run
    logged = numbers.get(run.run_id, {})
    years = {asset: [year for year in by_year if year] for asset, by_year in logged.items()}
    failed = run.status == dg.DagsterRunStatus.FAILURE
    return RunSummary(
        run_id=run.run_id,
        job=run.job_name,
        school_year=years_phrase(run.tags) or None,
        status=run.status.value,
        parameters={name: op.get("config", {}) for name, op in op_configs(run).items()},
        created_at=record.create_timestamp.timestamp(),
        started_at=record.start_time,
        ended_at=record.end_time,
        counts={asset: _of_all_years(list(by_year.values())) for asset, by_year in logged.items()},
        reason=reasons.get(run.run_id) or no_reason() if failed else "",
        url=f"{os.environ.get('CLASSFACE_DAGSTER_URL', DAGSTER_UI).rstrip('/')}/runs/{run.run_id}",
        update_id=run.tags.get(UPDATE_TAG, ""),
        started_by=_started_by(run.tags),
        pack=run.tags.get("classface/pack", ""),
        photos_folder=run.tags.get("classface/photos", ""),
        data_folder=run.tags.get("classface/data", ""),
        materialized=years,
        news=_years_with_news(logged),
    )


def _started_by(tags: Mapping[str, str]) -> str:
    """The command, sensor or schedule that started a run; a person in Dagster's page where it is none of these."""
    by = tags.get("classface/by") or tags.get("dagster/sensor_name") or tags.get("dagster/schedule_name")
    return by or "Dagster"


def _logged_numbers(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> dict[str, _Numbers]:
    """The numbers that each run's assets logged, by run.

    They are read from the storage's index of all assets: a run's own log is a file of its own, and opening twenty of
    these takes most of a second.
    """
    began, ended = _time_span(records)
    events = dg.EventRecordsFilter(
        dg.DagsterEventType.ASSET_MATERIALIZATION, after_timestamp=began, before_timestamp=ended
    )
    logged: dict[str, _Numbers] = {}
    for record in instance.event_log_storage.get_event_records(events, ascending=True):
        materialization = record.asset_materialization
        if materialization is not None:
            metadata = materialization.metadata.items()
            numbers = {name: float(value.value) for name, value in metadata if isinstance(value.value, int | float)}
            by_year = logged.setdefault(record.run_id, {}).setdefault(asset_name(materialization.asset_key), {})
            by_year[materialization.partition or ""] = numbers
    return logged


def _of_all_years(years: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The numbers of one asset for all school years of a run: what is counted is added, of a speed it is the mean."""
    if len(years) == 1:
        return dict(years[0])
    names = dict.fromkeys(name for numbers in years for name in numbers)
    values = {name: [numbers[name] for numbers in years if name in numbers] for name in names}
    return {
        name: sum(some) / len(some) if name.endswith(("_a_second", "_share")) else sum(some)
        for name, some in values.items()
    }


def _years_with_news(logged: _Numbers) -> list[str]:
    years = (
        year for asset, name in _NEWS for year, numbers in logged.get(asset, {}).items() if year and numbers.get(name)
    )
    return sorted(set(years))


def _failure_reasons(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> dict[str, str]:
    """Why each failed run failed, by run: the message of its first failed step, or what ended it from outside."""
    failed = [record for record in records if record.dagster_run.status == dg.DagsterRunStatus.FAILURE]
    if not failed:
        return {}
    began, ended = _time_span(failed)
    events = dg.RunStatusChangeRecordsFilter(
        dg.DagsterEventType.RUN_FAILURE, after_timestamp=began, before_timestamp=ended
    )
    reasons = {}
    for record in instance.fetch_run_status_changes(events, limit=MAX_FAILURES, ascending=True).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            step = getattr(event.event_specific_data, "first_step_failure_event", None)
            message = translated(event.message) if event.message else no_reason()
            reasons[record.run_id] = failure_reason(step.event_specific_data) if step else message
    return reasons


def _time_span(records: Sequence[dg.RunRecord]) -> tuple[float, float | None]:
    """When the first of these runs was created and the last ended, with a margin; no end while one is running."""
    began = min(record.create_timestamp.timestamp() for record in records)
    ends = [record.end_time for record in records]
    last = max((end for end in ends if end is not None), default=None)
    # Dagster stores a run's last event a moment after the time that it records as the run's end.
    return began - 1, None if last is None or None in ends else last + 1
