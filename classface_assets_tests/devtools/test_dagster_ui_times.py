"""The benchmark of Dagster's pages: it opens them on its own web server, and tells which queries they wait for."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.dagster_ui.dagster_ui import pages_of, print_times, served_years
from classface_assets.devtools.benchmark.dagster_ui.page_times import find_chromium, measure_pages
from classface_assets.devtools.benchmark.dagster_ui.web_server import workspace_ui

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Dagster's own server calls functions of Dagster that are deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
YEARS = 12


def test_pages_that_list_the_school_years_are_opened_and_timed_with_their_queries(
    browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    pages = [page for page in pages_of(YEARS) if page.name in ("its partitions", "partitions of a job")]
    with served_years(tmp_path, YEARS) as url:
        times = list(measure_pages(browser, url, pages))
    assert [one.page for one in times] == pages
    assert "PartitionHealthQuery" in times[0].queries and all(one.queries for one in times)
    assert all(seconds > 0 for one in times for seconds in (one.seconds, *one.queries.values()))
    print_times(times, YEARS)
    printed = capsys.readouterr().out
    assert all(page.name in printed for page in pages)


def test_a_code_location_that_cannot_be_loaded_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: [{python_module: {module_name: not_there_at_all}}]")
    refused = pytest.raises(UserError, match=r"A code location cannot be loaded: .*not_there_at_all")
    quietly = warnings.catch_warnings(action="ignore")
    with dg.instance_for_test() as instance, refused, quietly, workspace_ui(workspace, instance):
        pytest.fail("it is not loaded")


def test_a_browser_that_is_not_there_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(UserError, match=r"No Chromium was found; install the package chromium, or name a file"):
        find_chromium()
