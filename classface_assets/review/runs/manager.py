"""The Dagster runs of an archive: starting, retrying and listing them, and erasing a person.

Besides `records` the only module of the review server that imports Dagster.
"""

import functools
import importlib
import itertools
import subprocess
import threading
import time
import uuid
from typing import Any

import dagster as dg

from classface_assets.core.languages import gettext
from classface_assets.defs.identity.config import AssignmentConfig
from classface_assets.orchestration.archive_lock import ArchiveLockedError
from classface_assets.orchestration.instance import RunInProgressError, fail_dead_runs, open_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import years_of_run
from classface_assets.orchestration.settings.archive_names import HOST_TAG, names_of
from classface_assets.orchestration.updates.record import UPDATE_TAG
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.review.runs.launcher import COMMAND, RunSpec, launch
from classface_assets.review.runs.records import RunSummary, op_configs, summarize_runs
from classface_assets.store.erasure.receipt import ErasureReceipt

MAX_CONCURRENT_RUNS = 4
RECORDS_AT_ONCE = 100
_FINAL_STATUSES = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


class RunManager:
    """The runs of one archive. Runs that this server started are listed before Dagster has recorded them."""

    def __init__(self, archive: Archive, models: Models) -> None:
        self._archive, self._models = archive, models
        self._names = names_of(archive.layout)
        self._lock = threading.Lock()
        self._started: dict[str, tuple[RunSpec, subprocess.Popen[bytes], float]] = {}

    @functools.cached_property
    def instance(self) -> dg.DagsterInstance:
        """The archive's Dagster instance."""
        with self._lock:
            return open_instance(self._archive.layout)

    def import_storage(self) -> None:
        """Import the hundreds of modules with which Dagster's records are opened; nothing is opened yet."""
        importlib.import_module("dagster._core.storage.sqlite_storage")

    def warm_up(self) -> None:
        """Open Dagster's storage, which takes longer the first time, and end the runs that were killed with a server.

        Such a run, as of a container that is started again, would hold its place in Dagster: other runs would wait for
        it until somebody starts one here. Runs that bear no machine's name may be of another container.
        """
        fail_dead_runs(self.instance, self._names, lambda run: HOST_TAG in run.tags)
        self.runs(1, 1)

    def assignment_spec(self, **settings: Any) -> RunSpec:
        """The job that computes the identities of all years.

        Args:
            settings: Settings of the assignment; those that are None keep their calibrated values.

        Raises:
            ProblemError: The assignment has no such setting.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        unknown = sorted(given.keys() - AssignmentConfig.model_fields.keys())
        if unknown:
            raise ProblemError(422, f"The assignment has no setting {', '.join(unknown)}.")
        config = {"config": given}
        return RunSpec("identify", ops={"cluster_assignments": config, "identities": config} if given else {})

    def training_spec(self, **settings: Any) -> RunSpec:
        """The same job, with settings of the projection head's training."""
        return RunSpec("identify", ops={"projection_head": {"config": settings}})

    def start(self, spec: RunSpec) -> str:
        """Start a run in a process of its own.

        Returns:
            The id of the run.

        Raises:
            ProblemError: MAX_CONCURRENT_RUNS processes that were started here are still running.
        """
        self._require_free_process()
        run_id = str(uuid.uuid4())
        process = launch(spec, run_id, self._archive, self._models)
        self._started[run_id] = (spec, process, time.time())
        return run_id

    def wait(self, run_id: str, seconds: float) -> RunSummary:
        """The run when it has ended, or when the time is up."""
        end = time.monotonic() + seconds
        final = {status.value for status in _FINAL_STATUSES}
        while (run := self.run(run_id)).status not in final and time.monotonic() < end:
            time.sleep(0.2)
        return run

    def erase(self, person_id: str) -> tuple[ErasureReceipt, str]:
        """Erase a person and start the run that recomputes the identities without them.

        Returns:
            The receipt, and the id of the run.

        Raises:
            ProblemError: A run is under way, or the one after the erasure could not be started; nothing is erased then.
        """
        from classface_assets.services.erasure import erase_person

        self._require_free_process()
        try:
            receipt = erase_person(self._archive, self.instance, person_id)
        except (ArchiveLockedError, RunInProgressError) as error:
            raise ProblemError(409, str(error)) from None
        return receipt, self.start(self.assignment_spec())

    def runs(self, page: int, page_size: int) -> tuple[list[RunSummary], int]:
        """A page of the runs, newest first, and the number of all runs."""
        pending = [run for run_id in reversed(self._started) if (run := self._pending(run_id)) is not None]
        start, end = (page - 1) * page_size, page * page_size
        recorded = self._names.run_records(self.instance)
        records = list(itertools.islice(recorded, max(0, start - len(pending)), max(0, end - len(pending))))
        on_page = [*pending[start:end], *summarize_runs(self.instance, records)]
        return on_page, self._names.count_runs(self.instance) + len(pending)

    def updates(self, before: str, most: int) -> tuple[list[list[RunSummary]], str]:
        """The runs, newest first, those of one update together.

        Args:
            before: The id of a run: only those that were created before it; "" for the newest.
            most: So many updates at most, where a run on its own counts as one.

        Returns:
            The runs of each update, newest first; and the id to go on with, "" at the end.
        """
        pending = [run for run_id in reversed(self._started) if (run := self._pending(run_id)) is not None]
        groups: dict[str, list[dg.RunRecord]] = {}
        cursor, last = before or None, ""
        while len(groups) <= most:
            records = list(itertools.islice(self._names.run_records(self.instance, cursor=cursor), RECORDS_AT_ONCE))
            for record in records:
                dagster_run = record.dagster_run
                key = dagster_run.tags.get(UPDATE_TAG) or dagster_run.run_id
                if key not in groups and len(groups) == most:
                    return self._summarized(pending if not before else [], groups), last
                groups.setdefault(key, []).append(record)
                last = dagster_run.run_id
            if len(records) < RECORDS_AT_ONCE:
                break
            cursor = last
        return self._summarized(pending if not before else [], groups), ""

    def _summarized(self, pending: list[RunSummary], groups: dict[str, list[dg.RunRecord]]) -> list[list[RunSummary]]:
        """The summaries of runs that did not begin yet, one each, and of these groups."""
        by_id = {
            run.run_id: run
            for run in summarize_runs(self.instance, [one for group in groups.values() for one in group])
        }
        recorded = [[by_id[record.dagster_run.run_id] for record in group] for group in groups.values()]
        return [*([run] for run in pending), *recorded]

    def run(self, run_id: str) -> RunSummary:
        """One run.

        Raises:
            NotFoundError: There is no such run.
        """
        pending = self._pending(run_id)
        record = self._record(run_id)  # read last: the run may have begun meanwhile
        if record is not None:
            return summarize_runs(self.instance, [record])[0]
        if pending is None:
            raise NotFoundError("run", run_id)
        return pending

    def retry(self, run_id: str) -> str:
        """Start the job of a run again; what is up to date already is skipped.

        Returns:
            The id of the new run.

        Raises:
            NotFoundError: There is no such run.
            ProblemError: The run is still under way.
        """
        record = self._record(run_id)
        if record is None:
            return self.start(self._spec_of_failed_start(run_id))
        run = record.dagster_run
        if run.status not in _FINAL_STATUSES:
            fail_dead_runs(self.instance, self._names)
            run = self.instance.get_run_by_id(run_id) or run
        if run.status not in _FINAL_STATUSES:
            raise ProblemError(409, gettext("The run %(run)s is still running.", run=run_id[:8]))
        first, last = years_of_run(run.tags) or (None, None)
        return self.start(RunSpec(run.job_name, first, op_configs(run), last))

    def _record(self, run_id: str) -> dg.RunRecord | None:
        """What Dagster has recorded of a run; None where it is none of this archive."""
        record = self.instance.get_run_record_by_id(run_id)
        return record if record is not None and self._names.owns_run(record.dagster_run) else None

    def _require_free_process(self) -> None:
        running = sum(process.poll() is None for _, process, _ in list(self._started.values()))
        if running >= MAX_CONCURRENT_RUNS:
            raise ProblemError(
                409,
                gettext(
                    "%(number)s runs that were started here are still running; wait for one of them.", number=running
                ),
            )

    def _spec_of_failed_start(self, run_id: str) -> RunSpec:
        """What a run was to do whose process ended before Dagster recorded it."""
        pending = self._pending(run_id)
        if pending is None:
            raise NotFoundError("run", run_id)
        if pending.status == "QUEUED":
            raise ProblemError(409, gettext("The run %(run)s is about to start.", run=run_id[:8]))
        return self._started[run_id][0]

    def _pending(self, run_id: str) -> RunSummary | None:
        """A run that was started here and that Dagster has not recorded yet, or never will as its start failed."""
        if run_id not in self._started or self.instance.has_run(run_id):
            return None
        spec, process, created_at = self._started[run_id]
        code = process.poll()
        return RunSummary(
            run_id=run_id,
            job=spec.job,
            school_year=spec.year,
            status="QUEUED" if code is None else "FAILURE",
            parameters=spec.ops,
            created_at=created_at,
            started_at=None,
            ended_at=None,
            counts={},
            reason="" if code is None else gettext("the run did not start (exit code %(code)s)", code=code),
            url="",
            started_by=COMMAND,
            pack=self._models.pack,
            photos_folder=str(self._archive.layout.photos),
            data_folder=str(self._archive.layout.data),
        )
