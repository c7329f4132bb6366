"""Several archives in one Dagster: each has its own keys, school years and runs, and none holds up or sees another."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result
from dagster._core.events import EngineEventData
from dagster._core.utils import make_new_run_id
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from PIL import Image

from classface_assets.cli.__main__ import cli
from classface_assets.devtools.benchmark.dagster_ui.web_server import DagsterUi, workspace_ui
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import fail_dead_runs, open_instance
from classface_assets.orchestration.records.materializations import last_made
from classface_assets.orchestration.records.retention import old_runs, prune_records
from classface_assets.orchestration.records.run_history import delete_all_run_records
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.archive_names import ALONE, ARCHIVE_TAG, ArchiveNames
from classface_assets.orchestration.settings.file import read_settings
from classface_assets.orchestration.settings.workspace_file import MODULE

# Dagster's own server calls functions of Dagster that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NORTH, SOUTH = ArchiveNames("north"), ArchiveNames("south")
YEAR = "2019-2020"
PATIENCE_S = 120
NOBODY = str(2**22 - 1)
"""The number of no process."""
COMMENTED = """# Ours
load_from:
  # the archive of the office
  - python_module: classface_assets.definitions
# the end
"""
LAUNCH = """mutation ($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  ... on RepositoryLocation { repositories { name assetNodes { id groupName assetKey { path } } } }
  ... on PythonError { message } } } } } }"""


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


def classface(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exit_code == code, f"{done.output}{done.exception}"
    return done


def folders(folder: Path, name: str, years: tuple[str, ...] = (YEAR,)) -> list[str]:
    """The options that name an archive with a photo a school year; nobody is in them."""
    for number, year in enumerate(years):
        (folder / name / "photos" / year).mkdir(parents=True)
        Image.new("RGB", (30, 20 + number + 5 * len(name))).save(folder / name / "photos" / year / "photo.png")
    return ["--photos", str(folder / name / "photos"), "--data", str(folder / name / "data")]


def add(folder: Path, name: str, *options: str, code: int = 0) -> Result:
    places = folders(folder, name) if not (folder / name).exists() else folders(folder, name, ())
    return classface("workspace", "add", name, *places, "--file", folder / "workspace.yaml", *options, code=code)


def archive_of(folder: Path, name: str) -> Archive:
    return resolve_archive(folder / name / "photos", folder / name / "data")


def test_an_archive_is_added_and_removed_and_what_people_wrote_in_the_workspace_stays(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text(COMMENTED)
    done = add(tmp_path, "north")
    assert f"DAGSTER_HOME={tmp_path / 'dagster_home'} dagster dev -w {tmp_path / 'workspace.yaml'}" in done.output
    text = (tmp_path / "workspace.yaml").read_text()
    assert text.startswith(COMMENTED.removesuffix("# the end\n")) and text.endswith("# the end\n")
    module = {
        "module_name": MODULE,
        "attribute": "archive_north",
        "location_name": "north",
    }
    assert yaml.safe_load(text)["load_from"][1] == {"python_module": module}
    archive = archive_of(tmp_path, "north")
    assert archive.name == "north" and archive.layout.dagster_home == tmp_path / "dagster_home"
    listed = classface("workspace", "list", "--file", tmp_path / "workspace.yaml").output
    assert listed.split("\t")[:2] == ["north", str(tmp_path / "north" / "data")]

    (tmp_path / "north" / "data" / "kept.txt").write_text("kept")
    removed = classface("workspace", "remove", "north", "--file", tmp_path / "workspace.yaml")
    assert f"Nothing in {tmp_path / 'north' / 'data'} was deleted" in removed.output
    assert (tmp_path / "workspace.yaml").read_text() == COMMENTED
    assert (tmp_path / "north" / "data" / "kept.txt").read_text() == "kept"
    assert read_settings(tmp_path / "north" / "data").archive is None and archive_of(tmp_path, "north").name == ""


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a b", "other", "'a b' cannot be the name of an archive"),
        ("élan", "other", "cannot be the name of an archive"),
        ("archives", "other", "it is used by Dagster"),
        ("North", "other", "There is an archive north already"),
        ("west", "north/data", "This archive is 'north' in the Dagster of"),
        ("west", "north/data/inner", "of the archive north lie in one another"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_changes_nothing(
    tmp_path: Path, name: str, data: str, sentence: str
) -> None:
    add(tmp_path, "north")
    before = (tmp_path / "workspace.yaml").read_text(), (tmp_path / "dagster_home" / "archives.toml").read_text()
    photos = tmp_path / "north" / "photos"
    options = ["--photos", photos, "--data", tmp_path / data, "--file", tmp_path / "workspace.yaml"]
    done = CliRunner().invoke(cli, ["workspace", "add", name, *map(str, options)])
    assert done.exit_code == 1 and sentence in str(done.exception)
    after = (tmp_path / "workspace.yaml").read_text(), (tmp_path / "dagster_home" / "archives.toml").read_text()
    assert after == before and not (tmp_path / "other").exists()


def test_archives_that_share_a_process_are_one_code_location(tmp_path: Path) -> None:
    for name in ("north", "south"):
        add(tmp_path, name, "--together")
    entry = {"module_name": MODULE, "location_name": "archives"}
    assert yaml.safe_load((tmp_path / "workspace.yaml").read_text())["load_from"] == [{"python_module": entry}]
    classface("workspace", "remove", "north", "--file", tmp_path / "workspace.yaml")
    assert yaml.safe_load((tmp_path / "workspace.yaml").read_text())["load_from"] == [{"python_module": entry}]
    classface("workspace", "remove", "south", "--file", tmp_path / "workspace.yaml")
    assert not yaml.safe_load((tmp_path / "workspace.yaml").read_text())["load_from"]


def test_the_name_of_another_archive_in_the_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "north")
    monkeypatch.setenv("CLASSFACE_ARCHIVE", "south")
    done = CliRunner().invoke(cli, ["made", "--data", str(tmp_path / "north" / "data")])
    assert done.exit_code == 1 and "CLASSFACE_ARCHIVE is 'south', but this archive is 'north'" in str(done.exception)


def test_without_a_name_everything_is_called_as_it_always_was() -> None:
    assert ALONE.asset_key("images") == dg.AssetKey("images") and ALONE.tags == {}
    assert ALONE.school_years_name == "school_year" and ALONE.pool("inference") == "inference"
    assert NORTH.asset_key("images") == dg.AssetKey(["north", "images"])
    assert NORTH.school_years_name == "north/school_year" and NORTH.pool("inference") == "north/inference"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DagsterUi]]:
    """Two archives in one workspace, each with a process of its own, and Dagster's web server."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        for name in ("north", "south"):
            add(folder, name)
        with (
            open_instance(archive_of(folder, "north").layout) as instance,
            workspace_ui(folder / "workspace.yaml", instance) as ui,
        ):
            yield folder, ui


