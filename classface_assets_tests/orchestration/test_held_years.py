"""Folders that are no school years, by the thousand: one sentence and a question, and no run without a yes."""

import json
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from classface_assets.cli.__main__ import cli
from classface_assets.core.errors import UserError
from classface_assets.core.layout import MOST_NEW_YEARS
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.sensors.photo_folders import photo_folders
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import held_back_years, register_school_years
from classface_assets.store.catalog.school_years import year_folders
from classface_assets_tests.support.helpers import requested_years

YEARS = ("2018-2019", "2019-2020")
JUNK = 1_500


def make_folders(photos: Path, names: list[str]) -> None:
    for name in names:
        (photos / name).mkdir(parents=True)
        (photos / name / "file.js").write_bytes(b"//")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two school years, which a run has scanned, and since then many folders of a program."""
    make_folders(tmp_path / "photos", [*YEARS, *(f"module-{number}" for number in range(JUNK))])
    for year in YEARS:
        (tmp_path / "data" / "parts" / "images" / year).mkdir(parents=True)
    return Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))


def held(archive: Archive) -> list[str]:
    return held_back_years(archive.layout, year_folders(archive.layout))


def tick(archive: Archive, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    resources = {"archive": archive, "models": Models(pack="builtin")}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        answer = photo_folders(context)
    assert isinstance(answer, dg.SensorResult | dg.SkipReason)
    return answer


def test_an_archive_of_a_hundred_and_fifty_years_is_not_asked_about(tmp_path: Path) -> None:
    names = [f"{first}-{first + 1}" for first in (*range(1875, 1899), *range(1900, 2026))]
    make_folders(tmp_path / "photos", [*names, "Lehrer", "Abschluss", "scans"])
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))
    assert len(names) == 150 and held(archive) == []
    assert set(names) < set(select_years(archive.layout, None))
    with dg.DagsterInstance.ephemeral() as instance:
        assert set(names) < set(register_school_years(instance, archive.layout))


def test_folders_by_the_thousand_are_held_back_and_the_school_years_go_on(archive: Archive) -> None:
    assert len(held(archive)) == JUNK and not set(YEARS) & set(held(archive))
    assert select_years(archive.layout, None) == list(YEARS)
    assert select_years(archive.layout, "module-7, 2018-2019") == ["module-7", "2018-2019"], "who names them means them"
    assert len(select_years(archive.layout, None, accept_new=True)) == JUNK + len(YEARS)
    with dg.DagsterInstance.ephemeral() as instance:
        assert register_school_years(instance, archive.layout) == list(YEARS), "Dagster's page offers no other"


def test_the_sensor_runs_the_school_years_and_says_what_it_holds_back(archive: Archive) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(archive, instance)
        assert isinstance(first, dg.SensorResult)
        assert requested_years(first) == list(YEARS)
        assert list(json.loads(first.cursor or "")) == list(YEARS)
        second = tick(archive, instance, first.cursor)
    assert isinstance(second, dg.SkipReason)
    assert "1,500 new folders that would each be a school year of its own (module-0," in str(second.skip_message)
    assert "Nothing new in the 2 school years" in str(second.skip_message)


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_run_asks_once_and_without_a_yes_nothing_is_run_or_registered(
    archive: Archive, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(archive.layout.dagster_home))
    command = ["run", "--photos", archive.photos, "--data", archive.data]
    done = CliRunner().invoke(cli, command, input=answer)
    assert done.exit_code == 1
    assert done.stderr.count("new folders that would each be a school year of its own") == 1
    assert "`classface run --yes`, or set CLASSFACE_MOST_NEW_YEARS" in done.stderr
    assert "Run 1,500 new school years? [y/N]" in done.stdout
    with open_instance(archive.layout) as instance:
        assert instance.get_runs_count() == 0 and instance.get_dynamic_partitions("school_year") == []


def test_the_limit_is_a_setting(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held(archive.model_copy(update={"most_new_years": 0})) == []
    monkeypatch.setenv("CLASSFACE_MOST_NEW_YEARS", "1600")
    assert held(resolve_archive(archive.photos, archive.data)) == []
    monkeypatch.setenv("CLASSFACE_MOST_NEW_YEARS", "")
    assert resolve_archive(archive.photos, archive.data).most_new_years == MOST_NEW_YEARS
    monkeypatch.setenv("CLASSFACE_MOST_NEW_YEARS", "many")
    with pytest.raises(UserError, match="CLASSFACE_MOST_NEW_YEARS is 'many'; set it to a whole number from 0"):
        resolve_archive(archive.photos, archive.data)
