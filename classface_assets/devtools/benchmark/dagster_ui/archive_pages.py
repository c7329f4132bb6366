"""The pages of Dagster's UI that a user opens where many archives share it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from classface_assets.devtools.benchmark.dagster_ui.page_times import PageTime, PageToOpen, measure_first_page
from classface_assets.orchestration.settings.workspace_file import TOGETHER

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GROUP = "an archive's group"


def pages_of(names: Sequence[str]) -> list[PageToOpen]:
    """The pages that a user opens.

    Args:
        names: Of the archives.
    """
    last = names[-1]
    job = f"/locations/{last}@{TOGETHER}/jobs/ingest_year"
    return [
        PageToOpen("overview", "/overview/activity/timeline", "Timeline"),
        PageToOpen("runs", "/runs", "Runs"),
        PageToOpen("catalog", "/assets", f"{names[0]} / album_site"),
        PageToOpen(GROUP, f"/locations/{last}@{TOGETHER}/asset-groups/ingest", "images"),
        PageToOpen("an asset", f"/assets/{last}/images", "mtime_ns"),
        PageToOpen("launchpad", f"{job}/playground", "No errors"),
        # Its rows come in any order, and those out of sight are not there.
        PageToOpen("code locations", "/locations", f"{len(names)} code location{'s' if len(names) > 1 else ''}"),
        PageToOpen("automation", "/automation", "photo_folders"),
    ]


def first_page(browser: "Browser", url: str, names: Sequence[str]) -> PageTime:
    """How long an archive's group takes that somebody opens by a link, in a browser that knows nothing of it.

    Args:
        browser: A Chromium.
        url: Of Dagster's web server.
        names: Of the archives.
    """
    group = next(page for page in pages_of(names) if page.name == GROUP)
    return measure_first_page(browser, url, replace(group, name=f"{GROUP}, the first page of a browser"))
