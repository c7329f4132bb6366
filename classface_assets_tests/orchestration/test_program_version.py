"""Machines of one archive with different versions of the program."""

import json
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.settings import program_version
from classface_assets.orchestration.settings.program_version import (
    VERSION_FILE,
    OlderProgramError,
    require_newest_version,
)
from classface_assets_tests.support.remote import YEARS, Remote


@pytest.fixture
def shared(tmp_path: Path) -> ArchiveLayout:
    """Of an archive at a URL."""
    return ArchiveLayout(tmp_path / "photos", UPath("memory://archive") / tmp_path.name, tmp_path / "local")


def as_version(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setattr(program_version, "version", lambda _: number)


def test_an_older_program_is_refused_and_a_newer_one_is_noted(
    shared: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("0.9.2", "0.9.2", "0.10.0"):
        as_version(monkeypatch, number)
        require_newest_version(shared)
        assert json.loads((shared.data / VERSION_FILE).read_text()) == {"version": number}
    as_version(monkeypatch, "0.9.9")
    with pytest.raises(OlderProgramError, match=r"^classface 0\.10\.0 has worked on the archive in memory:.*; install"):
        require_newest_version(shared)
    (shared.data / VERSION_FILE).write_text("no JSON")
    require_newest_version(shared)
    assert json.loads((shared.data / VERSION_FILE).read_text()) == {"version": "0.9.9"}


def test_a_local_archive_has_no_note_of_the_version(layout: ArchiveLayout) -> None:
    layout.data.mkdir(parents=True)
    require_newest_version(layout)
    assert list(layout.data.iterdir()) == []


@pytest.mark.slow
def test_a_run_of_a_worker_with_an_older_program_fails_with_a_sentence(bucket: UPath, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for year in YEARS:
        (photos / year).mkdir(parents=True)
    with dg.DagsterInstance.ephemeral() as instance:
        world = Remote(tmp_path, instance, photos_at=str(photos), data_at=str(bucket / "data"))
        (bucket / "data" / VERSION_FILE).write_text('{"version": "99.0.0"}')
        failures = world.run()
        assert {one.job for one in failures} >= {"ingest_year", "identify"}
        assert all("classface 99.0.0 has worked on the archive" in one.reason for one in failures)