def materialize(ui: DagsterUi, names: ArchiveNames) -> None:
    given = {"assetSelection": [{"path": names.asset_key("images").path}], "partitionNames": [YEAR], "title": "one"}
    launched = ui.ask(LAUNCH, {"given": given})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched


def work_until(ui: DagsterUi, runs: int) -> list[dg.RunRecord]:
    """Do what Dagster's daemon does, until so many runs are over."""
    workspace, queue = ui.workspace, QueuedRunCoordinatorDaemon(interval_seconds=1)
    assert isinstance(workspace, WorkspaceProcessContext)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        errors = [*execute_backfill_iteration(workspace, logging.getLogger("daemon")), *queue.run_iteration(workspace)]
        assert [error for error in errors if error is not None] == []
        done = [one for one in workspace.instance.get_run_records() if one.dagster_run.is_finished]
        if len(done) >= runs:
            return done
        time.sleep(0.2)
    raise AssertionError(f"the runs are not over after {PATIENCE_S} s")


@pytest.mark.slow
def test_the_page_shows_each_archive_under_its_name_with_its_own_keys(shared: tuple[Path, DagsterUi]) -> None:
    entries: list[dict[str, Any]] = shared[1].ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
    assert [entry["name"] for entry in entries] == ["north", "south"]
    for entry in entries:
        (repository,) = entry["locationOrLoadError"]["repositories"]
        assert repository["name"] == entry["name"]
        keys = [node["assetKey"]["path"] for node in repository["assetNodes"]]
        assert len(keys) == 12 and {key[0] for key in keys} == {entry["name"]}
        assert {node["groupName"] for node in repository["assetNodes"]} == {"ingest", "identity", "albums"}


