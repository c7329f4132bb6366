"""What runs by itself: automation conditions, jobs, sensors and the nightly schedule.

A new or changed year folder starts that year's run (`photo_folders`); the conditions carry it on to what is one for
all years and to the albums. Decisions are plain functions beside the sensors that use them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from classface_assets.failures import why_it_failed
from classface_assets.home import release
from classface_assets.partitions import school_years, year_listing
from classface_assets.resources import Archive
from classface_assets.storage_errors import StorageError
from classface_assets.store.drawn import photos_drawn_in, years_of
from classface_assets.store.events import DRAWING_KINDS
from classface_assets.store.ledger import LedgerError
from classface_assets.store.years import PhotosFolderError, fingerprint, year_folders

LAUNCHED_BY_CODE_SERVER = ".dagster/grpc_info"
"""The tag by which Dagster's default launcher finds the process of a run again."""

QUIET = timedelta(minutes=1)

_Condition = dg.AutomationCondition
PER_YEAR = dg.AssetSelection.assets("images", "detections", "embeddings", "albums")
SEEN_AGAIN_IN_VECTORS = dg.AssetSelection.assets("images", "detections")

_missing = _Condition.missing() & ~_Condition.will_be_requested()
_GUARDS = (
    ~_Condition.any_deps_match(_missing).ignore(PER_YEAR).with_label("one for all years is missing")
    # A year that failed must not hold up all the others; one that was never run must, its faces are still to come.
    & ~_Condition.any_deps_match(_missing & ~_Condition.execution_failed()).allow(PER_YEAR).with_label("a year missing")
    & ~_Condition.any_deps_in_progress()
    & ~_Condition.in_progress()
    & _Condition.all_deps_blocking_checks_passed()
)

WHEN_ITS_YEAR_CHANGED = (_Condition.any_deps_updated().since_last_handled() & _GUARDS).with_label(
    "when what it is made from changed for its year"
)
# Photos and faces of a year reach what is one for all years by way of its vectors, which are made after them.
WHEN_ALL_YEARS_ARE_READY = (
    _Condition.any_deps_updated().ignore(SEEN_AGAIN_IN_VECTORS).since_last_handled() & _GUARDS
).with_label("when all it is made from is there and at rest")
# New identities do not start it, and put it off: the albums are made anew from them, and then it is its turn.
WHEN_ALL_ALBUMS_ARE_READY = (
    _Condition.any_deps_updated().allow(PER_YEAR).since_last_handled()
    & ~_Condition.any_deps_match(_Condition.will_be_requested())
    & _GUARDS
).with_label("when the albums of all years are made")

YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")

ingest_year = dg.define_asset_job(
    "ingest_year",
    selection=dg.AssetSelection.assets(*YEAR_ASSETS),
    description="Looks at the photos of one school year: files, faces, vectors. Does only what is new.",
)
identify = dg.define_asset_job(
    "identify",
    selection=dg.AssetSelection.assets(*GLOBAL_ASSETS, "evaluation"),
    description="Groups the faces of all school years into students, publishes the database, and measures how well.",
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


@dg.sensor(
    job=ingest_year,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the photos folder: a new or changed school year is run, an unchanged one is left alone.",
)
def photo_folders(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """Runs the school years that changed. A folder that cannot be read or lies empty is no reason to drop them all."""
    photos = archive.layout.photos
    try:
        folders = year_folders(archive.layout)
        now = {year: fingerprint(year_listing(photos, places)) for year, places in folders.items()}
    except (PhotosFolderError, StorageError) as error:
        return dg.SkipReason(str(error))
    before = json.loads(context.cursor or "{}")
    if not now:
        return dg.SkipReason(f"There is nothing in {photos}; put a folder a school year into it, or connect its drive.")
    changed = changed_years(before, now)
    if not changed:
        return dg.SkipReason(f"Nothing new in the {len(now)} school years of {photos}.")
    # No run key: a year that comes to look as it once did, say after a photo was taken out again, is run all the same.
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=year) for year in changed],
        dynamic_partitions_requests=[school_years.build_add_request(changed)],
        cursor=json.dumps(now),
    )


def is_quiet(last: str, now: datetime) -> bool:
    """Whether nobody has said anything for a while: a burst of names is carried on once. `last`: ISO time."""
    return now - datetime.fromisoformat(last) >= QUIET


@dg.sensor(
    jobs=[identify, ingest_year],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the ledger: when people have named faces and pause for a minute, all faces are matched anew; "
    "school years in which faces were drawn are looked at first.",
)
def decisions(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """One run for all that was said since the last one; `automatic` carries on the years that are looked at."""
    try:
        ledger = archive.open_ledger()
        last = ledger.last()
    except LedgerError as error:
        return dg.SkipReason(str(error))
    if last is None or str(last[0]) == context.cursor:
        return dg.SkipReason("Nothing was said since the last run.")
    if not is_quiet(last[1], datetime.now(UTC)):
        return dg.SkipReason("Somebody is still at it; the faces are matched when nothing was said for a minute.")
    drawn_in = photos_drawn_in(ledger.events(kinds=DRAWING_KINDS), int(context.cursor or 0))
    years = years_of(archive.layout, drawn_in)
    return dg.SensorResult(
        run_requests=[
            *(dg.RunRequest(f"ledger {last[0]} {y}", job_name="ingest_year", partition_key=y) for y in years),
            dg.RunRequest(f"ledger {last[0]}", job_name="identify"),
        ],
        dynamic_partitions_requests=[school_years.build_add_request(years)] if years else [],
        cursor=str(last[0]),
    )


@dg.schedule(
    job=identify,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night at three (UTC): groups all faces again, so that the day's names are learned from.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run a night, however often the schedule is asked."""
    ops = {asset: {"config": {"all_anew": True}} for asset in ("cluster_assignments", "identities")}
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", run_config={"ops": ops})


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes every failed run to the log, with its school year and the sentence that says why.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """The sentence is the step's own, or that of the run when no step of it failed."""
    run = context.dagster_run
    reasons = [why_it_failed(event.event_specific_data) for event in context.get_step_failure_events()]
    why = "; ".join(reasons) or context.failure_event.message
    context.log.error(f"Run {run.run_id} of {run.tags.get('dagster/partition', 'all years')} failed: {why}")


def launched_here(run: dg.DagsterRun) -> bool:
    """Whether the code server of this machine started the run's process, so that its absence means its death.

    A run of `classface run` may belong to another machine or container that shares the records.
    """
    return LAUNCHED_BY_CODE_SERVER in run.tags


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends the runs whose process was killed, so that nothing waits for them; the next run does the rest.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Dagster itself does not see that a local process was killed: its run would keep its pool for ever."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("Runs are processes of other machines here; Dagster itself watches them.")
    freed = release(context.instance, launched_here)
    told = ", ".join(f"{run.job} {run.partition} ({run.run_id[:8]})" for run in freed)
    return dg.SkipReason(f"Freed: {told}." if freed else "No run was killed.")


automatic = dg.AutomationConditionSensorDefinition(
    "automatic",
    target=dg.AssetSelection.all(),
    description="Carries new vectors on to the clusters, the identities and the albums.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
