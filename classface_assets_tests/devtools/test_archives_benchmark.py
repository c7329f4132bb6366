"""The benchmark of many archives in one Dagster: it adds, loads, opens and ticks them, and prints what that took."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from classface_assets.devtools.benchmark.dagster_ui.archives import create_archives
from classface_assets.orchestration.records.database import records_database
from classface_assets_tests.support.windows import CHROMIUM

MODULE = "classface_assets.devtools.benchmark.dagster_ui.archives"


def bench(count: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: Dagster's daemon and Playwright each want the event loop."""
    environment = {**os.environ, "ARCHIVES": count, "CHROMIUM": CHROMIUM or "", "DAGSTER_HOME": ""}
    return subprocess.run([sys.executable, "-m", MODULE], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_every_step_with_two_archives_is_timed() -> None:
    done = bench("2")
    assert done.returncode == 0, done.stderr[-2000:]
    for line in ("adding one archive", "loading all archives", "page: catalog", "round of all automation conditions"):
        assert line in done.stdout
    assert "the longest tick of photo_folders" in done.stdout


def test_records_of_the_archives_are_in_postgresql_where_a_database_is_given(
    postgres_ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    shared, _ = create_archives(tmp_path, 1, postgres_ledger)
    database = records_database(shared.home)
    assert database is not None and not (shared.home / "storage").exists()
    with sa.create_engine(database.url, poolclass=sa.NullPool).connect() as con:
        keys = con.exec_driver_sql("SELECT asset_key FROM asset_keys").scalars().all()
    assert '["school_000", "embeddings"]' in keys


@pytest.mark.slow
def test_no_archives_are_one_sentence() -> None:
    done = bench("0")
    assert done.returncode == 1 and done.stderr.strip().endswith("There are 0 archives to make; give at least one.")
