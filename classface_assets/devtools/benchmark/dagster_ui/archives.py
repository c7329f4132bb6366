"""`make bench-archives`: what many archives in one Dagster take: to add them, to load them, its sensors and its pages.

make bench-archives                300 archives, loaded by one process
make bench-archives ARCHIVES=20    another number of them
make bench-archives RECORDS=postgresql://user@host/empty    Dagster's records there, and not in SQLite files

Each has four school years of 150 photos (links to one small picture), and Dagster's records of a school in which 2,000
faces were found: every asset of every year as made, with metadata as large as a real run's. No vectors are made up, for
nothing that is measured here reads any. CHROMIUM names the browser.
"""

import logging
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from PIL import Image
from rich.console import Console

from classface_assets.core.errors import UserError
from classface_assets.defs.automation import ALL_YEARS_ASSETS
from classface_assets.devtools.benchmark.dagster_ui.archive_pages import first_page, pages_of
from classface_assets.devtools.benchmark.dagster_ui.made_up_years import record_years, year_names
from classface_assets.devtools.benchmark.dagster_ui.page_times import PageTime, find_chromium, measure_pages
from classface_assets.devtools.benchmark.dagster_ui.web_server import DagsterUi, workspace_ui
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.records.database import parse_database, write_settings
from classface_assets.orchestration.settings.archive_names import ArchiveNames, names_of
from classface_assets.orchestration.settings.archives import RegisteredArchive
from classface_assets.orchestration.settings.workspace_file import TOGETHER
from classface_assets.orchestration.updates.tags import AUTOMATIC
from classface_assets.services.first_run.shared_dagster import SharedDagster

YEARS, PHOTOS_A_YEAR = 4, 150
INTERVAL_S = 31.0
"""After which most sensors are due again."""
MB = 1_000_000
SHOWN_ROWS = 25
STATE = "{ id selectorId status hasStartPermission hasStopPermission }"
WORKSPACE = f"""query ($name: String!) {{ workspaceLocationEntryOrError(name: $name) {{ ... on WorkspaceLocationEntry {{
  locationOrLoadError {{ ... on RepositoryLocation {{ repositories {{ id name pipelines {{ id name isJob isAssetJob }}
    schedules {{ id name cronSchedule scheduleState {STATE} }}
    sensors {{ id name sensorType targets {{ mode pipelineName }} tags {{ key value }} sensorState {STATE} }}
}} }} }} }} }} }}"""
"""What the page asks once for each code location; of its list of sensors only the rows in sight are asked for more."""
ROW = """query ($one: SensorSelector!) { sensorOrError(sensorSelector: $one) { ... on Sensor { id name description
  targets { pipelineName } metadata { assetKeys { path } } minIntervalSeconds assetSelection { assetKeys { path } }
  sensorState { id status runningCount hasStartPermission hasStopPermission ticks(limit: 1) { id status timestamp }
    runs(limit: 1) { id status } nextTick { timestamp } } } } }"""


@dataclass(frozen=True)
class Measured:
    """One figure.

    Attributes:
        what: What was measured.
        value: How much.
        unit: Of what.
    """

    what: str
    value: float
    unit: str = "s"


def archive_names(count: int) -> list[str]:
    """So many names."""
    return [f"school_{number:03}" for number in range(count)]


def create_archives(folder: Path, count: int, records: str = "") -> tuple[SharedDagster, Measured]:
    """Make that many archives and add them to one Dagster.

    Args:
        folder: Where.
        count: How many.
        records: The URL of a PostgreSQL database for Dagster's records; "" for SQLite files.

    Returns:
        The Dagster, and the seconds that adding one archive took on average.
    """
    shared = SharedDagster(folder / "dagster_home", folder / "workspace.yaml")
    if records:
        write_settings(shared.home, parse_database(records))
    seconds = 0.0
    for name in archive_names(count):
        photos, data = folder / name / "photos", folder / name / "data"
        picture = folder / name / "picture.jpg"  # one for each: a file may have 65,000 names at most
        picture.parent.mkdir(parents=True)
        Image.new("RGB", (64, 48)).save(picture)
        for year in year_names(YEARS):
            (photos / year).mkdir(parents=True)
            for number in range(PHOTOS_A_YEAR):
                (photos / year / f"IMG_{number:04}.jpg").hardlink_to(picture)
        began = time.monotonic()
        added = shared.add(
            RegisteredArchive(name, str(data), str(photos), str(data), together=True), resolve_archive(photos, data)
        )
        seconds += time.monotonic() - began
        with open_instance(added.layout) as instance:
            _record(instance, names_of(added.layout))
    return shared, Measured("adding one archive", seconds / count)


def _record(instance: dg.DagsterInstance, names: ArchiveNames) -> None:
    record_years(instance, YEARS, names)
    for key in names.asset_keys(ALL_YEARS_ASSETS):
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata={"dagster/row_count": 2_000}))


def measure_loading(began: float) -> list[Measured]:
    """How long Dagster took to load the archives, and the memory of the processes that have them."""
    seconds, used = time.monotonic() - began, _cpu_seconds()
    own = psutil.Process()
    servers = sum(child.memory_info().rss for child in own.children(recursive=True))
    return [
        Measured("loading all archives", seconds),
        Measured("  processor time, with making them up", used),
        Measured("memory of the code servers", servers / MB, "MB"),
        Measured("memory of the web server, with this benchmark", own.memory_info().rss / MB, "MB"),
    ]


