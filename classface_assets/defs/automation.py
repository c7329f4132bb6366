"""Which assets run together, and when: jobs, the nightly schedule, automation conditions and their sensor.

The conditions carry what a school year's run found on to the assets over all years, and from there to the albums.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from classface_assets.core.errors import UserError
from classface_assets.defs.memoized import archive_state
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.updates.tags import AUTOMATIC, BY_TAG, update_tags
from classface_assets.store.artifacts.memoization import content_digest, file_signature, program_digest
from classface_assets.store.artifacts.thresholds import calibration_file

STATE_TAG = "classface/state"
"""The tag of nightly runs: a digest of all files, faces, vectors, decisions and thresholds that they start from."""
PRESET_TAG = "classface/preset"
"""The tag of runs with a preset other than `balanced`, which holds its name."""
YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")
EVALUATION = "evaluation"
IDENTIFY_ASSETS = (*GLOBAL_ASSETS, EVALUATION, "student_coverage")
ALL_YEARS_ASSETS = (*IDENTIFY_ASSETS, "album_site")
"""Every asset that is one for all school years."""

ingest_year = dg.define_asset_job(
    "ingest_year",
    selection=dg.AssetSelection.assets(*YEAR_ASSETS),
    description="Reads the photos of one school year, or of a range of them: files, faces, embeddings. Does only what "
    "is new.",
)
_IDENTIFY = dg.AssetSelection.assets(*IDENTIFY_ASSETS)
identify = dg.define_asset_job(
    "identify",
    selection=_IDENTIFY,
    description="Groups the faces of all school years into students, publishes the database, evaluates the result, and "
    "counts how often each student appears.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets(EVALUATION),
    description="Measures how well people are recognised. In `classface run` it comes last: nothing is made of it, and "
    "with many labels it takes as long as grouping all faces several times.",
)
year_album = dg.define_asset_job(
    "year_album",
    selection=dg.AssetSelection.assets("albums"),
    description="Makes the album of one school year, or those of a range of years.",
)
school_site = dg.define_asset_job(
    "school_site",
    selection=dg.AssetSelection.assets("album_site"),
    description="Makes the index, the students' pages and the coverage report.",
)
all_albums = dg.define_asset_job(
    "all_albums",
    selection=dg.AssetSelection.assets("albums", "album_site"),
    description="Makes the albums of school years, then the index, the students' pages and the coverage report.",
)


def _identify_with(preset: str, description: str) -> UnresolvedAssetJobDefinition:
    """`identify` with a preset in its launchpad, where everything can still be changed before the launch."""
    ops = {asset: {"config": {"preset": preset}} for asset in ("cluster_assignments", "identities")}
    name = f"identify_{preset.replace('-', '_')}"
    return dg.define_asset_job(
        name, selection=_IDENTIFY, config={"ops": ops}, tags={PRESET_TAG: preset}, description=description
    )


identify_high_precision = _identify_with(
    "high-precision", "Groups and names all faces again, strictly: rather no name than a wrong one."
)
identify_fast = _identify_with(
    "fast", "Groups and names all faces again, quickly: with one mean a person and year, and without poor faces."
)

JOBS = (ingest_year, identify, identify_high_precision, identify_fast, evaluate, year_album, school_site, all_albums)


@dg.schedule(
    job=identify,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night at three (UTC): clusters all faces again, so that the names given during the day count.",
)
def nightly(context: dg.ScheduleEvaluationContext, archive: Archive, models: Models) -> dg.RunRequest | dg.SkipReason:
    """One run a night, however often the schedule is evaluated; none when nothing is new since one that succeeded."""
    try:
        calibration = file_signature(calibration_file(archive.layout))
        state = content_digest(program_digest(), archive_state(archive, models), calibration)
    except UserError as error:
        return dg.SkipReason(str(error))
    done = dg.RunsFilter(job_name=identify.name, tags={STATE_TAG: state}, statuses=[dg.DagsterRunStatus.SUCCESS])
    if context.instance.get_runs_count(done):
        return dg.SkipReason("No face and no decision is new since all faces were clustered again.")
    ops = {asset: {"config": {"all_anew": True}} for asset in ("cluster_assignments", "identities")}
    night = f"{context.scheduled_execution_time:%Y-%m-%d}"
    return dg.RunRequest(
        run_key=night, run_config={"ops": ops}, tags={**update_tags("nightly", archive, models), STATE_TAG: state}
    )


YEARLY_ASSETS = dg.AssetSelection.assets("images", "detections", "embeddings", "albums")
COVERED_BY_EMBEDDINGS = dg.AssetSelection.assets("images", "detections")

_MISSING = dg.AutomationCondition.missing() & ~dg.AutomationCondition.will_be_requested()
# Each part has the name of what has to be so: an operator reads them one below the other, with which of them is not.
_INPUTS_ARE_THERE = (~dg.AutomationCondition.any_deps_match(_MISSING).ignore(YEARLY_ASSETS)).with_label(
    "every input over all school years was made once"
)
# A year that failed must not delay all the others; one that was never run must, its faces are still to come.
_YEARS_ARE_THERE = (
    ~dg.AutomationCondition.any_deps_match(_MISSING & ~dg.AutomationCondition.execution_failed()).allow(YEARLY_ASSETS)
).with_label("every school year of its inputs was run once, or failed")
_INPUTS_ARE_IDLE = (~dg.AutomationCondition.any_deps_in_progress()).with_label("none of its inputs is in progress")
_IS_IDLE = (~dg.AutomationCondition.in_progress()).with_label("it is not in progress itself")
# Within one run Dagster itself stops what comes after a check that blocks; asked for here, the check would keep an
# asset from being started together with its input.
CHECKED_IN_THE_RUN = dg.AssetSelection.assets("face_tables", "knn_graph")
# The state of a check is of an asset, not of one of its school years: that of a year would block all others.
_CHECKS_PASSED = (
    dg.AutomationCondition.all_deps_blocking_checks_passed()
    .ignore(YEARLY_ASSETS | CHECKED_IN_THE_RUN)
    .with_label("no check of its inputs that blocks has failed")
)
_GUARDS = _INPUTS_ARE_THERE & _YEARS_ARE_THERE & _INPUTS_ARE_IDLE & _IS_IDLE & _CHECKS_PASSED

# What was materialized with the same result as before, its data version, starts nothing.
_ANY_DEPS_CHANGED = dg.AutomationCondition.any_deps_match(
    (dg.AutomationCondition.data_version_changed() & ~dg.AutomationCondition.executed_with_root_target())
    | dg.AutomationCondition.will_be_requested()
)
_SINCE = "an input has another result than when it was last run"
WHEN_ITS_YEAR_CHANGED = (_ANY_DEPS_CHANGED.since_last_handled().with_label(_SINCE) & _GUARDS).with_label(
    "when its year's inputs changed"
)
# Photos and faces of a year reach the assets over all years by way of its embeddings, which are computed after them.
WHEN_ALL_YEARS_ARE_READY = (
    _ANY_DEPS_CHANGED.ignore(COVERED_BY_EMBEDDINGS).since_last_handled().with_label(_SINCE) & _GUARDS
).with_label("when all inputs are fresh and idle")
# New identities do not start it, but delay it: first the albums are made again from them.
WHEN_ALL_ALBUMS_ARE_READY = (
    _ANY_DEPS_CHANGED.allow(YEARLY_ASSETS)
    .since_last_handled()
    .with_label("an album is another one than when it was last run")
    & (~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())).with_label(
        "none of its inputs is about to be run"
    )
    & _GUARDS
).with_label("when all albums are made")

automation_sensor = dg.AutomationConditionSensorDefinition(
    AUTOMATIC,
    target=dg.AssetSelection.all(),
    run_tags={BY_TAG: AUTOMATIC},
    description="Carries new embeddings on to the clusters, the identities and the albums. What each asset waits for "
    "is on its page, under Automation.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
