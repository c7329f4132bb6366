"""Dagster's own databases that are damaged: one sentence, new records by one command, and nothing computed again."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.runner.school_years import select_years
from classface_assets.orchestration.instance import open_instance, prepare_instance
from classface_assets.orchestration.records.run_history import delete_all_run_records
from classface_assets.orchestration.records.sqlite.damaged_records import (
    DamagedRecordsError,
    as_damaged_records_error,
    records_set_aside,
    set_records_aside,
)
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def _garbage(file: Path) -> None:
    file.write_bytes(random.Random(0).randbytes(9000))


def _cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 // 512 * 512 + 100])


def _pages_overwritten(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for at in range(4096, len(content), 8192):
        content[at : at + 200] = b"\xff" * 200
    file.write_bytes(content)


def _folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of an archive with one run. Tests only read them."""
    layout = ArchiveLayout(tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(layout) as instance:
            instance.add_dynamic_partitions("school_year", ["2019-2020"])
            instance.report_runless_asset_event(dg.AssetMaterialization("images", partition="2019-2020"))
    return layout.dagster_home


@pytest.fixture
def records(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    shutil.copytree(home, tmp_path / "data" / "dagster_home")
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


@pytest.mark.parametrize("name", [*DATABASES, "dagster.yaml"])
@pytest.mark.parametrize("damage", [_garbage, _cut_off, _pages_overwritten, _folder_instead])
def test_damaged_records_are_one_sentence_and_a_command_starts_new_ones(
    records: ArchiveLayout, name: str, damage: Callable[[Path], None]
) -> None:
    if name == "dagster.yaml" and damage in (_cut_off, _pages_overwritten):
        pytest.skip("half of these settings are settings too")
    damage(records.dagster_home / name)
    with pytest.raises(
        DamagedRecordsError, match=r"^Dagster's records in [^\n]* are damaged; `classface release --rebuild` [^\n]*\.$"
    ):
        open_instance(records)
    aside = set_records_aside(records)
    assert aside is not None and aside.parent == records_set_aside(records.dagster_home)
    with open_instance(records) as instance:
        assert instance.get_dynamic_partitions("school_year") == []
        delete_all_run_records(instance, records.dagster_home)
    assert not aside.exists(), "what was set aside is erased with the records"


def test_an_error_of_a_damaged_event_log_is_the_same_sentence(records: ArchiveLayout) -> None:
    with open_instance(records) as instance:
        run_id = dg.DagsterInstance.get().create_run_for_job(_nothing).run_id
        log = records.dagster_home / "history" / "runs" / f"{run_id}.db"
        instance.all_logs(run_id)
    _garbage(log)
    with open_instance(records) as instance, pytest.raises(Exception, match="not a database") as raised:
        instance.all_logs(run_id)
    sentence = as_damaged_records_error(raised.value)
    assert sentence is not None and sentence.file == log
    assert as_damaged_records_error(ValueError("something else")) is None


@dg.job
def _nothing() -> None:
    """A job without a step."""


def test_after_new_records_a_run_with_nothing_new_does_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = world.layout
    monkeypatch.setenv("DAGSTER_HOME", "")
    instance, years = prepare_instance(layout)
    with instance:
        real = World(world.folder, instance)
        assert real.run() == []
        before = instance.get_runs_count()
        assert real.run() == [] and instance.get_runs_count() == before
    _garbage(layout.dagster_home / DATABASES[1])
    command = ["--photos", str(layout.photos), "--data", str(layout.data)]
    failed = CliRunner().invoke(cli, ["run", *command])
    assert "classface release --rebuild" in str(failed.exception)
    rebuilt = CliRunner().invoke(cli, ["release", *command, "--rebuild"])
    assert rebuilt.exit_code == 0 and f"New records of {len(years)} school years" in rebuilt.output, rebuilt.output
    parts = {file: file.stat().st_mtime_ns for file in Path(str(layout.data)).rglob("*.parquet")}
    with open_instance(layout) as instance:
        lines: list[str] = []
        again = World(world.folder, instance)
        assert again.chain.run(select_years(layout, None), lines.append) == []
        assert lines == [f"Nothing is new in {len(years)} school years."] and instance.get_runs_count() == 0
        assert instance.get_materialized_partitions(dg.AssetKey("images")) == set(years)
    assert parts == {file: file.stat().st_mtime_ns for file in Path(str(layout.data)).rglob("*.parquet")}