def measure_list_of_sensors(ui: DagsterUi) -> list[Measured]:
    """What the list under *Automation* asks: once for all sensors with their state, and for each row in sight."""
    used = time.process_time()
    ui.ask(WORKSPACE, {"name": TOGETHER})
    figures = [Measured("all jobs, schedules and sensors: processor time", time.process_time() - used)]
    rows = [
        {"repositoryLocationName": TOGETHER, "repositoryName": repository.name, "sensorName": sensor.name}
        for repository in _repositories(ui)
        for sensor in repository.get_sensors()
    ][:SHOWN_ROWS]
    used = time.process_time()
    for row in rows:
        ui.ask(ROW, {"one": row})
    return [*figures, Measured(f"{len(rows)} rows of sensors: processor time", time.process_time() - used)]


def start_sensors(ui: DagsterUi) -> None:
    """Switch on every sensor, also those that are off by default."""
    instance = ui.workspace.instance
    for repository in _repositories(ui):
        for sensor in repository.get_sensors():
            instance.start_sensor(sensor)


def measure_sensors(ui: DagsterUi) -> list[Measured]:
    """Rounds of all sensors, as Dagster's daemon makes them: what they take, and the last of them by its ticks.

    The first two have new school years to run; in the last one nothing is new, and all are due that look every half
    minute.
    """
    from dagster._daemon.asset_daemon import AssetDaemon
    from dagster._daemon.sensor import execute_sensor_iteration

    log, workspace = logging.getLogger("dagster.daemon"), ui.workspace
    log.setLevel(logging.ERROR)
    figures = []
    for number in ("first", "second", "third"):
        if number == "third":
            time.sleep(INTERVAL_S)
        began, used, round_began = time.monotonic(), _cpu_seconds(), time.time()
        for _ in execute_sensor_iteration(workspace, log, None, None):
            pass
        figures.append(Measured(f"{number} round of all sensors", time.monotonic() - began))
        figures.append(Measured("  of it, processor time", _cpu_seconds() - used))
        if number == "third":
            figures += _ticks(ui, round_began, _cpu_seconds() - used)
        began, used = time.monotonic(), _cpu_seconds()
        AssetDaemon(settings={}, pre_sensor_interval_seconds=30)._run_iteration_impl(workspace, None, {}, {})
        figures.append(Measured(f"{number} round of all automation conditions", time.monotonic() - began))
        figures.append(Measured("  of it, processor time", _cpu_seconds() - used))
    return figures


def ticks_a_minute(ui: DagsterUi) -> Measured:
    """The ticks of all sensors that are on by default, but for the automation conditions."""
    count = sum(
        60 / sensor.min_interval_seconds
        for repository in _repositories(ui)
        for sensor in repository.get_sensors()
        if sensor.default_status == dg.DefaultSensorStatus.RUNNING and sensor.name != AUTOMATIC
    )
    return Measured("ticks a minute of the sensors that are on by default", count, "")


def _cpu_seconds() -> float:
    """Of this process and those that it started, such as the code servers."""
    own = psutil.Process()
    times = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _ticks(ui: DagsterUi, since: float, used: float) -> list[Measured]:
    """The ticks of a round, from when it began and the processor time that it took; the longest of each sensor."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for repository in _repositories(ui):
        for sensor in repository.get_sensors():
            origin = sensor.get_remote_origin()
            for tick in ui.workspace.instance.get_ticks(origin.get_id(), sensor.selector_id, limit=1):
                if tick.end_timestamp is not None:
                    spans[sensor.name].append((tick.timestamp, tick.end_timestamp))
    every = [span for found in spans.values() for span in found if span[0] >= since]
    count, first, last = len(every), min(start for start, _ in every), max(end for _, end in every)
    return [
        Measured("  ticks in it", count, ""),
        Measured("  from the beginning of the first to the end of the last", last - first),
        Measured("  processor time of a tick", used / count),
        *(
            Measured(f"the longest tick of {name}", max(end - start for start, end in found))
            for name, found in sorted(spans.items())
        ),
    ]


def _repositories(ui: DagsterUi) -> Iterable[Any]:
    for location in ui.workspace.create_request_context().code_locations:
        yield from location.get_repositories().values()


def print_figures(figures: Iterable[Measured | PageTime], console: Console) -> None:
    """Print a line for each figure and each page."""
    for one in figures:
        if isinstance(one, Measured):
            console.print(f"{one.what:60} {one.value:10,.2f} {one.unit}")
        else:
            name, seconds = one.slowest
            console.print(f"{'page: ' + one.page.name:60} {one.seconds:10,.2f} s   slowest: {name} {seconds:.2f} s")
            console.print(f"{'  of it, processor time':60} {one.processor_s:10,.2f} s")


def bench(folder: Path, count: int, records: str, console: Console) -> None:
    """Make that many archives, measure, and print each figure when it is known.

    Raises:
        UserError: It is not one archive at least.
    """
    from playwright.sync_api import sync_playwright

    if count < 1:
        raise UserError(f"There are {count} archives to make; give at least one.")
    chromium, names = find_chromium(), archive_names(count)
    shared, adding = create_archives(folder.resolve(), count, records)
    print_figures([adding], console)
    first = resolve_archive(data=shared.archives()[names[0]].data)
    with open_instance(first.layout) as instance:
        began = time.monotonic()
        with workspace_ui(shared.workspace, instance) as ui:
            print_figures(measure_loading(began), console)
            with sync_playwright() as playing:
                browser = playing.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                print_figures([first_page(browser, ui.url, names)], console)
                print_figures(measure_pages(browser, ui.url, pages_of(names)), console)
                browser.close()
            print_figures(measure_list_of_sensors(ui), console)
            start_sensors(ui)
            print_figures([ticks_a_minute(ui)], console)
            print_figures(measure_sensors(ui), console)


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            console = Console(width=120, highlight=False, markup=False)
            bench(Path(folder), int(options.get("ARCHIVES") or 300), options.get("RECORDS") or "", console)
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-archives: {error}") from None


if __name__ == "__main__":
    main(os.environ)
