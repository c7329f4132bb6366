"""The Dagster runs of an archive: starting them, doing again what stopped, and telling what became of them.

Beside run_records the one module of the room that knows Dagster. Their processes are started in orders.
"""

import functools
import subprocess
import threading
import time
import uuid
from typing import Any

import dagster as dg

from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.orchestration.archive_lock import ArchiveLockedError
from classface_assets.orchestration.instance import RunInProgressError, fail_dead_runs, open_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.review.runs.launcher import RunSpec, launch
from classface_assets.review.runs.records import RunSummary, op_configs, summarize_runs

MAX_CONCURRENT_RUNS = 4
_FINAL_STATUSES = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


class RunManager:
    """The runs of one archive."""

    def __init__(self, archive: Archive, models: Models) -> None:
        self._archive, self._models = archive, models
        self._lock = threading.Lock()
        self._started: dict[str, tuple[RunSpec, subprocess.Popen[bytes], float]] = {}

    @functools.cached_property
    def instance(self) -> dg.DagsterInstance:
        with self._lock:
            return open_instance(self._archive.layout)

    def get_ready(self) -> None:
        """Open Dagster's records, which takes longer the first time."""
        self.runs(1, 1)

    def assignment(self, **given: Any) -> RunSpec:
        """Everything that is one for all years, with these settings; what is None stays as it was measured.

        Raises ProblemError for a setting that the assignment does not have.
        """
        wanted = {name: value for name, value in given.items() if value is not None}
        unknown = sorted(wanted.keys() - AssignmentConfig.model_fields.keys())
        if unknown:
            raise ProblemError(422, f"The assignment has no setting {', '.join(unknown)}.")
        config = {"config": wanted}
        return RunSpec("identify", ops={"cluster_assignments": config, "identities": config} if wanted else {})

    def training(self, **given: Any) -> RunSpec:
        """The same, with these settings of the head."""
        return RunSpec("identify", ops={"projection_head": {"config": given}})

    def start(self, order: RunSpec) -> str:
        """Start a run in a process of its own; returns its id. Raises ProblemError when enough of them are at work."""
        if sum(process.poll() is None for _, process, _ in list(self._started.values())) >= MAX_CONCURRENT_RUNS:
            raise ProblemError(
                409, f"{MAX_CONCURRENT_RUNS} runs that were started here are still under way; wait for one of them."
            )
        run_id = str(uuid.uuid4())
        process = launch(order, run_id, self._archive, self._models)
        self._started[run_id] = (order, process, time.time())
        return run_id

    def wait(self, run_id: str, seconds: float) -> RunSummary:
        """What is told of a run when it has ended, or when the time is up."""
        end = time.monotonic() + seconds
        while (told := self.run(run_id)).status not in {s.value for s in _FINAL_STATUSES} and time.monotonic() < end:
            time.sleep(0.2)
        return told

    def forget(self, person_id: str) -> tuple[dict[str, Any], str]:
        """Erase a person; returns the receipt, and the id of the run that makes everything anew without them."""
        from classface_assets.services.erasure import erase_person

        try:
            receipt = erase_person(self._archive, self.instance, person_id)
        except (ArchiveLockedError, RunInProgressError) as error:
            raise ProblemError(409, str(error)) from None
        return receipt.to_json(), self.start(self.assignment())

    def runs(self, page: int, page_size: int) -> tuple[list[RunSummary], int]:
        """A page of the runs, last first, and how many there are. What has only just been started comes first."""
        waiting = [told for run_id in reversed(self._started) if (told := self._waiting(run_id)) is not None]
        start, end = (page - 1) * page_size, page * page_size
        records = self.instance.get_run_records(limit=end)[max(0, start - len(waiting)) : max(0, end - len(waiting))]
        shown = [*waiting[start:end], *summarize_runs(self.instance, records)]
        return shown, self.instance.get_runs_count() + len(waiting)

    def run(self, run_id: str) -> RunSummary:
        """Raises NotFoundError."""
        waiting = self._waiting(run_id)
        record = self.instance.get_run_record_by_id(run_id)  # asked for last: it may have begun meanwhile
        if record is not None:
            return summarize_runs(self.instance, [record])[0]
        if waiting is None:
            raise NotFoundError("run", run_id)
        return waiting

    def retry(self, run_id: str) -> str:
        """Start once more what a run was to do; what is done already is not done again. Raises ProblemError."""
        record = self.instance.get_run_record_by_id(run_id)
        if record is None:
            return self.start(self._not_begun(run_id))
        run = record.dagster_run
        if run.status not in _FINAL_STATUSES:
            fail_dead_runs(self.instance)
            run = self.instance.get_run_by_id(run_id) or run
        if run.status not in _FINAL_STATUSES:
            raise ProblemError(409, f"The run {run_id[:8]} is still under way.")
        return self.start(RunSpec(run.job_name, run.tags.get("dagster/partition"), op_configs(run)))

    def _not_begun(self, run_id: str) -> RunSpec:
        """What a run was to do whose process ended before it told Dagster. Raises ProblemError."""
        waiting = self._waiting(run_id)
        if waiting is None:
            raise NotFoundError("run", run_id)
        if waiting.status == "QUEUED":
            raise ProblemError(409, f"The run {run_id[:8]} is about to begin.")
        return self._started[run_id][0]

    def _waiting(self, run_id: str) -> RunSummary | None:
        """A run that was started and has not told Dagster yet; it takes seconds to begin, or has failed to."""
        if run_id not in self._started or self.instance.has_run(run_id):
            return None
        order, process, when = self._started[run_id]
        code = process.poll()
        status, reason = ("QUEUED", "") if code is None else ("FAILURE", f"it did not begin (exit code {code})")
        return RunSummary(run_id, order.job, order.year, status, order.ops, when, None, None, {}, reason, "")
