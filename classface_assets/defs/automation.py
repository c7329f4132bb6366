"""Which assets run together, and when: jobs, the nightly schedule, automation conditions and their sensor.

The conditions carry what a school year's run found on to the assets over all years, and from there to the albums.
"""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from classface_assets.core.errors import UserError
from classface_assets.defs.memoized import archive_state
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, names_of
from classface_assets.orchestration.updates.tags import AUTOMATIC, BY_TAG, update_tags
from classface_assets.store.artifacts.memoization import content_digest, file_signature, program_digest
from classface_assets.store.artifacts.thresholds import calibration_file

STATE_TAG = "classface/state"
"""The tag of nightly runs: a digest of all files, faces, vectors, decisions and thresholds that they start from."""
PRESET_TAG = "classface/preset"
"""The tag of runs with a preset other than `balanced`, which holds its name."""
YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")
FIGURES = ("evaluation", "student_coverage")
"""Assets of which nothing is made, so that nobody has to wait for them."""
IDENTIFY_ASSETS = (*GLOBAL_ASSETS, *FIGURES)
ALL_YEARS_ASSETS = (*IDENTIFY_ASSETS, "album_site")
"""Every asset that is one for all school years."""


class ArchiveJobs:
    """The jobs of an archive: the same names in each, on its own assets, with its own tag."""

    def __init__(self, names: ArchiveNames) -> None:
        self._names = names
        self.ingest_year = self._job(
            "ingest_year",
            YEAR_ASSETS,
            "Reads the photos of one school year, or of a range of them: files, faces, embeddings. Does only what is "
            "new.",
        )
        self.identify = self._job(
            "identify",
            IDENTIFY_ASSETS,
            "Groups the faces of all school years into students, publishes the database, evaluates the result, and "
            "counts how often each student appears.",
        )
        self.evaluate = self._job(
            "evaluate",
            FIGURES,
            "Measures how well people are recognised, and counts how often each student appears. In `classface run` it "
            "comes last: nothing is made of it.",
        )
        self.year_album = self._job(
            "year_album", ["albums"], "Makes the album of one school year, or those of a range of years."
        )
        self.school_site = self._job(
            "school_site", ["album_site"], "Makes the index, the students' pages and the coverage report."
        )
        self.all_albums = self._job(
            "all_albums",
            ["albums", "album_site"],
            "Makes the albums of school years, then the index, the students' pages and the coverage report.",
        )
        self.identify_high_precision = self._identify_with(
            "high-precision", "Groups and names all faces again, strictly: rather no name than a wrong one."
        )
        self.identify_fast = self._identify_with(
            "fast",
            "Groups and names all faces again, quickly: with one mean a person and year, and without poor faces.",
        )

    @property
    def all(self) -> tuple[UnresolvedAssetJobDefinition, ...]:
        """All of them, in the order in which Dagster's page lists them."""
        identify = (self.identify, self.identify_high_precision, self.identify_fast)
        return (self.ingest_year, *identify, self.evaluate, self.year_album, self.school_site, self.all_albums)

    def _job(self, name: str, assets: Iterable[str], description: str) -> UnresolvedAssetJobDefinition:
        selection, tags = self._selection(assets), self._names.tags or None
        return dg.define_asset_job(name, selection=selection, description=description, tags=tags)

    def _identify_with(self, preset: str, description: str) -> UnresolvedAssetJobDefinition:
        """`identify` with a preset in its launchpad, where everything can still be changed before the launch."""
        return dg.define_asset_job(
            f"identify_{preset.replace('-', '_')}",
            selection=self._selection(IDENTIFY_ASSETS),
            config={"ops": {asset: {"config": {"preset": preset}} for asset in ("cluster_assignments", "identities")}},
            tags={PRESET_TAG: preset, **self._names.tags},
            description=description,
        )

    def _selection(self, assets: Iterable[str]) -> dg.AssetSelection:
        return dg.AssetSelection.assets(*self._names.asset_keys(assets))


JOBS = ArchiveJobs(ALONE)


