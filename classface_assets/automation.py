"""What runs by itself: automation conditions, jobs, sensors and the nightly schedule.

A new or changed year folder starts that year's run (`photo_folders`); the conditions carry it on to what is one for
all years and to the albums. Decisions are plain functions beside the sensors that use them.
"""

import json
from collections.abc import Mapping

import dagster as dg

from classface_assets.failures import why_it_failed
from classface_assets.partitions import school_years, year_files
from classface_assets.resources import Archive
from classface_assets.store.years import PhotosFolderError, fingerprint, year_folders

WHEN_ALL_YEARS_ARE_READY = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("when all it is made from is there and at rest")

YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")

ingest_year = dg.define_asset_job(
    "ingest_year",
    selection=dg.AssetSelection.assets(*YEAR_ASSETS),
    description="Looks at the photos of one school year: files, faces, vectors. Does only what is new.",
)
identify = dg.define_asset_job(
    "identify",
    selection=dg.AssetSelection.assets(*GLOBAL_ASSETS),
    description="Groups the faces of all school years into students and publishes the database.",
)
year_album = dg.define_asset_job(
    "year_album",
    selection=dg.AssetSelection.assets("albums"),
    description="Makes the album of one school year.",
)
school_site = dg.define_asset_job(
    "school_site",
    selection=dg.AssetSelection.assets("album_site"),
    description="Makes the index, the students' pages and the coverage report.",
)


def changed_years(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """School years to run: new ones, those whose fingerprint changed, and those whose folder is gone."""
    return sorted(year for year in {*before, *now} if before.get(year) != now.get(year))


@dg.sensor(job=ingest_year, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.STOPPED)
def photo_folders(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """Watches the photos folder: a new or changed school year is run, an unchanged one is left alone."""
    photos = archive.layout.photos
    try:
        folders = year_folders(photos)
    except PhotosFolderError as error:
        return dg.SkipReason(str(error))
    now = {year: fingerprint(year_files(photos, places)) for year, places in folders.items()}
    changed = changed_years(json.loads(context.cursor or "{}"), now)
    if not changed:
        return dg.SkipReason(f"Nothing new in the {len(now)} school years of {photos}.")
    requests = [dg.RunRequest(run_key=f"{y}:{now.get(y, 'gone')}", partition_key=y) for y in changed]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[school_years.build_add_request(changed)],
        cursor=json.dumps(now),
    )


@dg.schedule(job=identify, cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.STOPPED)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every night at three: group all faces again, so that the day's names are learned from."""
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Writes every failed run to the log, with its school year and the sentence that says why."""
    run = context.dagster_run
    reasons = [why_it_failed(event.event_specific_data) for event in context.get_step_failure_events()]
    why = "; ".join(reasons) or context.failure_event.message
    context.log.error(f"Run {run.run_id} of {run.tags.get('dagster/partition', 'all years')} failed: {why}")


automatic = dg.AutomationConditionSensorDefinition(
    "automatic",
    target=dg.AssetSelection.all(),
    description="Carries new vectors on to the clusters, the identities and the albums.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
