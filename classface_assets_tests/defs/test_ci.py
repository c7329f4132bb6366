"""The example of a workflow in the documentation: its commands, run as they stand there on a small archive."""

import json
import os
import shlex
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result
from dagster._cli import cli as dagster_cli
from markdown_it import MarkdownIt

from classface_assets.cli.__main__ import cli as classface_cli
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.records.database import records_database

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::dagster.SupersessionWarning")]

PAGE = Path(__file__).parents[2] / "classface_assets" / "docs" / "engineers" / "operation" / "ci.md"
COMMANDS = {"dagster": dagster_cli, "classface": classface_cli}


def workflow(*, records_in_postgresql: bool = False) -> dict[str, object]:
    """The workflow; or what is added to it for Dagster's records in PostgreSQL."""
    alone, added = [token.content for token in MarkdownIt().parse(PAGE.read_text()) if token.info == "yaml"]
    read = yaml.safe_load(added if records_in_postgresql else alone)
    assert isinstance(read, dict)
    return read


def run(command: str) -> Result:
    """One line of a workflow, in this process: a new one would load Dagster again each time."""
    program, *words = [os.path.expandvars(word) for word in shlex.split(command)]
    return CliRunner().invoke(COMMANDS[program], words)


@pytest.fixture
def job(sample: SampleArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The job of the workflow, with its environment on a photo of each school year."""
    for year in sample.photos.iterdir():
        photo = min(year.rglob("*.jpg"))
        copy = tmp_path / "photos" / photo.relative_to(sample.photos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(photo.read_bytes())
    (found,) = workflow()["jobs"].values()  # type: ignore[attr-defined]
    for name, value in found["env"].items():
        moved = value.replace("/srv/school", str(tmp_path)).replace("/srv/classface", str(tmp_path / "data"))
        monkeypatch.setenv(name, moved)
    monkeypatch.chdir(tmp_path)
    assert isinstance(found, dict)
    return found


def test_the_workflow_runs_every_night_on_a_machine_of_ones_own_and_one_at_a_time() -> None:
    read = workflow()
    assert read[True]["schedule"][0]["cron"].split()[2:] == ["*"] * 3  # type: ignore[index] # `on` is true in YAML
    assert read["concurrency"] and read["permissions"] == {}
    (job,) = read["jobs"].values()  # type: ignore[attr-defined]
    assert job["runs-on"][0] == "self-hosted"
    assert not [step for step in job["steps"] if "cache" in step.get("uses", "")], "no photo of a minor in a cache"


def test_the_commands_of_the_workflow_make_an_archive_with_albums_and_say_what_there_is(
    job: dict[str, object], tmp_path: Path
) -> None:
    steps = job["steps"]
    assert isinstance(steps, list) and len(steps) == 6
    results = [run(step["run"]) for step in steps]
    assert [one.exit_code for one in results] == [0] * 6, [str(one.exception) for one in results]
    made = json.loads(results[-1].stdout)
    years = [one["school_year"] for one in made if one["asset"] == "albums"]
    assert years == ["2016-2017", "2017-2018", "2018-2019", "2019-2020"]
    (faces,) = [one["numbers"]["dagster/row_count"] for one in made if one["asset"] == "face_tables"]
    assert faces > 3 and {one["unchanged"] for one in made} == {False}
    assert len({one["run_id"] for one in made}) == 4 and all(one["data_version"] and one["at"] for one in made)
    assert "Ana" not in results[-1].stdout, "numbers only"
    assert (tmp_path / "data" / "albums" / "index.html").is_file()
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 4, "one run for all school years of a step"


def test_the_records_of_the_workflow_are_in_postgresql_where_it_says_so(
    job: dict[str, object], tmp_path: Path, postgres_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (added,) = workflow(records_in_postgresql=True)["jobs"].values()  # type: ignore[attr-defined]
    service, ((variable, url),) = added["services"]["records"], added["env"].items()
    (step,) = added["steps"]
    given = service["env"]
    assert service["image"].startswith("postgres:") and service["ports"] == ["127.0.0.1:5432:5432"]
    user = f"{given['POSTGRES_USER']}:{given['POSTGRES_PASSWORD']}"
    assert url == f"postgresql+psycopg2://{user}@127.0.0.1:5432/{given['POSTGRES_DB']}"
    monkeypatch.setenv(variable, postgres_ledger.replace("postgresql+psycopg:", "postgresql+psycopg2:"))
    for _ in range(2):  # it is a step of every night
        assert run(step["run"]).exit_code == 0
    steps = job["steps"]
    assert isinstance(steps, list)
    assert run(steps[0]["run"]).exit_code == 0, "the school years"
    database = records_database(tmp_path / "data" / "dagster_home")
    assert database is not None and database.variable == variable
    with sa.create_engine(database.url, poolclass=sa.NullPool).connect() as con:
        assert con.exec_driver_sql("SELECT count(*) FROM dynamic_partitions").scalar_one() == 4


def test_dg_launch_makes_a_school_year_as_the_page_says(job: dict[str, object]) -> None:
    dg_cli = pytest.importorskip("dagster_dg_cli.cli", reason="dagster-dg-cli is not installed: the page says why")
    (command,) = [line.strip() for line in PAGE.read_text().splitlines() if line.strip().startswith("dg launch")]
    assert run("classface years sync").exit_code == 0
    launched = CliRunner().invoke(dg_cli.create_dg_cli(), shlex.split(command)[1:])
    assert launched.exit_code == 0, launched.output
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("embeddings")) == {"2019-2020"}


def test_a_command_that_fails_ends_with_an_exit_code_that_stops_the_workflow(
    job: dict[str, object], tmp_path: Path
) -> None:
    unknown = run("dagster asset materialize -m classface_assets.definitions --select images --partition 1999-2000")
    assert unknown.exit_code != 0
    assert run("classface years sync").exit_code == 0
    (tmp_path / "photos").rename(tmp_path / "away")
    failed = run('dagster asset materialize -m classface_assets.definitions --select images --partition-range "$YEARS"')
    assert failed.exit_code == 1 and "Materialization failed" in failed.output
