"""Runs jobs in this process, without a daemon: every school year, then the students, then the albums."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.build import definitions_with
from classface_assets.defs.unchanged import ChangeDetector
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.failures import failure_reason
from classface_assets.orchestration.instance import assign_pending_pool_slots, fail_dead_runs, prepare_instance
from classface_assets.orchestration.partitions import school_year_partitions
from classface_assets.orchestration.progress import Progress, ProgressListener, TaskProgress, asset_event_listener
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.identification import IdentificationService
from classface_assets.services.maintenance import SUPERFLUOUS
from classface_assets.services.photos.lost_photos import refuse_lost_photos
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.school_years import PhotosFolderError, year_folders
from classface_assets.store.maintenance.integrity import Inconsistency, repair

SILENT_CONSOLE_LOG = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def stderr_console() -> Console:
    """A console on a copy of this process's error output: Dagster redirects the original one into each step's log.

    Without markup, since names may hold [brackets].
    """
    try:
        stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    except OSError:
        return Console(stderr=True, markup=False, highlight=False)
    return Console(file=stream, markup=False, highlight=False)


def unwrapped_printer(console: Console) -> Callable[[str], None]:
    """Prints sentences without wrapping them at the width of the terminal."""
    return lambda sentence: console.print(sentence, soft_wrap=True)


@dataclass(frozen=True)
class StepFailure:
    """A step that failed.

    Attributes:
        job: Name of the job.
        year: The school year, or `all years`.
        reason: A sentence that says why.
    """

    job: str
    year: str
    reason: str


def progress_bar(console: Console) -> ProgressListener:
    """A progress bar for each long step; nothing where the console is no terminal."""

    @contextmanager
    def listen(progress: TaskProgress) -> Iterator[Callable[[], None]]:
        if not console.is_terminal:
            yield lambda: None
            return
        name, counts = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[counts]}", markup=False)
        columns = (SpinnerColumn(), name, BarColumn(), MofNCompleteColumn(), counts, TimeRemainingColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            task = bars.add_task(progress.label, total=progress.total, counts="")
            yield lambda: bars.update(task, completed=progress.done, counts=progress.counts)

    return listen


class PipelineRunner:
    """The jobs of one archive, run in this process and recorded in its Dagster instance."""

    def __init__(self, instance: dg.DagsterInstance, archive: Archive, models: Models, console: Console) -> None:
        resources = {
            "archive": archive,
            "models": models,
            "progress": Progress((progress_bar(console), asset_event_listener())),
        }
        self.definitions, self.instance = definitions_with(resources), instance
        self.archive, self.models = archive, models

    def run(
        self, years: Sequence[str], report: Callable[[str], None], photos_are_gone: bool = False
    ) -> list[StepFailure]:
        """Run everything for these school years but what is unchanged. After a year that fails the others go on.

        Args:
            years: The school years.
            report: Called with a sentence for each step.
            photos_are_gone: Whether most photos may be missing.

        Returns:
            The steps that failed.

        Raises:
            LostPhotosError: Most known photos are gone, and that is not on purpose; nothing was done.
        """
        self.instance.add_dynamic_partitions(str(school_year_partitions.name), list(years))
        before = ChangeDetector(self.archive, self.models, self.instance)
        unchanged = before.years(years)
        if not photos_are_gone and len(unchanged) < len(years):
            refuse_lost_photos(self.archive.layout)
        if unchanged:
            report(f"Nothing is new in {_years_phrase(len(unchanged), len(years))}.")
        failures = []
        for year in years:
            if year not in unchanged:
                report(f"{year}: files, faces, vectors")
                failed = self.run_job("ingest_year", year, _images_config(photos_are_gone))
                failures += failed
                if not failed:
                    before.record_year(year)
        failed = self._run_students(report)
        return [*failures, *failed, *([] if failed else self._run_albums(years, report))]

    def _run_students(self, report: Callable[[str], None]) -> list[StepFailure]:
        """Run `identify` over all school years, unless nothing changed."""
        current = ChangeDetector(self.archive, self.models, self.instance)
        if current.students():
            return []
        report("all years: students")
        failures = self.run_job("identify")
        if not failures:
            current.record_students()
        return failures

    def _run_albums(self, years: Sequence[str], report: Callable[[str], None]) -> list[StepFailure]:
        """Run the albums of these school years, and the pages over all years, without those that are unchanged."""
        failures, current = [], ChangeDetector(self.archive, self.models, self.instance)
        unchanged = current.albums(years)
        for year in years:
            if year not in unchanged:
                report(f"{year}: album")
                failures += self.run_job("year_album", year)
        if not current.site():
            report("all years: index and reports")
            failures += self.run_job("school_site")
        return failures

    def run_job(
        self,
        name: str,
        year: str | None = None,
        ops: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> list[StepFailure]:
        """Run one job.

        Args:
            name: Of the job.
            year: The school year, for a job of yearly assets.
            ops: Run config of the assets.
            run_id: Of the run; None for a new one.
            tags: Of the run.

        Returns:
            The steps and blocking checks that failed.
        """
        job = self.definitions.resolve_job_def(name)
        outcome = job.execute_in_process(
            run_config={**SILENT_CONSOLE_LOG, "ops": dict(ops or {})},
            instance=self.instance,
            partition_key=year,
            raise_on_error=False,
            run_id=run_id,
            tags=tags,
        )
        assign_pending_pool_slots(self.instance)
        if outcome.success:
            return []
        reasons = [failure_reason(e.step_failure_data) for e in outcome.all_events if e.is_step_failure]
        return [StepFailure(name, year or "all years", reason) for reason in reasons or ["it stopped without a reason"]]


def _years_phrase(some: int, of_all: int) -> str:
    what = "1 school year" if of_all == 1 else f"{of_all:,} school years"
    return what if some == of_all else f"{some:,} of {what}"


def _images_config(photos_are_gone: bool) -> dict[str, Any]:
    return {"images": {"config": {"photos_are_gone": True}}} if photos_are_gone else {}


def select_years(layout: ArchiveLayout, years_option: str | None) -> list[str]:
    """The school years to run.

    Args:
        layout: The archive.
        years_option: A comma-separated list. None: all that have a folder, and those that had one, so that their
            photos drop out of the albums.

    Raises:
        PhotosFolderError: A year has no folder, or there is none at all.
    """
    folders = year_folders(layout)
    if not folders:
        raise PhotosFolderError(f"There is nothing in {layout.photos}; put one folder per school year into it.")
    if years_option is None:
        return sorted({*folders, *list_school_years(layout)})
    years = [years_option] if years_option in folders else [year.strip() for year in years_option.split(",")]
    unknown = [year for year in years if year not in folders]
    if unknown:
        raise PhotosFolderError(
            f"There is no folder for {', '.join(unknown)} in {layout.photos}; there are: {', '.join(folders)}."
        )
    return years


def run_identification(
    service: IdentificationService,
    settings: Mapping[str, object],
    *,
    use_head: bool = True,
    training: Mapping[str, object] | None = None,
    command: str = "classface run",
) -> list[str]:
    """Cluster and name all faces in a Dagster run, and publish. Waits for other commands that run the archive.

    Args:
        service: With the archive and the model pack.
        settings: Run config of the assignment, by key; those that are None are left out.
        use_head: Whether a promoted projection head is used.
        training: Run config of the head's training, by key; those that are None are left out.
        command: Shown to other commands that wait for this one.

    Returns:
        Why steps failed, a sentence each.
    """
    archive = service.archive
    service.require_published()
    given = {name: value for name, value in settings.items() if value is not None}
    ops = {
        "cluster_assignments": {"config": given},
        "identities": {"config": {**given, "use_head": use_head}},
        "projection_head": {"config": {k: v for k, v in (training or {}).items() if v is not None}},
    }
    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, command, unwrapped_printer(console)):
        fail_dead_runs(instance)
        failures = PipelineRunner(instance, archive, service.models, console).run_job("identify", ops=ops)
    return [failure.reason for failure in failures]


def repair_and_rerun(
    runner: PipelineRunner, found: Sequence[Inconsistency], report: Callable[[str], None]
) -> list[StepFailure]:
    """Remove what is inconsistent, then run the school years that lack something, the students and the albums.

    Args:
        runner: Of the archive.
        found: What is inconsistent.
        report: Called with a sentence for each step.

    Returns:
        The steps that failed.
    """
    repair(found)
    lacking = [one for one in found if one.kind not in SUPERFLUOUS]
    return runner.run(sorted({one.year for one in lacking} - {""}), report) if lacking else []
