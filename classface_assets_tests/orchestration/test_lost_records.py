"""Dagster's records in a PostgreSQL server that is gone for good: the archive can leave it by one command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.archive_lock import ArchiveLockedError, archive_lock
from classface_assets.orchestration.instance import RunInProgressError, open_instance
from classface_assets.orchestration.records.database import SETTINGS_FILE, RecordsDatabaseError, records_database
from classface_assets.orchestration.records.local_processes import dagster_processes

NOWHERE = "postgresql+psycopg2://me:secret@127.0.0.1:1/dagster"
UNSEEN = "Whether a run of this archive still goes on elsewhere could not be seen"
LOST = {
    "server": (NOWHERE, "postgresql://me:***@127.0.0.1:1/dagster cannot be reached"),
    "variable": ({"env": "LOST_RECORDS"}, "LOST_RECORDS is not set"),
    "extra": (NOWHERE, "pip install 'classface_assets[postgres]'"),
}


def config(layout: ArchiveLayout, *options: str) -> Result:
    arguments = ["dagster-config", "--photos", str(layout.photos), "--data", str(layout.data), *options]
    return CliRunner().invoke(cli, arguments)


def settings_of(layout: ArchiveLayout) -> Path:
    return layout.dagster_home / SETTINGS_FILE


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "photos" / "2019-2020").mkdir(parents=True)
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


def lose(layout: ArchiveLayout, url: object) -> None:
    layout.dagster_home.mkdir(parents=True)
    settings = {
        "storage": {"postgres": {"postgres_url": url}},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }
    settings_of(layout).write_text(yaml.safe_dump(settings))


@pytest.fixture(params=LOST)
def reason(request: pytest.FixtureRequest, layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch) -> str:
    """Why the records of the archive are out of reach."""
    if request.param == "server":
        pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    if request.param == "extra":
        monkeypatch.setitem(sys.modules, "dagster_postgres", None)  # as where it is not installed
    url, why = LOST[request.param]
    lose(layout, url)
    return why


def test_records_out_of_reach_are_left_with_a_sentence(layout: ArchiveLayout, reason: str) -> None:
    left = config(layout, "--sqlite")
    assert left.exit_code == 0, left.output
    (line,) = [line for line in left.stderr.splitlines() if line.startswith(UNSEEN)]
    assert reason in line and "secret" not in left.output
    assert records_database(layout.dagster_home) is None
    assert yaml.safe_load(settings_of(layout).read_text())["nux"] == {"enabled": False}, "what people set stays"
    with open_instance(layout) as instance:
        assert instance.get_dynamic_partitions("school_year") == ["2019-2020"]


def test_a_change_that_keeps_records_out_of_reach_changes_nothing(layout: ArchiveLayout, reason: str) -> None:
    before = settings_of(layout).read_bytes()
    refused = config(layout, "--max-runs", "3")
    assert isinstance(refused.exception, RecordsDatabaseError) and reason in str(refused.exception)
    assert settings_of(layout).read_bytes() == before and [*layout.dagster_home.iterdir()] == [settings_of(layout)]


def test_a_variable_that_is_not_set_any_more_is_one_sentence_in_every_command(layout: ArchiveLayout) -> None:
    lose(layout, LOST["variable"][0])
    with pytest.raises(RecordsDatabaseError, match="LOST_RECORDS is not set"):
        open_instance(layout)


@pytest.fixture
def server_here(layout: ArchiveLayout) -> Iterator[int]:
    """A process as a server of Dagster's is seen: Python, with the archive's home in its environment."""
    environment = os.environ | {"DAGSTER_HOME": str(layout.dagster_home)}
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        yield process.pid
        process.kill()


def test_records_out_of_reach_are_not_left_while_dagster_runs_here(layout: ArchiveLayout, server_here: int) -> None:
    lose(layout, LOST["variable"][0])
    before = settings_of(layout).read_bytes()
    refused = config(layout, "--sqlite")
    assert isinstance(refused.exception, RunInProgressError)
    assert f"(process {server_here})" in str(refused.exception)
    assert settings_of(layout).read_bytes() == before
    assert dagster_processes(layout.dagster_home) == [server_here]
    assert dagster_processes(layout.local) == []


def test_records_out_of_reach_are_not_left_while_another_command_runs(layout: ArchiveLayout) -> None:
    lose(layout, LOST["variable"][0])
    with archive_lock(layout, "classface run", print):
        refused = config(layout, "--sqlite")
    assert isinstance(refused.exception, ArchiveLockedError) and isinstance(refused.exception, UserError)
    assert config(layout, "--sqlite").exit_code == 0


def ask_server(url: str, statement: str) -> None:
    parsed = sa.make_url(url).set(drivername="postgresql+psycopg", database="postgres")
    engine = sa.create_engine(parsed, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as con:
        con.exec_driver_sql(statement)


def test_an_archive_whose_postgresql_database_was_dropped_moves_to_another(
    layout: ArchiveLayout, postgres_ledger: str
) -> None:
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    url = postgres_ledger.replace("postgresql+psycopg:", "postgresql:")
    name = str(sa.make_url(url).database)
    assert config(layout, "--postgres", url).exit_code == 0
    ask_server(url, f"DROP DATABASE {name} WITH (FORCE)")
    ask_server(url, f"CREATE DATABASE {name}_new")
    moved = config(layout, "--postgres", url.replace(name, f"{name}_new"))
    assert moved.exit_code == 0 and UNSEEN in moved.stderr and "does not exist" in moved.stderr, moved.output
    with open_instance(layout) as instance:
        assert instance.get_dynamic_partitions("school_year") == ["2019-2020"]
