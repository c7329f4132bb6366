"""The whole chain without a daemon: every school year, then what is one for all years, then the albums."""

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
from classface_assets.services.working_set import clear_catalog_cache
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.school_years import PhotosFolderError, year_folders
from classface_assets.store.maintenance.integrity import Inconsistency, repair

SILENT_CONSOLE_LOG = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def stderr_console() -> Console:
    """A console on this process's error output that Dagster leaves alone: it takes the original one into each step's
    log. Names may hold [brackets]: they are no markup."""
    try:
        stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    except OSError:
        return Console(stderr=True, markup=False, highlight=False)
    return Console(file=stream, markup=False, highlight=False)


def unwrapped_printer(console: Console) -> Callable[[str], None]:
    """Prints a sentence without breaking it where the terminal, or what stands for it in a log, ends."""
    return lambda sentence: console.print(sentence, soft_wrap=True)


@dataclass(frozen=True)
class StepFailure:
    """A step that failed: which job, which school year, and the sentence that says why."""

    job: str
    year: str
    reason: str


def progress_bar(console: Console) -> ProgressListener:
    """A bar in the terminal for each long step; silent where there is no terminal."""

    @contextmanager
    def listen(meter: TaskProgress) -> Iterator[Callable[[], None]]:
        if not console.is_terminal:
            yield lambda: None
            return
        name, counts = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[counts]}", markup=False)
        columns = (SpinnerColumn(), name, BarColumn(), MofNCompleteColumn(), counts, TimeRemainingColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            task = bars.add_task(meter.label, total=meter.total, counts="")
            yield lambda: bars.update(task, completed=meter.done, counts=meter.counts)

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
        self, years: Sequence[str], tell: Callable[[str], None], photos_are_gone: bool = False
    ) -> list[StepFailure]:
        """Everything for these years, but for what is unchanged. A year that fails is told and passed over; the rest
        goes on.

        Raises LostPhotosError, before anything is done, when most known photos are gone, unless that is meant.
        """
        self.instance.add_dynamic_partitions(str(school_year_partitions.name), list(years))
        before = ChangeDetector(self.archive, self.models, self.instance)
        unchanged = before.years(years)
        if not photos_are_gone and len(unchanged) < len(years):
            refuse_lost_photos(self.archive.layout)
        if unchanged:
            tell(f"Nothing is new in {_years_phrase(len(unchanged), len(years))}.")
        stopped = []
        for year in years:
            if year not in unchanged:
                tell(f"{year}: files, faces, vectors")
                failed = self.job("ingest_year", year, _images_config(photos_are_gone))
                stopped += failed
                if not failed:
                    before.record_year(year)
        in_the_way = self._run_students(tell)
        return [*stopped, *in_the_way, *([] if in_the_way else self._run_albums(years, tell))]

    def _run_students(self, tell: Callable[[str], None]) -> list[StepFailure]:
        """Who is who over all school years, unless that is unchanged."""
        now = ChangeDetector(self.archive, self.models, self.instance)
        if now.students():
            return []
        tell("all years: students")
        stopped = self.job("identify")
        clear_catalog_cache()
        if not stopped:
            now.record_students()
        return stopped

    def _run_albums(self, years: Sequence[str], tell: Callable[[str], None]) -> list[StepFailure]:
        """The albums of these school years, and the pages over all; without those that are unchanged."""
        stopped, now = [], ChangeDetector(self.archive, self.models, self.instance)
        unchanged = now.albums(years)
        for year in years:
            if year not in unchanged:
                tell(f"{year}: album")
                stopped += self.job("year_album", year)
        if not now.site():
            tell("all years: index and reports")
            stopped += self.job("school_site")
        return stopped

    def job(
        self,
        name: str,
        year: str | None = None,
        ops: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> list[StepFailure]:
        """Run one job, with this config of its assets; empty when all its steps and blocking checks succeeded."""
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


def select_years(layout: ArchiveLayout, wanted: str | None) -> list[str]:
    """The school years to run: all that have a folder or had one, or those of a comma-separated list.

    A year whose folder is gone is run too, so that its photos drop out of the albums.
    Raises PhotosFolderError for a year without a folder, or when there is none at all.
    """
    there = year_folders(layout)
    if not there:
        raise PhotosFolderError(f"There is nothing in {layout.photos}; put one folder a school year into it.")
    if wanted is None:
        return sorted({*there, *list_school_years(layout)})
    years = [wanted] if wanted in there else [year.strip() for year in wanted.split(",")]
    unknown = [year for year in years if year not in there]
    if unknown:
        raise PhotosFolderError(
            f"There is no folder for {', '.join(unknown)} in {layout.photos}; there are: {', '.join(there)}."
        )
    return years


def run_identification(
    work: IdentificationService,
    settings: Mapping[str, object],
    *,
    use_head: bool = True,
    command: str = "classface run",
) -> list[str]:
    """Groups and names all faces in a Dagster run with these settings, and publishes; why it stopped, if it did.

    Other runs of the archive are waited for; they are told of this one as `command`.
    """
    archive = work.archive
    work.published()
    given = {name: value for name, value in settings.items() if value is not None}
    ops = {
        "cluster_assignments": {"config": given},
        "identities": {"config": {**given, "use_head": use_head}},
    }
    console = stderr_console()
    instance, _ = prepare_instance(archive.layout)
    with instance, archive_lock(archive.layout, command, unwrapped_printer(console)):
        fail_dead_runs(instance)
        stopped = PipelineRunner(instance, archive, work.models, console).job("identify", ops=ops)
    clear_catalog_cache()
    return [stop.reason for stop in stopped]


def repair_and_rerun(
    chain: PipelineRunner, found: Sequence[Inconsistency], tell: Callable[[str], None]
) -> list[StepFailure]:
    """Take out what is broken, and run the school years that lack something now, then what is one for all years."""
    repair(found)
    lacking = [one for one in found if one.kind not in SUPERFLUOUS]
    return chain.run(sorted({one.year for one in lacking} - {""}), tell) if lacking else []
