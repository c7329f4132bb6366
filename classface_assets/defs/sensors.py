"""Sensors: what starts runs (new photos, new decisions), and what follows a run that failed or was killed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from classface_assets.core.storage_errors import StorageError
from classface_assets.defs.automation import identify, ingest_year
from classface_assets.orchestration.failures import failure_reason
from classface_assets.orchestration.instance import fail_dead_runs
from classface_assets.orchestration.partitions import school_year_partitions, year_listing
from classface_assets.orchestration.resources import Archive
from classface_assets.services.photos.manual_faces import photos_with_new_boxes, school_years_of_photos
from classface_assets.store.catalog.school_years import PhotosFolderError, listing_fingerprint, year_folders
from classface_assets.store.catalog.year_file import YearsFileError
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.events import DRAWING_KINDS

QUIET_PERIOD = timedelta(minutes=1)
CODE_SERVER_TAG = ".dagster/grpc_info"
"""The tag by which Dagster's default launcher finds the process of a run again."""


def changed_years(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """School years to run: new ones, those whose fingerprint changed, and those whose folder is gone."""
    return sorted(year for year in {*before, *now} if before.get(year) != now.get(year))


@dg.sensor(
    job=ingest_year,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the photos folder: a new or changed school year is run, an unchanged one is left alone.",
)
def photo_folders(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """Runs the school years that changed. A folder that cannot be read, or is empty, is no reason to drop them all."""
    photos = archive.layout.photos
    try:
        folders = year_folders(archive.layout)
        now = {year: listing_fingerprint(year_listing(photos, places)) for year, places in folders.items()}
    except (PhotosFolderError, YearsFileError, StorageError) as error:
        return dg.SkipReason(str(error))
    before = json.loads(context.cursor or "{}")
    if not now:
        return dg.SkipReason(
            f"There is nothing in {photos}; put one folder per school year into it, or connect its drive."
        )
    changed = changed_years(before, now)
    if not changed:
        return dg.SkipReason(f"Nothing new in the {len(now)} school years of {photos}.")
    # No run key: a year that comes to look as it once did, as when a photo is removed again, is run all the same.
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=year) for year in changed],
        dynamic_partitions_requests=[school_year_partitions.build_add_request(changed)],
        cursor=json.dumps(now),
    )


def is_quiet(last: str, now: datetime) -> bool:
    """Whether the ledger was not written to for a while, so that a burst of names starts one run.

    Args:
        last: ISO time of the last event.
        now: The current time.
    """
    return now - datetime.fromisoformat(last) >= QUIET_PERIOD


@dg.sensor(
    jobs=[identify, ingest_year],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the ledger: when people have named faces and pause for a minute, all faces are matched again; "
    "school years in which faces were drawn are ingested first.",
)
def decisions(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """One run for all decisions since the last one; `automatic` carries on the school years that are ingested."""
    try:
        ledger = archive.open_ledger()
        last = ledger.last()
    except LedgerError as error:
        return dg.SkipReason(str(error))
    if last is None or str(last[0]) == context.cursor:
        return dg.SkipReason("No decision was made since the last run.")
    if not is_quiet(last[1], datetime.now(UTC)):
        return dg.SkipReason("Somebody is still naming; the faces are matched when there was no decision for a minute.")
    photos = photos_with_new_boxes(ledger.events(kinds=DRAWING_KINDS), int(context.cursor or 0))
    years = school_years_of_photos(archive.layout, photos)
    return dg.SensorResult(
        run_requests=[
            *(dg.RunRequest(f"ledger {last[0]} {y}", job_name="ingest_year", partition_key=y) for y in years),
            dg.RunRequest(f"ledger {last[0]}", job_name="identify"),
        ],
        dynamic_partitions_requests=[school_year_partitions.build_add_request(years)] if years else [],
        cursor=str(last[0]),
    )


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes every failed run to the log, with its school year and the sentence that says why.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """The sentence is the step's own, or that of the run when no step of it failed."""
    run = context.dagster_run
    reasons = [failure_reason(event.event_specific_data) for event in context.get_step_failure_events()]
    why = "; ".join(reasons) or context.failure_event.message
    context.log.error(f"Run {run.run_id} of {run.tags.get('dagster/partition', 'all years')} failed: {why}")


def is_launched_here(run: dg.DagsterRun) -> bool:
    """Whether the code server of this machine started the run's process, so that a missing process means that it died.

    A run of `classface run` may belong to another machine or container that shares the records.
    """
    return CODE_SERVER_TAG in run.tags


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails the runs whose process was killed, so that nothing waits for them; the next run does the rest.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Dagster itself does not see that a local process was killed: its run would occupy its pool for ever."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("Runs are processes of other machines here; Dagster itself watches them.")
    released = fail_dead_runs(context.instance, is_launched_here)
    names = ", ".join(f"{run.job} {run.partition} ({run.run_id[:8]})" for run in released)
    return dg.SkipReason(f"Marked as failed: {names}." if released else "No run was killed.")
