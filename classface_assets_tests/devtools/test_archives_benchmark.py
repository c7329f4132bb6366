"""The benchmark of many archives in one Dagster: it adds, loads, opens and ticks them, and prints what that took."""

import os
import subprocess
import sys

import pytest

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


@pytest.mark.slow
def test_no_archives_are_one_sentence() -> None:
    done = bench("0")
    assert done.returncode == 1 and done.stderr.strip().endswith("There are 0 archives to make; give at least one.")
