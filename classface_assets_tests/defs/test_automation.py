"""What runs by itself, on real ephemeral instances: sensors, automation conditions, the nightly schedule."""

import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.definitions import defs
from classface_assets.defs.automation import GLOBAL_ASSETS, YEAR_ASSETS, nightly
from classface_assets.defs.loading.build import definitions_with, repository_with
from classface_assets.defs.sensors.automatic_runs import automatic_runs
from classface_assets.defs.sensors.failed_runs import failed_runs
from classface_assets.defs.sensors.failure_reports import FailureReports
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.orchestration.resources import Archive, LoggedProgress, Models
from classface_assets_tests.support.helpers import requested_years

pytestmark = pytest.mark.slow

YEARS = ("2016-2017", "2017-2018")
LABELS_CHECK = dg.AssetCheckKey(dg.AssetKey("identities"), "labelled_faces_keep_their_name")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on the disk: a schedule takes no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as on_disk:
        yield on_disk


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for year in YEARS:
        (tmp_path / "photos" / year).mkdir(parents=True)
        (tmp_path / "photos" / year / "a.jpg").write_bytes(b"a")
    return tmp_path / "photos"


def resources(photos: Path) -> dict[str, Archive | Models]:
    return {
        "archive": Archive(photos=str(photos), data=str(photos.parent / "data")),
        "models": Models(pack="builtin"),
    }


