"""`make bench-quiet`: how long a run with nothing new takes on many small folders, and what Dagster records.

make bench-quiet             60 school years of two photos
make bench-quiet YEARS=16    another number of them

Dagster's start is measured in the same turns: a process that imports it and opens the same instance.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.speed.large_archive import make_photo
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance

PHOTOS_PER_YEAR = 2
ROUNDS = 3
DAGSTER_STARTUP = """
import sys
import dagster
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.configured_resources import resolve_archive
with open_instance(resolve_archive(sys.argv[1], sys.argv[2]).layout):
    pass
"""


def bench(folder: Path, years: int) -> None:
    """Compose that many school years, run them once, and then several times with nothing new.

    Raises:
        UserError: A run failed.
    """
    console = Console(width=110, highlight=False)
    shutil.rmtree(folder, ignore_errors=True)
    photos, data = folder / "photos", folder / "data"
    originals = sorted(compose_sample(folder / "sample").photos.rglob("*.jpg"))
    for number in range(years * PHOTOS_PER_YEAR):
        first = 1960 + number // PHOTOS_PER_YEAR
        make_photo(originals, photos / f"{first}-{first + 1}", number)
    location = [f"--photos={photos}", f"--data={data}"]
    start, run = [sys.executable, "-c", DAGSTER_STARTUP, str(photos), str(data)], [*_CLI, "run", *location]
    table = Table(f"{years} school years of {PHOTOS_PER_YEAR} photos", "seconds", "runs recorded by Dagster")
    table.add_row("first run", f"{_run_seconds(run):.1f}", str(_run_count(photos, data)))
    before = _run_count(photos, data)
    turns = [(_run_seconds(start), _run_seconds(run)) for _ in range(ROUNDS)]
    alone, quiet = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    table.add_row("Dagster's start alone", f"{alone:.1f}", "")
    table.add_row("a run with nothing new", f"{quiet:.1f}", str((_run_count(photos, data) - before) // ROUNDS))
    table.add_row("… beyond Dagster's start", f"{quiet - alone:.1f}", "")
    console.print(table)


_CLI = [sys.executable, "-m", "classface_assets.cli"]


def _run_seconds(command: Sequence[str]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"A run failed: {done.stderr.strip().splitlines()[-1]}")
    return time.monotonic() - began


def _run_count(photos: Path, data: Path) -> int:
    with open_instance(resolve_archive(photos, data).layout) as instance:
        return instance.get_runs_count()


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    try:
        bench(Path("data/bench quiet").absolute(), int(options.get("YEARS") or 60))
    except (UserError, ValueError) as error:
        raise SystemExit(f"bench-quiet: {error}") from None


if __name__ == "__main__":
    main(os.environ)
