"""`make bench-dagster-ui`: how long Dagster's UI takes to list many school years, in Chromium on its web server.

make bench-dagster-ui              300 school years
make bench-dagster-ui YEARS=30     another number of them

Every asset of every year is recorded as made, with metadata as large as a real run's. CHROMIUM names the browser.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.dagster_ui.made_up_years import record_years, year_names
from classface_assets.devtools.benchmark.dagster_ui.page_times import PageTime, PageToOpen, find_chromium, measure_pages
from classface_assets.devtools.benchmark.dagster_ui.web_server import DEFINITIONS, dagster_ui
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Archive


def pages_of(years: int) -> list[PageToOpen]:
    """The pages that a user opens where there are so many school years."""
    job, latest = f"/locations/{DEFINITIONS}/jobs/ingest_year", year_names(years)[-1]
    return [
        PageToOpen("catalog", "/assets", "student_coverage"),
        PageToOpen("graph", "/asset-groups", "ingest"),
        PageToOpen("an asset", "/assets/images", "mtime_ns"),
        PageToOpen("its partitions", f"/assets/images?view=partitions&partition={latest}", "photos_done"),
        PageToOpen("partitions with pictures", f"/assets/detections?view=partitions&partition={latest}", "best_faces"),
        PageToOpen("events with pictures", "/assets/detections?view=events", "best_faces"),
        PageToOpen("launchpad", f"{job}/playground", "No errors"),
        PageToOpen("partitions of a job", f"{job}/partitions", str(years)),
        PageToOpen("overview", "/overview/activity/timeline", "Timeline"),
    ]


@contextmanager
def served_years(folder: Path, years: int) -> Iterator[str]:
    """Dagster's web server over the records of so many school years, without photos; yields its address."""
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
    (folder / "photos").mkdir(parents=True)
    with open_instance(archive.layout) as instance:
        record_years(instance, years)
        with dagster_ui(archive, instance) as ui:
            yield ui.url


def print_times(times: list[PageTime], years: int) -> None:
    """Print a row for each page."""
    table = Table("page of Dagster's UI", "seconds", "CPU", "slowest query", "seconds")
    table.title = f"{years:,} school years"
    for one in times:
        name, seconds = one.slowest
        table.add_row(one.page.name, f"{one.seconds:.2f}", f"{one.processor_s:.2f}", name, f"{seconds:.2f}")
    Console(width=110, highlight=False).print(table)


def bench(years: int) -> None:
    """Record that many school years and open the pages."""
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    with (
        tempfile.TemporaryDirectory() as folder,
        served_years(Path(folder), years) as url,
        sync_playwright() as playing,
    ):
        browser = playing.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print_times(list(measure_pages(browser, url, pages_of(years))), years)
        browser.close()


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    try:
        bench(int(options.get("YEARS") or 300))
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-dagster-ui: {error}") from None


if __name__ == "__main__":
    main(os.environ)
