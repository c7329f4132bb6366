"""Runs jobs in this process, without a daemon: every school year, then the students, then the albums."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl
from rich.console import Console

from classface_assets.core.faces.photo_reasons import reason_sentence
from classface_assets.core.languages import sentence
from classface_assets.core.schemas import PhotoStatus
from classface_assets.defs.automation import GLOBAL_ASSETS
from classface_assets.defs.runner.console import console_log, progress_bar
from classface_assets.defs.runner.origin import origin_tags, record_origin, repository_origin
from classface_assets.defs.runner.steps import NO_OPTIONS, IngestOptions, StepFailure, step_failures
from classface_assets.defs.unchanged import NONE_CHECKED, ChangeDetector
from classface_assets.orchestration.batches.ray.config import RayConfig
from classface_assets.orchestration.failures import no_reason
from classface_assets.orchestration.instance import assign_pending_pool_slots
from classface_assets.orchestration.progress import Progress, asset_event_listener
from classface_assets.orchestration.records.repaired_files import (
    AlbumRepair,
    repair_after_a_failure,
    repair_before_a_run,
)
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import range_tags, ranges_of
from classface_assets.orchestration.settings.archive_names import host_tags, names_of
from classface_assets.orchestration.updates.record import UPDATE_TAG, new_update_id
from classface_assets.orchestration.updates.recorder import UpdateRecorder
from classface_assets.services.photos.lost_photos import refuse_lost_photos
from classface_assets.store.catalog.school_year import year_images
from classface_assets.store.files.duckdb import DatabaseError
from classface_assets.store.files.parquet import DamagedFileError

MOST_FIRST_ALBUMS = 3
"""So few albums of changed school years are made before all others are compared."""


class PipelineRunner:
    """The jobs of one archive, run in this process and recorded in its Dagster instance."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        archive: Archive,
        models: Models,
        console: Console,
        recorder: UpdateRecorder | None = None,
    ) -> None:
        """Prepare the resources and the tags of the runs.

        Args:
            instance: Where the runs are recorded.
            archive: The archive.
            models: The model pack.
            console: Shows a progress bar where it is a terminal.
            recorder: Writes the record of the update that these runs are; None for runs that are no update.
        """
        listeners = [progress_bar(console), asset_event_listener(), *([recorder.listen] if recorder else [])]
        self._resources = {"archive": archive, "models": models, "progress": Progress(listeners, self._enter_year)}
        self.instance = instance
        self.archive, self.models, self.recorder = archive, models, recorder
        self._on_year: Callable[[str, str], None] | None = None
        self._album_repair: AlbumRepair | None = None
        layout = archive.layout
        self._names = names_of(layout)
        self._origin = repository_origin(instance, self._names)
        self.tags = {
            UPDATE_TAG: recorder.record.update_id if recorder else new_update_id(),
            "classface/by": recorder.record.command if recorder else "classface",
            "classface/pack": models.pack,
            "classface/photos": str(layout.photos),
            "classface/data": str(layout.data),
            **self._names.tags,
            **host_tags(instance),
            **origin_tags(self._origin),
        }

    @cached_property
    def definitions(self) -> dg.Definitions:
        """Every asset, check and job. They take a second to import, and a run that finds nothing new needs none."""
        from classface_assets.defs.loading.build import definitions_with

        return definitions_with(self._resources)

    def run(
        self, years: Sequence[str], report: Callable[[str], None], options: IngestOptions = NO_OPTIONS
    ) -> list[StepFailure]:
        """Run everything for these school years but what is unchanged. After a year that fails the others go on.

        What is damaged is reported, and made again: before anything is run, and once more where something failed.

        Args:
            years: The school years.
            report: Called with a sentence for each step.
            options: What the run is to do with photos.

        Returns:
            The steps that failed.

        Raises:
            LostPhotosError: Most known photos are gone, and that is not on purpose; nothing was done.
            LostLedgerError: The ledger is not the one that the archive knows; nothing was done.
        """
        self.archive.synchronize()
        self.archive.open_ledger().require_known()
        self.instance.add_dynamic_partitions(self._names.school_years_name, list(years))
        layout = self.archive.layout
        albums = self._album_repair = repair_before_a_run(layout, report)
        try:
            failures = self._run_repairing(years, report, options)
            if self._album_repair:  # nobody else has looked at all files since
                _ = albums.intact
            return failures
        finally:
            albums.stop()
            self.archive.share()

    def _run_repairing(
        self, years: Sequence[str], report: Callable[[str], None], options: IngestOptions
    ) -> list[StepFailure]:
        layout = self.archive.layout
        try:
            failures = self._run_everything(years, report, options)
        except (DamagedFileError, DatabaseError):
            if not repair_after_a_failure(layout, report):
                raise
        else:
            if not any(one.may_be_damage for one in failures) or not repair_after_a_failure(layout, report):
                return failures
        if self._album_repair:
            self._album_repair.stop()
            self._album_repair = None
        if self.recorder:
            self.recorder.step_failed = False  # what failed is tried again
        return self._run_everything(years, report, options)

    def _run_everything(
        self, years: Sequence[str], report: Callable[[str], None], options: IngestOptions
    ) -> list[StepFailure]:
        before = ChangeDetector(self.archive, self.models, self.instance)
        unchanged = set() if options.detection else before.years(years)
        changed = [year for year in years if year not in unchanged]
        new_photos = before.new_photos(changed)
        if self.recorder:
            self.recorder.begin(changed, new_photos)
        if not options.photos_are_gone and len(unchanged) < len(years):
            refuse_lost_photos(self.archive.layout, unchanged=unchanged)
        if unchanged:
            report(f"Nothing is new in {_years_phrase(len(unchanged), len(years))}.")
        with self._loading_models(new_photos if changed else 0):
            failures = self._ingest(changed, report, options)
        current = ChangeDetector(self.archive, self.models, self.instance)
        if current.students():
            return [*failures, *self._run_albums(years, report, changed)]
        with self.archive.publishing("classface run", report) as is_changed:
            is_done = is_changed and ChangeDetector(self.archive, self.models, self.instance).students()
            failed = [] if is_done else self._run_students(report)
        if failed:
            return [*failures, *failed]
        failures += self._run_albums(years, report, changed)
        # Nobody has to wait with their albums for figures, and no album for lack of them.
        failed = self._run_figures(report)
        if not failed:
            current.record_students()
        return [*failures, *failed]

    def _loading_models(self, new_photos: int | None) -> AbstractContextManager[None]:
        """A context that loads the models from its beginning on, where this process will search photos."""
        if new_photos == 0 or RayConfig().ray is not None:
            return nullcontext()
        _ = self.definitions  # no two threads import at once what imports one another
        return self.models.loading_ahead(self.archive.layout)

    def _ingest(self, years: Sequence[str], report: Callable[[str], None], options: IngestOptions) -> list[StepFailure]:
        """Run the ingest of these school years, those that follow one another in one run."""
        failures = []
        with self._reporting_years("detections", lambda year: f"{year}: files, faces, vectors", report, years):
            for some in ranges_of(self.instance, years, self._names):
                failures += self.run_job("ingest_year", some, options.ops())
                for year in some:
                    self._record_unreadable(year)
        return failures

    @contextmanager
    def _reporting_years(
        self, asset: str, sentence: Callable[[str], str], report: Callable[[str], None], years: Sequence[str] = ()
    ) -> Iterator[None]:
        """Within it a sentence is reported of each school year with which a step of this asset begins.

        Args:
            asset: The asset.
            sentence: Of a school year.
            report: Called with it.
            years: Where the place of a school year among them says how many are through.
        """

        def on_year(step: str, year: str) -> None:
            if step == asset:
                self._report(report, sentence(year), years.index(year) if year in years else None)

        self._on_year = on_year
        try:
            yield
        finally:
            self._on_year = None

    def _enter_year(self, asset: str, year: str) -> None:
        if self._on_year:
            self._on_year(asset, year)

    def _run_students(self, report: Callable[[str], None]) -> list[StepFailure]:
        """Run `identify` over all school years, but for the figures."""
        self._report(report, "all years: students", len(self.recorder.record.years) if self.recorder else None)
        return self.run_job("identify", assets=GLOBAL_ASSETS)

    def _run_figures(self, report: Callable[[str], None]) -> list[StepFailure]:
        self._report(report, "all years: how well people are recognised")
        return self.run_job("evaluate")

    def _run_albums(
        self, years: Sequence[str], report: Callable[[str], None], changed: Sequence[str]
    ) -> list[StepFailure]:
        """Run the albums of these school years, and the pages over all years, without those that are unchanged.

        Those of years of which files changed come first: for these somebody waits. Where they are few, they are made
        before all others are compared with what they were made of.
        """
        failures, failed, current = [], [], ChangeDetector(self.archive, self.models, self.instance)
        intact = self._album_repair.intact if self._album_repair else NONE_CHECKED  # before anything is written
        few = changed if len(changed) <= MOST_FIRST_ALBUMS and set(changed) < set(years) else ()
        with self._reporting_years("albums", lambda year: f"{year}: album", report):
            first = ranges_of(self.instance, [year for year in few if not current.album(year)], self._names)
            for some in first:
                failures += self.run_job("year_album", some)
            others = [year for year in years if year not in few]
            unchanged = current.albums(others, intact)
            ranges = ranges_of(self.instance, [year for year in others if year not in unchanged], self._names)
            ranges.sort(key=lambda some: not set(changed).intersection(some))
            for some in ranges:
                failed = self.run_job("all_albums" if some == ranges[-1] else "year_album", some)
                failures += failed
        is_made = bool(ranges) and not failed  # the last run made the pages over all years too
        if not is_made and (first or not current.site()):
            self._report(report, "all years: index and reports")
            failures += self.run_job("school_site")
        return failures

    def _report(self, report: Callable[[str], None], sentence: str, years_done: int | None = None) -> None:
        report(sentence)
        if self.recorder:
            self.recorder.enter_stage(sentence, years_done)

    def _record_unreadable(self, year: str) -> None:
        """Record which files of a school year could not be read, for who watches the update."""
        if self.recorder:
            files = year_images(self.archive.layout, year).filter(pl.col("status") == PhotoStatus.UNREADABLE)
            rows = files.select("path", "reason").rows()
            self.recorder.add_problems(
                [sentence("%(what)s: %(reason)s", what=path, reason=reason_sentence(reason)) for path, reason in rows]
            )

    def run_job(
        self,
        name: str,
        years: str | Sequence[str] | None = None,
        ops: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        assets: Sequence[str] = (),
    ) -> list[StepFailure]:
        """Run one job.

        Args:
            name: Of the job.
            years: The school year, for a job of yearly assets, or several that follow one another in Dagster's order.
            ops: Run config of the assets.
            run_id: Of the run; None for a new one.
            tags: Of the run.
            assets: Those of the job's assets that are run; without any, all.

        Returns:
            The steps and blocking checks that failed.
        """
        some = [years] if isinstance(years, str) else list(years or ())
        job = self.definitions.resolve_job_def(name)
        outcome = job.execute_in_process(
            run_config={**console_log(), "ops": dict(ops or {})},
            instance=self.instance,
            raise_on_error=False,
            run_id=run_id,
            tags={**self.tags, **(tags or {}), **(range_tags(some) if some else {})},
            asset_selection=self._names.asset_keys(assets) or None,
        )
        record_origin(self.instance, outcome.run_id, self._origin)
        assign_pending_pool_slots(self.instance)
        if outcome.success:
            return []
        failed = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
        where = _span_of_years(some)
        failures = list(dict.fromkeys(one for data in failed for one in step_failures(name, where, data))) or [
            StepFailure(name, where, no_reason())
        ]
        if self.recorder:
            self.recorder.add_failures(
                [sentence("%(what)s: %(reason)s", what=one.year, reason=one.reason) for one in failures]
            )
        return failures


def _span_of_years(years: Sequence[str]) -> str:
    if len(years) < 2:
        return years[0] if years else sentence("all years")
    return sentence("%(first)s to %(last)s", first=years[0], last=years[-1])


def _years_phrase(some: int, of_all: int) -> str:
    what = "1 school year" if of_all == 1 else f"{of_all:,} school years"
    return what if some == of_all else f"{some:,} of {what}"
