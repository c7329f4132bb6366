"""`make bench-years`: what Dagster itself takes for school years that are a run each, and for all of them in one run.

    make bench-years             16 school years
    make bench-years YEARS=3     another number of them

The steps of the job `ingest_year` do nothing here: what is left is Dagster's own time, and the events that it records.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.speed.noop_assets import noop_definitions
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.school_year_runs.years import range_tags

YEARS, FIRST_YEAR = 16, 2004
JOB = "ingest_year"


@dataclass(frozen=True)
class Cost:
    """What some runs took.

    Attributes:
        runs: Their number.
        events: Those that Dagster recorded of them.
        seconds: Wall time.
        cpu_s: CPU time.
    """

    runs: int
    events: int
    seconds: float
    cpu_s: float


def bench(folder: Path, count: int, console: Console) -> tuple[Cost, Cost]:
    """Print what Dagster takes for each way to run so many school years, and return it: a run each, one run.

    Raises:
        UserError: There are no school years, or a run failed.
    """
    if count < 1:
        raise UserError("Measure at least one school year: YEARS=1.")
    years = [f"{year}-{year + 1}" for year in range(FIRST_YEAR, FIRST_YEAR + count)]
    for year in years:
        (folder / "photos" / year).mkdir(parents=True, exist_ok=True)
        (folder / "photos" / year / "a.jpg").touch()
    instance, _ = prepare_instance(resolve_archive(folder / "photos", folder / "data").layout)
    with instance:
        job = noop_definitions().resolve_job_def(JOB)
        _run(instance, job, [years[:1]])  # what is done once in a process is not measured
        apart, together = _run(instance, job, [[year] for year in years]), _run(instance, job, [years])
    table = Table(f"{count:,} school years", "runs", "events", "seconds", "CPU s", "seconds a school year")
    for name, cost in (("a run each", apart), ("all in one run", together)):
        seconds = (f"{cost.seconds:.1f}", f"{cost.cpu_s:.1f}", f"{cost.seconds / count:.2f}")
        table.add_row(name, f"{cost.runs:,}", f"{cost.events:,}", *seconds)
    console.print(table)
    return apart, together


def _run(instance: dg.DagsterInstance, job: dg.JobDefinition, ranges: Sequence[Sequence[str]]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    results = [
        job.execute_in_process(
            instance=instance,
            tags=range_tags(years),
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        for years in ranges
    ]
    seconds, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    if not all(result.success for result in results):
        raise UserError(f"A run failed; its log is in {instance.root_directory}.")
    return Cost(len(results), sum(len(instance.all_logs(one.run_id)) for one in results), seconds, cpu_s)


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    with tempfile.TemporaryDirectory(prefix="classface-years-") as folder:
        try:
            bench(Path(folder), int(options.get("YEARS") or YEARS), Console(width=110, highlight=False))
        except (UserError, ValueError) as error:
            raise SystemExit(f"bench-years: {error}") from None


if __name__ == "__main__":
    main(os.environ)