@dg.schedule(
    job=JOBS.identify,
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
    done = dg.RunsFilter(
        job_name=JOBS.identify.name,
        tags={STATE_TAG: state, **names_of(archive.layout).tags},
        statuses=[dg.DagsterRunStatus.SUCCESS],
    )
    if context.instance.get_runs_count(done):
        return dg.SkipReason("No face and no decision is new since all faces were clustered again.")
    ops = {asset: {"config": {"all_anew": True}} for asset in ("cluster_assignments", "identities")}
    night = f"{context.scheduled_execution_time:%Y-%m-%d}"
    return dg.RunRequest(
        run_key=night, run_config={"ops": ops}, tags={**update_tags("nightly", archive, models), STATE_TAG: state}
    )


# Each part has the name of what has to be so: an operator reads them one below the other, with which of them is not.
_INPUTS_ARE_IDLE = (~dg.AutomationCondition.any_deps_in_progress()).with_label("none of its inputs is in progress")
_IS_IDLE = (~dg.AutomationCondition.in_progress()).with_label("it is not in progress itself")
_MISSING = dg.AutomationCondition.missing() & ~dg.AutomationCondition.will_be_requested()
# What was materialized with the same result as before, its data version, starts nothing.
_ANY_DEPS_CHANGED = dg.AutomationCondition.any_deps_match(
    (dg.AutomationCondition.data_version_changed() & ~dg.AutomationCondition.executed_with_root_target())
    | dg.AutomationCondition.will_be_requested()
)
_SINCE = "an input has another result than when it was last run"


def when_its_year_changed(names: ArchiveNames) -> dg.AutomationCondition:
    """For an asset of a school year."""
    return (_ANY_DEPS_CHANGED.since_last_handled().with_label(_SINCE) & _guards(names)).with_label(
        "when its year's inputs changed"
    )


def when_all_years_are_ready(names: ArchiveNames) -> dg.AutomationCondition:
    """For an asset over all years: photos and faces of a year reach it by its embeddings, which come after them."""
    covered_by_embeddings = _keys(names, "images", "detections")
    changed = _ANY_DEPS_CHANGED.ignore(covered_by_embeddings).since_last_handled().with_label(_SINCE)
    return (changed & _guards(names)).with_label("when all inputs are fresh and idle")


def when_all_albums_are_ready(names: ArchiveNames) -> dg.AutomationCondition:
    """For the pages over all albums: new identities do not start it, but delay it; albums are made of them first."""
    changed = (
        _ANY_DEPS_CHANGED.allow(_yearly(names))
        .since_last_handled()
        .with_label("an album is another one than when it was last run")
    )
    nothing_comes = (~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())).with_label(
        "none of its inputs is about to be run"
    )
    return (changed & nothing_comes & _guards(names)).with_label("when all albums are made")


def _guards(names: ArchiveNames) -> dg.AutomationCondition:
    """What has to be so in any case."""
    yearly = _yearly(names)
    inputs_are_there = (~dg.AutomationCondition.any_deps_match(_MISSING).ignore(yearly)).with_label(
        "every input over all school years was made once"
    )
    # A year that failed must not delay all the others; one that was never run must, its faces are still to come.
    years_are_there = (
        ~dg.AutomationCondition.any_deps_match(_MISSING & ~dg.AutomationCondition.execution_failed()).allow(yearly)
    ).with_label("every school year of its inputs was run once, or failed")
    # Within one run Dagster itself stops what comes after a check that blocks; asked for here, the check would keep an
    # asset from being started together with its input. And the state of a check is of an asset, not of one of its
    # school years: that of a year would block all others.
    checks_passed = (
        dg.AutomationCondition.all_deps_blocking_checks_passed()
        .ignore(yearly | _keys(names, "face_tables", "knn_graph"))
        .with_label("no check of its inputs that blocks has failed")
    )
    return inputs_are_there & years_are_there & _INPUTS_ARE_IDLE & _IS_IDLE & checks_passed


def _yearly(names: ArchiveNames) -> dg.AssetSelection:
    return _keys(names, "images", "detections", "embeddings", "albums")


def _keys(names: ArchiveNames, *assets: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*names.asset_keys(assets))


def automation_sensor(names: ArchiveNames) -> dg.AutomationConditionSensorDefinition:
    """The sensor that starts what its condition asks for."""
    return dg.AutomationConditionSensorDefinition(
        AUTOMATIC,
        target=dg.AssetSelection.all(),
        run_tags={BY_TAG: AUTOMATIC, **names.tags},
        minimum_interval_seconds=names.seconds_between_ticks(30),
        description="Carries new embeddings on to the clusters, the identities and the albums. What each asset waits "
        "for is on its page, under Automation.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
