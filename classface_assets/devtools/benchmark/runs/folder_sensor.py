"""`make bench-sensor`: how long the sensor of the photos folder takes for a tick in a large archive.

    make bench-sensor                        100,000 files in 300 school years
    make bench-sensor COUNT=1000 YEARS=10    so many files in so many school years

The ticks begin a minute after the files were written, as the sensor waits so long for copies to end. One an hour lists
everything.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.defs.sensors import photo_folders
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.folder_watch import read_snapshot, write_snapshot

COUNT, YEARS, FIRST_YEAR = 100_000, 300, 1720


@dataclass(frozen=True)
class Tick:
    """What a tick of the sensor took, and how many runs it asked for.

    Attributes:
        what: What had changed.
        seconds: Wall time.
        cpu_s: CPU time.
        runs: Of ranges of school years.
    """

    what: str
    seconds: float
    cpu_s: float
    runs: int


class Sensor:
    """The sensor of one archive, tick by tick."""

    def __init__(self, instance: dg.DagsterInstance, archive: Archive) -> None:
        """Begin without a cursor, as when the sensor was just switched on."""
        self.instance, self.archive = instance, archive
        self._cursor: str | None = None

    def tick(self, what: str) -> Tick:
        """Evaluate it once, after this has changed."""
        resources = {"archive": self.archive, "models": Models(pack="builtin")}
        wall, cpu = time.perf_counter(), time.process_time()
        with dg.build_sensor_context(instance=self.instance, cursor=self._cursor, resources=resources) as context:
            answer = photo_folders.photo_folders(context)
        seconds, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        self._cursor = getattr(answer, "cursor", None) or self._cursor
        return Tick(what, seconds, cpu_s, len(getattr(answer, "run_requests", None) or ()))


def bench(folder: Path, files: int, years: int, console: Console) -> list[Tick]:
    """Print how long ticks take over so many files, and return them.

    Raises:
        UserError: There are no files, or fewer than school years.
    """
    if not 0 < years <= files:
        raise UserError("There are to be school years, and at least a file in each: COUNT=1000 YEARS=10.")
    photos = folder / "photos"
    for number in range(years):
        year = photos / f"{FIRST_YEAR + number}-{FIRST_YEAR + number + 1}"
        year.mkdir(parents=True)
        for file in range(number, files, years):
            (year / f"IMG_{file:06}.jpg").write_bytes(b"x")
    archive = Archive(photos=str(photos), data=str(folder / "data"), most_new_years=0)
    time.sleep(photo_folders.QUIET_S)
    instance, _ = prepare_instance(archive.layout)
    with instance:
        sensor = Sensor(instance, archive)
        ticks = [sensor.tick("everything is new"), sensor.tick("nothing")]
        write_snapshot(archive.layout, replace(read_snapshot(archive.layout), full_look_at=0.0))
        ticks.append(sensor.tick("nothing, but everything is listed"))
        (photos / f"{FIRST_YEAR}-{FIRST_YEAR + 1}" / "new.jpg").write_bytes(b"x")
        ticks += [sensor.tick("one photo is new"), sensor.tick("nothing, but a copy may go on")]
    table = Table(f"{files:,} files in {years:,} school years: what changed", "seconds", "CPU s", "runs asked for")
    for tick in ticks:
        table.add_row(tick.what, f"{tick.seconds:.2f}", f"{tick.cpu_s:.2f}", str(tick.runs))
    console.print(table)
    return ticks


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    files, years = int(options.get("COUNT") or COUNT), int(options.get("YEARS") or YEARS)
    with tempfile.TemporaryDirectory(prefix="classface-sensor-") as folder:
        bench(Path(folder), files, years, Console(width=110, highlight=False))


if __name__ == "__main__":
    try:
        main(os.environ)
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-sensor: {error}") from None
