"""Runs of the command line in Dagster's pages: its timeline leaves out what belongs to no code location."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from classface_assets.cli.__main__ import cli
from classface_assets.devtools.benchmark.dagster_ui.web_server import dagster_ui
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance

# Dagster's own server calls functions of Dagster that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OF_JOBS = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories { pipelines { name runs(limit: 9) { runId status } } } } } } } } }"""
IN_TIMELINE = """{ runsOrError(filter: {}) { ... on Runs { results {
  pipelineName repositoryOrigin { repositoryName repositoryLocationName } } } } }"""


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


def classface(*arguments: str) -> None:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, f"{done.output}{done.exception}"


def places(folder: Path) -> list[str]:
    (folder / "photos" / "2019-2020").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(folder / "photos" / "2019-2020" / "photo.png")
    return [f"--photos={folder / 'photos'}", f"--data={folder / 'data'}"]


def test_a_run_of_the_command_line_is_in_the_timeline_and_on_the_page_of_its_job(tmp_path: Path) -> None:
    classface("run", *places(tmp_path))
    archive = resolve_archive(tmp_path / "photos", tmp_path / "data")
    with open_instance(archive.layout) as instance, dagster_ui(archive, instance) as ui:
        shown = ui.ask(IN_TIMELINE)["runsOrError"]["results"]
        (location,) = ui.ask(OF_JOBS)["workspaceOrError"]["locationEntries"]
    here = {"repositoryName": "__repository__", "repositoryLocationName": "classface_assets.definitions"}
    assert shown and all(run["repositoryOrigin"] == here for run in shown)
    jobs = location["locationOrLoadError"]["repositories"][0]["pipelines"]
    of_job = {job["name"]: [run["status"] for run in job["runs"]] for job in jobs if job["runs"]}
    assert of_job["ingest_year"] == ["SUCCESS"] and sum(map(len, of_job.values())) >= len(shown)


@pytest.mark.parametrize(("options", "location"), [([], "north"), (["--together"], "archives")])
def test_so_is_one_of_an_archive_that_shares_its_dagster(tmp_path: Path, options: list[str], location: str) -> None:
    where, workspace = places(tmp_path / "north"), tmp_path / "workspace.yaml"
    classface("workspace", "add", "north", *where, f"--file={workspace}", *options)
    classface("run", *where)
    archive = resolve_archive(tmp_path / "north" / "photos", tmp_path / "north" / "data")
    (entry,) = yaml.safe_load(workspace.read_text())["load_from"]
    with open_instance(archive.layout) as instance:
        origins = [run.remote_job_origin for run in instance.get_runs()]
    assert entry["python_module"]["location_name"] == location
    assert origins and all(
        one is not None and (one.repository_origin.repository_name, one.location_name) == ("north", location)
        for one in origins
    )
