"""Which assets run together, and when: jobs, the nightly schedule, automation conditions and their sensor.

The conditions carry what a school year's run found on to the assets over all years, and from there to the albums.
"""

import dagster as dg

YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")

ingest_year = dg.define_asset_job(
    "ingest_year",
    selection=dg.AssetSelection.assets(*YEAR_ASSETS),
    description="Reads the photos of one school year: files, faces, embeddings. Does only what is new.",
)
identify = dg.define_asset_job(
    "identify",
    selection=dg.AssetSelection.assets(*GLOBAL_ASSETS, "evaluation"),
    description="Groups the faces of all school years into students, publishes the database, and evaluates the result.",
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

JOBS = (ingest_year, identify, year_album, school_site)


@dg.schedule(
    job=identify,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night at three (UTC): clusters all faces again, so that the names given during the day count.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run a night, however often the schedule is evaluated."""
    ops = {asset: {"config": {"all_anew": True}} for asset in ("cluster_assignments", "identities")}
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", run_config={"ops": ops})


YEARLY_ASSETS = dg.AssetSelection.assets("images", "detections", "embeddings", "albums")
COVERED_BY_EMBEDDINGS = dg.AssetSelection.assets("images", "detections")

_MISSING = dg.AutomationCondition.missing() & ~dg.AutomationCondition.will_be_requested()
_GUARDS = (
    ~dg.AutomationCondition.any_deps_match(_MISSING)
    .ignore(YEARLY_ASSETS)
    .with_label("an input over all years is missing")
    # A year that failed must not delay all the others; one that was never run must, its faces are still to come.
    & ~dg.AutomationCondition.any_deps_match(_MISSING & ~dg.AutomationCondition.execution_failed())
    .allow(YEARLY_ASSETS)
    .with_label("a school year is missing")
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
    # The state of a check is of an asset, not of one of its school years: that of a year would block all others.
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    .ignore(YEARLY_ASSETS)
    .with_label("blocking checks passed")
)

WHEN_ITS_YEAR_CHANGED = (dg.AutomationCondition.any_deps_updated().since_last_handled() & _GUARDS).with_label(
    "when its inputs changed for its school year"
)
# Photos and faces of a year reach the assets over all years by way of its embeddings, which are computed after them.
WHEN_ALL_YEARS_ARE_READY = (
    dg.AutomationCondition.any_deps_updated().ignore(COVERED_BY_EMBEDDINGS).since_last_handled() & _GUARDS
).with_label("when all its inputs are there and none is in progress")
# New identities do not start it, but delay it: first the albums are made again from them.
WHEN_ALL_ALBUMS_ARE_READY = (
    dg.AutomationCondition.any_deps_updated().allow(YEARLY_ASSETS).since_last_handled()
    & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
    & _GUARDS
).with_label("when the albums of all years are made")

automation_sensor = dg.AutomationConditionSensorDefinition(
    "automatic",
    target=dg.AssetSelection.all(),
    description="Carries new embeddings on to the clusters, the identities and the albums.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
