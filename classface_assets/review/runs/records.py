"""What Dagster recorded of runs: their parameters, their times, the numbers their assets told, and why they stopped.

A page of runs costs two queries, however long their logs are. Starting runs is in work.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from classface_assets.orchestration.failures import failure_reason

DAGSTER_UI = "http://127.0.0.1:3000"
NO_REASON = "it stopped without a reason"
MAX_FAILURES = 1000
_NON_OP_KEYS = frozenset({"loggers", "execution", "resources"})
Counts = dict[str, dict[str, float]]


@dataclass(frozen=True)
class RunSummary:
    """What is told of a run. Times are seconds since 1970; `counts`: numbers that its assets told, by asset."""

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


def summarize_runs(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> list[RunSummary]:
    """What is told of these runs, in their order."""
    if not records:
        return []
    counts, reasons = _materialization_counts(instance, records), _failure_reasons(instance, records)
    return [_summarize(record, counts, reasons) for record in records]


def op_configs(run: dg.DagsterRun) -> dict[str, Any]:
    """The config of the assets of a run, by asset."""
    config: Mapping[str, Any] = run.run_config
    return {name: step for name, step in config.get("ops", {}).items() if name not in _NON_OP_KEYS}


def _summarize(record: dg.RunRecord, counts: Mapping[str, Counts], reasons: Mapping[str, str]) -> RunSummary:
    run = record.dagster_run
    failed = run.status == dg.DagsterRunStatus.FAILURE
    return RunSummary(
        run.run_id,
        run.job_name,
        run.tags.get("dagster/partition"),
        run.status.value,
        {name: step.get("config", {}) for name, step in op_configs(run).items()},
        record.create_timestamp.timestamp(),
        record.start_time,
        record.end_time,
        counts.get(run.run_id, {}),
        reasons.get(run.run_id, NO_REASON) if failed else "",
        f"{os.environ.get('CLASSFACE_DAGSTER_URL', DAGSTER_UI).rstrip('/')}/runs/{run.run_id}",
    )


def _materialization_counts(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> dict[str, Counts]:
    """The numbers that each run's assets told. Read from the storage's index of all assets: a run's own log is a file
    of its own, and opening twenty of them takes most of a second."""
    began, ended = _time_span(records)
    asked = dg.EventRecordsFilter(
        dg.DagsterEventType.ASSET_MATERIALIZATION, after_timestamp=began, before_timestamp=ended
    )
    counts: dict[str, Counts] = {}
    for record in instance.event_log_storage.get_event_records(asked, ascending=True):
        told = record.asset_materialization
        if told is not None:
            numbers = {k: float(v.value) for k, v in told.metadata.items() if isinstance(v.value, int | float)}
            counts.setdefault(record.run_id, {})[told.asset_key.to_user_string()] = numbers
    return counts


def _failure_reasons(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> dict[str, str]:
    """Why each run that failed did: the sentence of its first step that failed, or what ended it from outside."""
    failed = [record for record in records if record.dagster_run.status == dg.DagsterRunStatus.FAILURE]
    if not failed:
        return {}
    began, ended = _time_span(failed)
    asked = dg.RunStatusChangeRecordsFilter(
        dg.DagsterEventType.RUN_FAILURE, after_timestamp=began, before_timestamp=ended
    )
    reasons = {}
    for record in instance.fetch_run_status_changes(asked, limit=MAX_FAILURES, ascending=True).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            step = getattr(event.event_specific_data, "first_step_failure_event", None)
            reasons[record.run_id] = failure_reason(step.event_specific_data) if step else event.message or NO_REASON
    return reasons


def _time_span(records: Sequence[dg.RunRecord]) -> tuple[float, float | None]:
    """When the first of these began and the last ended; no end while one is under way."""
    began = min(record.create_timestamp.timestamp() for record in records)
    ends = [record.end_time for record in records]
    last = max((end for end in ends if end is not None), default=None)
    # A run's last event is stored a moment after the time that is kept as its end.
    return began - 1, None if last is None or None in ends else last + 1
