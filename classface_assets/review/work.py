"""Long work as Dagster runs, each in a process of its own that outlives the server; and what became of them.

The one module of the room that knows Dagster; what such a process does is in worker.
"""

import functools
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import dagster as dg

from classface_assets.assets.cluster_assignments import AssignmentConfig
from classface_assets.failures import why_it_failed
from classface_assets.home import open_instance, release
from classface_assets.resources import Archive, Models
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.upkeep import UpkeepError

AT_ONCE = 4
DAGSTER_UI = "http://127.0.0.1:3000"
_ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_HIDDEN = frozenset({"loggers", "execution", "resources"})


@dataclass(frozen=True)
class Order:
    """A job to run, for a school year or for all, with the config of its assets."""

    job: str
    year: str | None = None
    ops: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunTold:
    """What is told of a run. Times are seconds since 1970; `counts`: numbers that its assets told, by asset."""

    run_id: str
    job: str
    school_year: str | None
    status: str
    parameters: Mapping[str, Any]
    created_at: float | None
    started_at: float | None
    ended_at: float | None
    counts: Mapping[str, Mapping[str, float]]
    reason: str
    url: str


class Work:
    """The runs of one archive."""

    def __init__(self, archive: Archive, models: Models) -> None:
        self._archive, self._models = archive, models
        self._lock = threading.Lock()
        self._started: dict[str, tuple[Order, subprocess.Popen[bytes], float]] = {}

    @functools.cached_property
    def instance(self) -> dg.DagsterInstance:
        with self._lock:
            return open_instance(self._archive.layout)

    def assignment(self, **given: Any) -> Order:
        """Everything that is one for all years, with these settings; what is None stays as it was measured.

        Raises ProblemError for a setting that the assignment does not have.
        """
        wanted = {name: value for name, value in given.items() if value is not None}
        unknown = sorted(wanted.keys() - AssignmentConfig.model_fields.keys())
        if unknown:
            raise ProblemError(422, f"The assignment has no setting {', '.join(unknown)}.")
        config = {"config": wanted}
        return Order("identify", ops={"cluster_assignments": config, "identities": config} if wanted else {})

    def training(self, **given: Any) -> Order:
        """The same, with these settings of the head."""
        return Order("identify", ops={"projection_head": {"config": given}})

    def start(self, order: Order) -> str:
        """Start a run in a process of its own; returns its id. Raises ProblemError when enough of them are at work."""
        if sum(process.poll() is None for _, process, _ in list(self._started.values())) >= AT_ONCE:
            raise ProblemError(409, f"{AT_ONCE} runs that were started here are still under way; wait for one of them.")
        run_id = str(uuid.uuid4())
        told = {
            "archive": self._archive.model_dump(),
            "models": self._models.model_dump(),
            "order": asdict(order),
            "run_id": run_id,
        }
        log = self._archive.layout.dagster_home / "review.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "classface_assets.review.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode())
        process.stdin.close()
        # Somebody must ask for the end of a child, or it stays in the list of processes.
        threading.Thread(target=process.wait, daemon=True).start()
        self._started[run_id] = (order, process, time.time())
        return run_id

    def wait(self, run_id: str, seconds: float) -> RunTold:
        """What is told of a run when it has ended, or when the time is up."""
        end = time.monotonic() + seconds
        while (told := self.run(run_id)).status not in {s.value for s in _ENDED} and time.monotonic() < end:
            time.sleep(0.2)
        return told

    def forget(self, person_id: str) -> tuple[dict[str, Any], str]:
        """Erase a person; returns the receipt, and the id of the run that makes everything anew without them."""
        from classface_assets.forgetting import forget

        try:
            receipt = forget(self._archive, self.instance, person_id)
        except UpkeepError as error:
            raise ProblemError(409, str(error)) from None
        return receipt.told(), self.start(self.assignment())

    def runs(self, page: int, page_size: int) -> tuple[list[RunTold], int]:
        """A page of the runs, last first, and how many there are. What has only just been started comes first."""
        waiting = [told for run_id in reversed(self._started) if (told := self._waiting(run_id)) is not None]
        start, end = (page - 1) * page_size, page * page_size
        records = self.instance.get_run_records(limit=end)
        shown = [*waiting[start:end], *map(self._told, records[max(0, start - len(waiting)) : end - len(waiting)])]
        return shown[:page_size], self.instance.get_runs_count() + len(waiting)

    def run(self, run_id: str) -> RunTold:
        """Raises NotFoundError."""
        waiting = self._waiting(run_id)
        record = self.instance.get_run_record_by_id(run_id)  # asked for last: it may have begun meanwhile
        if record is not None:
            return self._told(record)
        if waiting is None:
            raise NotFoundError("run", run_id)
        return waiting

    def retry(self, run_id: str) -> str:
        """Start once more what a run was to do; what is done already is not done again. Raises ProblemError."""
        record = self.instance.get_run_record_by_id(run_id)
        if record is None:
            raise NotFoundError("run", run_id)
        run = record.dagster_run
        if run.status not in _ENDED:
            release(self.instance)
            run = self.instance.get_run_by_id(run_id) or run
        if run.status not in _ENDED:
            raise ProblemError(409, f"The run {run_id[:8]} is still under way.")
        return self.start(Order(run.job_name, run.tags.get("dagster/partition"), _ops(run.run_config)))

    def _waiting(self, run_id: str) -> RunTold | None:
        """A run that was started and has not told Dagster yet; it takes seconds to begin, or has failed to."""
        if run_id not in self._started or self.instance.has_run(run_id):
            return None
        order, process, when = self._started[run_id]
        code = process.poll()
        status, reason = ("QUEUED", "") if code is None else ("FAILURE", f"it did not begin (exit code {code})")
        return RunTold(run_id, order.job, order.year, status, order.ops, when, None, None, {}, reason, "")

    def _told(self, record: dg.RunRecord) -> RunTold:
        run = record.dagster_run
        return RunTold(
            run.run_id,
            run.job_name,
            run.tags.get("dagster/partition"),
            run.status.value,
            {name: op.get("config", {}) for name, op in _ops(run.run_config).items()},
            record.create_timestamp.timestamp(),
            record.start_time,
            record.end_time,
            self._counts(run.run_id),
            self._reason(run) if run.status == dg.DagsterRunStatus.FAILURE else "",
            f"{os.environ.get('CLASSFACE_DAGSTER_URL', DAGSTER_UI).rstrip('/')}/runs/{run.run_id}",
        )

    def _counts(self, run_id: str) -> dict[str, dict[str, float]]:
        counts: dict[str, dict[str, float]] = {}
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.dagster_event
            told = event.step_materialization_data.materialization if event is not None else None
            if told is not None:
                numbers = {k: v.value for k, v in told.metadata.items() if isinstance(v.value, int | float)}
                counts[told.asset_key.to_user_string()] = {k: float(v) for k, v in numbers.items()}
        return counts

    def _reason(self, run: dg.DagsterRun) -> str:
        failures = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        told = [why_it_failed(e.dagster_event.event_specific_data) for e in failures if e.dagster_event is not None]
        return "; ".join(told) or "it stopped without a reason"


def _ops(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: op for name, op in config.get("ops", {}).items() if name not in _HIDDEN}