def look(photos: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor that watches the photos folder."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources(photos)) as context:
        answer = photo_folders(context)
    assert isinstance(answer, dg.SensorResult | dg.SkipReason)
    return answer


def found(photos: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    answer = look(photos, instance, cursor)
    assert isinstance(answer, dg.SensorResult), answer
    return answer


def test_each_new_year_folder_is_registered_and_run_once(photos: Path, instance: dg.DagsterInstance) -> None:
    first = found(photos, instance)
    assert requested_years(first) == list(YEARS)
    assert [list(r.partition_keys) for r in first.dynamic_partitions_requests or []] == [list(YEARS)]
    again = look(photos, instance, first.cursor)
    assert isinstance(again, dg.SkipReason) and "Nothing new in the 2 school years" in str(again.skip_message)


def test_a_changed_year_is_run_and_the_others_are_left_alone(photos: Path, instance: dg.DagsterInstance) -> None:
    before = found(photos, instance)
    (photos / YEARS[1] / "b.jpg").write_bytes(b"b")
    after = found(photos, instance, before.cursor)
    assert requested_years(after) == [YEARS[1]]
    (photos / YEARS[1] / "b.jpg").unlink()
    back = found(photos, instance, after.cursor)
    assert requested_years(back) == [YEARS[1]]
    keys = [r.run_key for result in (before, after, back) for r in result.run_requests or []]
    assert keys == [None] * 3, "Dagster would skip a run whose key it knows, and the photo taken out would stay"


def test_a_year_whose_folder_is_gone_is_run_so_that_it_drops_out(photos: Path, instance: dg.DagsterInstance) -> None:
    before = found(photos, instance)
    shutil.rmtree(photos / YEARS[0])
    after = found(photos, instance, before.cursor)
    assert requested_years(after) == [YEARS[0]]
    assert list(json.loads(after.cursor or "")) == [YEARS[1]]


def test_a_drive_that_is_away_drops_no_year_and_costs_nothing_when_it_is_back(
    photos: Path, instance: dg.DagsterInstance
) -> None:
    cursor = found(photos, instance).cursor
    away = photos.rename(photos.parent / "away")
    unreadable = look(photos, instance, cursor)
    assert isinstance(unreadable, dg.SkipReason) and "cannot be read" in str(unreadable.skip_message)
    photos.mkdir()
    empty = look(photos, instance, cursor)
    assert isinstance(empty, dg.SkipReason) and "connect its drive" in str(empty.skip_message)
    photos.rmdir()
    away.rename(photos)
    assert isinstance(look(photos, instance, cursor), dg.SkipReason), "nothing is new"


class Ticks:
    """The automation conditions, evaluated tick by tick; each tick answers what would be requested."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.definitions = instance, None, defs()
        graph = self.definitions.resolve_asset_graph()
        self.keys = graph.get_all_asset_keys()
        self.blocking = [key for key in graph.asset_check_keys if graph.get(key).blocking]
        instance.add_dynamic_partitions("school_year", list(YEARS))
        assert self.tick() == {}

    def tick(self) -> dict[str, list[str]]:
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, cursor=self.cursor, asset_selection=dg.AssetSelection.all()
        )
        self.cursor = result.cursor
        requested = {key: result.get_requested_partitions(key) for key in self.keys}
        return {key.to_user_string(): sorted(year or "" for year in years) for key, years in requested.items() if years}

    def made(self, *assets: str, year: str | None = None, version: str = "") -> None:
        """Assets were materialized, and their blocking checks passed, but for that of the identities.

        Their result is another one each time, unless its version is given.
        """
        for asset in assets:
            tags = {"dagster/data_version": version or uuid.uuid4().hex}
            self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=year, tags=tags))
            for key in self.blocking:
                if key.asset_key == dg.AssetKey(asset) and asset != "identities":
                    self.checked(passed=True, key=key)

    def checked(self, passed: bool, key: dg.AssetCheckKey = LABELS_CHECK) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key, check_name=key.name, passed=passed, metadata={}, blocking=True
            )
        )

    def failed(self, year: str) -> None:
        """A real run of this year's ingest that fails at its first step: there is no such folder."""
        job = self.definitions.resolve_job_def("ingest_year")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        away = {"archive": {"config": {"photos": "/nowhere", "data": "/nowhere"}}}
        outcome = job.execute_in_process(
            run_config={**quiet, "resources": away}, instance=self.instance, partition_key=year, raise_on_error=False
        )
        assert not outcome.success


def test_every_condition_and_what_it_asks_for_has_a_name_that_an_operator_reads() -> None:
    graph = defs().resolve_asset_graph()
    conditions = {key: graph.get(key).automation_condition for key in graph.get_all_asset_keys()}
    assert [key.to_user_string() for key, one in conditions.items() if one is None] == ["images"]
    for key, condition in conditions.items():
        if condition is not None:
            parts = [part.get_label() or "" for part in condition.children]
            assert str(condition.get_label()).startswith("when "), key
            assert len(parts) >= 6 and all(len(part.split()) > 4 for part in parts), parts


def test_nothing_starts_while_a_year_is_still_to_come_and_then_all_go_together(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    ticks.made(*YEAR_ASSETS, year=YEARS[0])
    assert ticks.tick() == {}
    ticks.made(*YEAR_ASSETS, year=YEARS[1])
    assert set(ticks.tick()) == set(GLOBAL_ASSETS)
    assert ticks.tick() == {}


def test_a_year_that_failed_does_not_hold_up_the_others(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    ticks.made(*YEAR_ASSETS, year=YEARS[0])
    ticks.failed(YEARS[1])
    assert set(ticks.tick()) == set(GLOBAL_ASSETS)


def test_albums_of_all_years_follow_the_identities_and_the_site_follows_them_once(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year)
    ticks.tick()
    for _ in range(2):  # the first time, and when albums are there already
        ticks.made(*GLOBAL_ASSETS)
        ticks.checked(passed=True)
        assert ticks.tick() == {"albums": list(YEARS), "evaluation": [""], "student_coverage": [""]}
        ticks.made("evaluation", "student_coverage")
        ticks.made("albums", year=YEARS[0])
        ticks.made("albums", year=YEARS[1])
        assert ticks.tick() == {"album_site": [""]}
        ticks.made("album_site")
        assert ticks.tick() == {}
    ticks.made(*GLOBAL_ASSETS)
    ticks.checked(passed=True)
    ticks.tick()
    ticks.made("albums", year=YEARS[0])
    ticks.made("albums", year=YEARS[1])
    ticks.made("embeddings", year=YEARS[0])
    assert set(ticks.tick()) == set(GLOBAL_ASSETS), "the site waits for the albums that follow"


def test_progress_of_a_school_year_starts_nothing(instance: dg.DagsterInstance) -> None:
    """Observations are events of an asset too; what is downstream must not take one for an update."""
    ticks = Ticks(instance)
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year)
    ticks.tick()
    ticks.made(*GLOBAL_ASSETS)
    ticks.checked(passed=True)
    ticks.tick()
    for asset in YEAR_ASSETS:
        ticks.instance.report_runless_asset_event(dg.AssetObservation(asset, partition=YEARS[0]))
    assert ticks.tick() == {}
    ticks.made("detections", year=YEARS[0])
    assert "embeddings" in ticks.tick(), "what was made does"


def test_no_album_is_made_of_identities_that_lost_a_name(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year)
    ticks.tick()
    ticks.made(*GLOBAL_ASSETS)
    ticks.checked(passed=False)
    assert ticks.tick() == {}
    ticks.checked(passed=True)
    assert set(ticks.tick()) == {"albums", "evaluation", "student_coverage"}


def test_after_a_new_search_by_hand_the_faces_are_embedded_first(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year)
    ticks.tick()
    ticks.made(*GLOBAL_ASSETS)
    ticks.tick()
    ticks.made("detections", year=YEARS[0])
    assert ticks.tick().get("embeddings") == [YEARS[0]]
    ticks.made("embeddings", year=YEARS[0])
    assert set(GLOBAL_ASSETS) <= set(ticks.tick())


def test_what_was_materialized_with_the_same_result_starts_nothing(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(instance)
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year, version="first")
    assert set(ticks.tick()) == set(GLOBAL_ASSETS)
    ticks.made(*GLOBAL_ASSETS, version="first")
    ticks.checked(passed=True)
    assert set(ticks.tick()) == {"albums", "evaluation", "student_coverage"}
    for year in YEARS:
        ticks.made("albums", year=year, version="first")
    assert set(ticks.tick()) == {"album_site"}
    ticks.made("album_site", "evaluation", "student_coverage", version="first")
    assert ticks.tick() == {}
    for year in YEARS:
        ticks.made(*YEAR_ASSETS, year=year, version="first")
    assert ticks.tick() == {}, "somebody has materialized all years by hand"
    ticks.made(*GLOBAL_ASSETS, version="first")
    ticks.checked(passed=True)
    assert ticks.tick() == {}
    ticks.made("embeddings", year=YEARS[0], version="second")
    assert set(GLOBAL_ASSETS) <= set(ticks.tick())


def tonight(photos: Path, instance: dg.DagsterInstance, day: int) -> dg.RunRequest | dg.SkipReason:
    """What the nightly schedule answers on a day of May."""
    night = datetime(2024, 5, day, 3, tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=night, resources=resources(photos))
    with context:
        answer = nightly(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def test_the_nightly_run_groups_all_faces_once_a_night(photos: Path, stored: dg.DagsterInstance) -> None:
    request = tonight(photos, stored, 4)
    assert isinstance(request, dg.RunRequest) and request.run_key == "2024-05-04"
    for asset in ("cluster_assignments", "identities"):
        assert request.run_config["ops"][asset]["config"] == {"all_anew": True}
    assert nightly.cron_schedule == "0 3 * * *" and nightly.job_name == "identify"


def test_a_night_after_a_day_without_anything_new_runs_nothing(photos: Path, stored: dg.DagsterInstance) -> None:
    first = tonight(photos, stored, 4)
    assert isinstance(first, dg.RunRequest)

    @dg.job(name="identify")
    def ran() -> None: ...

    @dg.op
    def fails() -> None:
        raise dg.Failure("The disk is full.")

    @dg.job(name="identify")
    def failed() -> None:
        fails()

    failed.execute_in_process(instance=stored, tags=first.tags, raise_on_error=False)
    assert isinstance(tonight(photos, stored, 5), dg.RunRequest), "what failed is tried again"
    ran.execute_in_process(instance=stored, tags=first.tags)
    second = tonight(photos, stored, 6)
    assert isinstance(second, dg.SkipReason) and "No face and no decision is new" in str(second.skip_message)
    Archive(photos=str(photos), data=str(photos.parent / "data")).open_ledger().create_person("Kim")
    assert isinstance(tonight(photos, stored, 7), dg.RunRequest)


def test_a_failed_run_is_logged_with_its_school_year_and_its_reason(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def stops() -> None:
        raise dg.Failure("There is no folder for the school year.")

    @dg.job
    def sorrow() -> None:
        stops()

    outcome = sorrow.execute_in_process(instance=instance, raise_on_error=False, tags={"dagster/partition": YEARS[0]})
    failure = next(e for e in outcome.all_events if e.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context(
        "failed_runs",
        dagster_event=failure,
        dagster_run=outcome.dagster_run,
        dagster_instance=instance,
        resources={"failure_reports": FailureReports()},
    ).for_run_failure()
    failed_runs(context)
    log = capsys.readouterr().err
    assert f"of {YEARS[0]} failed: There is no folder for the school year." in log


def test_a_run_that_starts_by_itself_belongs_to_the_update_that_it_carries_on(
    photos: Path, instance: dg.DagsterInstance
) -> None:
    @dg.job(name="identify")
    def follows() -> None: ...

    def start(tags: dict[str, str]) -> str:
        return follows.execute_in_process(instance=instance, tags=tags).run_id

    def tags_of(run_id: str) -> dict[str, str]:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        event = next(one for one in instance.all_logs(run_id) if one.is_dagster_event)
        assert event.dagster_event is not None
        context = dg.build_run_status_sensor_context(
            "automatic_runs", event.dagster_event, instance, run, resources=resources(photos)
        )
        with context:
            automatic_runs(context)
        after = instance.get_run_by_id(run_id)
        assert after is not None
        return dict(after.tags)

    automatic = {"classface/by": "automatic"}
    alone = tags_of(start(automatic))
    assert alone["classface/pack"] == "builtin" and len(alone["classface/update"]) > 10
    photos_run = start({"classface/update": "20240504-030000-abcdef", "classface/by": "photo_folders"})
    first, second = start(automatic), start(automatic)
    assert tags_of(first)["classface/update"] == tags_of(second)["classface/update"] == "20240504-030000-abcdef"
    assert "classface/update" not in tags_of(start({})), "somebody has started it by hand"
    assert tags_of(photos_run)["classface/by"] == "photo_folders"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classface_assets.defs.sensors.automatic_runs.CARRIED_ON_S", -1.0)
        assert tags_of(start(automatic))["classface/update"] != "20240504-030000-abcdef", "that one has ended long ago"


def test_sensors_that_are_on_by_default_look_less_often_where_archives_share_a_daemon(photos: Path) -> None:
    given = {**resources(photos), "progress": LoggedProgress()}
    alone = definitions_with(given).get_repository_def()
    north = Archive(photos=str(photos), data=str(photos.parent / "data"), name="north")
    shared = repository_with({**given, "archive": north})
    waits = [{one.name: one.minimum_interval_seconds for one in sensors.sensor_defs} for sensors in (alone, shared)]
    changed = {name: (waits[0][name], waits[1][name]) for name in waits[0] if waits[0][name] != waits[1][name]}
    twice_a_minute = dict.fromkeys(("automatic", "automatic_runs", "failed_runs"), (30, 120))
    assert changed == {**twice_a_minute, "killed_runs": (60, 240)}
    assert waits[0].keys() == waits[1].keys()
