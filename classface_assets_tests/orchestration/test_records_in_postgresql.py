"""Dagster's records in a real PostgreSQL database: they move there by one command, and are used and erased there."""

import json
import os
import stat
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result

from classface_assets.cli.__main__ import cli
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.records.database import (
    SETTINGS_BEFORE,
    SETTINGS_FILE,
    RecordsDatabaseError,
    parse_database,
    records_database,
)
from classface_assets.orchestration.records.retention import prune_records
from classface_assets.orchestration.records.run_history import delete_all_run_records
from classface_assets.orchestration.settings.file import read_settings
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow
PICTURE = b"a picture of a face"


@dg.asset
def faces() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"picture": PICTURE.decode()})


def config(layout: ArchiveLayout, *options: str) -> Result:
    arguments = ["dagster-config", "--photos", str(layout.photos), "--data", str(layout.data), *options]
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "photos" / "2019-2020").mkdir(parents=True)
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


@pytest.fixture
def url(postgres_ledger: str) -> str:
    """The URL of an empty database, as an operator would write it."""
    return postgres_ledger.replace("postgresql+psycopg:", "postgresql:")


def ask(url: str, *statements: str) -> object:
    """The one value that the last statement gives."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as con:
        *_, last = [con.exec_driver_sql(statement) for statement in statements]
        value = last.scalar_one()
    engine.dispose()
    return value


def bytes_on_disk(url: str, table: str) -> bytes:
    where = ask(
        url, "CHECKPOINT", f"SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{table}')"
    )
    return Path(str(where)).read_bytes()


def test_records_move_to_postgresql_with_what_there_is_and_back(world: World, url: str) -> None:
    moved = config(world.layout, "--postgres", url, "--max-runs", "5")
    assert moved.exit_code == 0, moved.output
    home = world.layout.dagster_home
    settings = yaml.safe_load((home / SETTINGS_FILE).read_text())
    assert settings["storage"]["postgres"]["postgres_url"].startswith("postgresql+psycopg2://")
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 5
    assert settings["concurrency"]["pools"]["default_limit"] == 1 and settings["run_monitoring"]["enabled"]
    assert stat.S_IMODE((home / SETTINGS_FILE).stat().st_mode) == 0o600
    years = len([folder for folder in world.layout.photos.iterdir() if folder.is_dir()])
    with open_instance(world.layout) as instance:
        assert len(instance.get_materialized_partitions(dg.AssetKey("embeddings"))) == years
    assert ask(url, "SELECT count(*) FROM event_logs WHERE partition IS NOT NULL") >= years
    shown = json.loads(config(world.layout, "--json").stdout)
    assert shown["records"].startswith("postgresql://") and shown["home"] == str(home)
    assert config(world.layout, "--sqlite").exit_code == 0
    assert records_database(home) is None and (home / SETTINGS_BEFORE).exists()


def test_what_is_deleted_leaves_nothing_in_postgresql(layout: ArchiveLayout, url: str) -> None:
    assert config(layout, "--postgres", url).exit_code == 0
    with open_instance(layout) as instance:
        assert dg.materialize([faces], instance=instance).success
        assert ask(url, "SELECT count(*) FROM runs") == 1
        assert PICTURE in bytes_on_disk(url, "event_logs")
        assert prune_records(instance, layout.dagster_home, days=30).runs == 0
        assert delete_all_run_records(instance, layout.dagster_home) == 1
        assert instance.get_latest_materialization_event(dg.AssetKey("faces")) is None
    assert ask(url, "SELECT count(*) FROM runs") == 0
    assert PICTURE not in bytes_on_disk(url, "event_logs")


def test_a_database_holds_the_records_of_one_archive(layout: ArchiveLayout, tmp_path: Path, url: str) -> None:
    assert config(layout, "--postgres", url).exit_code == 0
    other = ArchiveLayout(layout.photos, tmp_path / "other")
    refused = config(other, "--postgres", url)
    assert isinstance(refused.exception, RecordsDatabaseError)
    assert "needs a database of its own" in str(refused.exception) and str(layout.data) in str(refused.exception)
    assert records_database(other.dagster_home) is None, "its settings are as before"
    assert config(other, "--postgres", url, "--take-over").exit_code == 0


def test_archives_that_have_a_name_share_a_database(layout: ArchiveLayout, tmp_path: Path, url: str) -> None:
    for name in ("north", "south"):
        places = ["--photos", str(layout.photos), "--data", str(tmp_path / name)]
        workspace = ["--file", str(tmp_path / "workspace.yaml"), "--home", str(tmp_path / "home")]
        added = CliRunner().invoke(cli, ["workspace", "add", name, *places, *workspace])
        assert added.exit_code == 0, added.output
    os.environ["DAGSTER_HOME"] = ""
    for name in ("north", "south"):  # the one note of whose the records are holds for both
        named = ArchiveLayout(layout.photos, tmp_path / name)
        assert config(named, "--postgres", url).exit_code == 0
    stored = read_settings(tmp_path / "north")
    assert stored.archive == "north" and stored.dagster_home == str(tmp_path / "home")
    refused = config(layout, "--postgres", url)
    assert refused.exit_code == 1 and "archives that have a name; give this one a name too" in str(refused.exception)
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        for name in ("north", "south"):
            assert instance.get_dynamic_partitions(f"{name}/school_year") == ["2019-2020"]


def test_a_password_stays_in_the_environment(layout: ArchiveLayout, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDS_URL", url.replace("postgresql://me@", "postgresql+psycopg2://me:secret@"))
    result = config(layout, "--postgres", "env:RECORDS_URL")
    assert result.exit_code == 0, result.output
    assert "secret" not in (layout.dagster_home / SETTINGS_FILE).read_text() + result.output
    monkeypatch.setenv("RECORDS_URL", url)
    with pytest.raises(RecordsDatabaseError, match="has to begin with"):
        records_database(layout.dagster_home)
    monkeypatch.delenv("RECORDS_URL")
    with pytest.raises(RecordsDatabaseError, match="RECORDS_URL is not set"):
        records_database(layout.dagster_home)


def test_a_server_that_is_away_is_one_sentence(layout: ArchiveLayout, url: str) -> None:
    away = "postgresql+psycopg2://me@127.0.0.1:1/dagster"
    result = config(layout, "--postgres", away)
    assert isinstance(result.exception, RecordsDatabaseError) and "cannot be reached" in str(result.exception)
    assert config(layout, "--postgres", url).exit_code == 0
    file = layout.dagster_home / SETTINGS_FILE
    file.write_text(
        file.read_text().replace(yaml.safe_load(file.read_text())["storage"]["postgres"]["postgres_url"], away)
    )
    with pytest.raises(RecordsDatabaseError, match=r"127\.0\.0\.1:1/dagster cannot be reached"):
        open_instance(layout)


@pytest.mark.parametrize("text", ["mysql://me@host/dagster", "postgresql://me@host", "no url", "env:NOT_SET_AT_ALL"])
def test_what_is_no_postgresql_database_is_refused(text: str) -> None:
    assert "NOT_SET_AT_ALL" not in os.environ
    with pytest.raises(RecordsDatabaseError, match="URL"):
        parse_database(text)
