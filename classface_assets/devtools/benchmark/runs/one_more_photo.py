"""`make bench-one-photo`: how long one more photo takes to its album in a large archive, and where the time goes.

    make bench-one-photo                 a made-up school of 40,000 photos in thirty years
    make bench-one-photo COUNT=1000      about so many photos
    make bench-one-photo ARCHIVE=folder  makes the school there, or uses the one that is there

The photos are links to one small picture, and what was found in them is made up; the photo that is added is a real one.
`classface run` is started as a person would, once for all that is there and then with one photo more.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from PIL import Image
from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.review.made_up_school import compose_school
from classface_assets.devtools.benchmark.speed.large_archive import make_photo
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.school_year_runs.years import years_phrase

COUNT, FACES_IN_A_PHOTO, MOST_IN_A_PHOTO = 40_000, 4.35, 8
PHOTO_SIZE = (160, 120)
YEAR = "2019-2020"


@dataclass(frozen=True)
class PartOfRun:
    """A step that Dagster recorded.

    Attributes:
        run: The job and its school years.
        step: The name of the step.
        began: In seconds after the command was started.
        seconds: How long it took.
    """

    run: str
    step: str
    began: float
    seconds: float


@dataclass(frozen=True)
class TimedRun:
    """A command: how long it took, its CPU time, and its steps in the order in which they began."""

    seconds: float
    cpu_seconds: float
    parts: list[PartOfRun]


def bench(folder: Path, count: int, console: Console) -> None:
    """Make the school where it is not there yet, and print what one more photo takes.

    Raises:
        UserError: A run failed.
    """
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
    originals = sorted(compose_sample(folder / "sample").photos.rglob("*.jpg"))
    if not archive.layout.database.exists():
        picture = folder / "picture.jpg"
        with Image.open(originals[0]) as image:
            image.convert("RGB").resize(PHOTO_SIZE).save(picture)
        archive = compose_school(folder, round(count * FACES_IN_A_PHOTO), picture, MOST_IN_A_PHOTO)
    before = _timed_run(archive)
    console.print(f"Everything that was there before is up to date after {before.seconds:.0f} s.")
    add_photo(archive, originals, console)


def add_photo(archive: Archive, originals: list[Path], console: Console) -> None:
    """Print what a run takes that finds one photo more, made of one of these originals.

    Raises:
        UserError: The run failed.
    """
    year = Path(archive.photos) / YEAR
    make_photo(originals, year, len(list(year.glob("IMG_*.jpg"))) + 1)
    timed = _timed_run(archive)
    photos = sum(1 for _ in Path(archive.photos).rglob("*.jpg"))
    print_parts(console, f"one more photo in {photos:,}", timed.seconds, timed.parts)
    console.print(f"CPU time of all: {timed.cpu_seconds:.1f} s.")


def _timed_run(archive: Archive) -> TimedRun:
    """Run the archive."""
    with open_instance(archive.layout) as instance:
        known = {run.run_id for run in instance.get_runs()}
    command = [sys.executable, "-m", "classface_assets.cli", "run", "--yes"]
    started, began, cpu = time.time(), time.monotonic(), _cpu_seconds_of_children()
    # An installed program has its modules compiled, whatever this process was told of its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [*command, f"--photos={archive.photos}", f"--data={archive.data}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise UserError(f"A run failed: {done.stderr.strip().splitlines()[-1]}")
    seconds, cpu = time.monotonic() - began, _cpu_seconds_of_children() - cpu
    with open_instance(archive.layout) as instance:
        return TimedRun(seconds, cpu, recorded_parts(instance, started, known))


def _cpu_seconds_of_children() -> float:
    """CPU time of the processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def recorded_parts(instance: dg.DagsterInstance, started: float, known: Collection[str] = ()) -> list[PartOfRun]:
    """The steps of the runs that Dagster recorded, in the order in which they began.

    Args:
        instance: With the runs.
        started: When the command was started, in seconds since 1970.
        known: The ids of runs that were there before.
    """
    new = [run for run in instance.get_runs() if run.run_id not in known]
    return sorted((part for run in new for part in _steps(instance, run, started)), key=lambda part: part.began)


def _steps(instance: dg.DagsterInstance, run: dg.DagsterRun, started: float) -> list[PartOfRun]:
    name = f"{run.job_name} {years_phrase(run.tags)}".strip()
    return [
        PartOfRun(name, stats.step_key, stats.start_time - started, stats.end_time - stats.start_time)
        for stats in instance.get_run_step_stats(run.run_id)
        if stats.start_time is not None and stats.end_time is not None
    ]


def print_parts(console: Console, title: str, seconds: float, parts: list[PartOfRun]) -> None:
    """Print each step of a command that took so many seconds, and when the album was finished."""
    table = Table(title, "step", "began after s", "took s")
    for part in parts:
        table.add_row(part.run, part.step, f"{part.began:.1f}", f"{part.seconds:.1f}")
    in_steps = sum(part.seconds for part in parts)
    table.add_row("start, checks of what is there, Dagster's records", "", "", f"{seconds - in_steps:.1f}")
    albums = [part.began + part.seconds for part in parts if part.step == "albums"]
    table.add_row("[bold]to its album[/bold]", "", "", f"{max(albums, default=seconds):.1f}")
    table.add_row("[bold]all[/bold]", "", "", f"{seconds:.1f}")
    console.print(table)


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    given = options.get("ARCHIVE")
    folder = Path(given or tempfile.mkdtemp(prefix="classface-one-photo-")).absolute()
    try:
        bench(folder, int(options.get("COUNT") or COUNT), Console(width=120, highlight=False))
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-one-photo: {error}") from None
    finally:
        if not given:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(os.environ)