@pytest.mark.slow
def test_an_archive_that_fails_holds_no_other_up_and_none_sees_the_runs_of_the_other(
    shared: tuple[Path, DagsterUi],
) -> None:
    folder, ui = shared
    instance = ui.workspace.instance
    (folder / "north" / "photos" / YEAR / "photo.png").unlink()
    (folder / "north" / "photos" / YEAR).rmdir()
    for names in (NORTH, SOUTH):
        materialize(ui, names)
    by_archive = {record.dagster_run.tags[ARCHIVE_TAG]: record.dagster_run for record in work_until(ui, 2)}
    assert by_archive["north"].status == dg.DagsterRunStatus.FAILURE
    assert by_archive["south"].status == dg.DagsterRunStatus.SUCCESS
    assert instance.get_materialized_partitions(SOUTH.asset_key("images")) == {YEAR}
    assert instance.get_materialized_partitions(NORTH.asset_key("images")) == set()
    for names in (NORTH, SOUTH):
        assert [one.dagster_run for one in names.run_records(instance)] == [by_archive[names.name]]
        assert names.count_runs(instance) == 1
    assert ALONE.count_runs(instance) == 0 and list(ALONE.run_records(instance)) == []

    # A school year that one of them gets is none of the other.
    instance.add_dynamic_partitions(SOUTH.school_years_name, ["2020-2021"])
    assert instance.get_dynamic_partitions(NORTH.school_years_name) == [YEAR]

    # What `classface run` makes is beside it, under the same keys; nothing of it is done again.
    made = classface("run", *folders(folder, "south", ())).output
    assert "files" in made
    runs = list(SOUTH.run_records(instance))
    assert len(runs) > 1 and all(one.dagster_run.tags[ARCHIVE_TAG] == "south" for one in runs)
    assert {one.asset for one in last_made(instance, names=SOUTH)} >= {"images", "detections", "identities"}
    assert last_made(instance, names=NORTH) == [] and NORTH.count_runs(instance) == 1
    assert "Nothing is new in 1 school year." in classface("run", *folders(folder, "south", ())).output

    # Old records and erased ones are of one archive.
    later = datetime.now(UTC) + timedelta(days=1)
    assert old_runs(instance, later, NORTH) == [], "a failure that was not made good stays"
    assert set(old_runs(instance, later, SOUTH)) <= {one.dagster_run.run_id for one in runs}
    prune_records(instance, folder / "dagster_home", 1, SOUTH)
    delete_all_run_records(instance, folder / "dagster_home", SOUTH)
    assert SOUTH.count_runs(instance) == 0 and SOUTH.recorded_keys(instance) == []
    assert NORTH.count_runs(instance) == 1


@pytest.mark.slow
def test_release_frees_the_killed_runs_of_its_own_archive_alone(shared: tuple[Path, DagsterUi]) -> None:
    instance = shared[1].workspace.instance
    for names in (NORTH, SOUTH):
        instance.add_run(
            dg.DagsterRun(
                job_name="ingest_year",
                run_id=make_new_run_id(),
                tags=names.tags,
                status=dg.DagsterRunStatus.NOT_STARTED,
            )
        )
        run = next(names.run_records(instance)).dagster_run
        instance.report_engine_event("began", run, EngineEventData({"pid": dg.MetadataValue.text(NOBODY)}))
        instance.report_dagster_event(
            dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="ingest_year"), run.run_id
        )
    freed = fail_dead_runs(instance, NORTH)
    assert len(freed) == 1 and NORTH.owns_run(instance.get_run_by_id(freed[0].run_id))  # type: ignore[arg-type]
    assert next(SOUTH.run_records(instance)).dagster_run.status == dg.DagsterRunStatus.STARTED
