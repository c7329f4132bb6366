"""`make soak`: whether the review server holds in the long run, with people labelling, runs between and open pages.

    make soak                   30 minutes at two labels a second
    make soak MINUTES=5 RATE=4

The composed sample is run once, and served by a process of its own. One client labels, rejects, merges and undoes at
the rate through the REST API; the server's own runs follow one another; of six browser windows five are reloaded in
turn, and one is used. Measured over time are memory, open files and threads of the server, the JavaScript heaps of the
windows, the ledger and Dagster's records, and the seconds of each kind of request. In the end the ledger must say what
an oracle expects. Exit code 1: an answer with status 5xx, an error in a browser's console, a run that failed, another
state of the ledger, or memory that grows.
"""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from classface_assets.core.errors import UserError
from classface_assets.defs.runner.console import stderr_console
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.devtools.benchmark.review.soak.acts import Archivist, RestClient
from classface_assets.devtools.benchmark.review.soak.measures import Latencies, Trends, sample_server
from classface_assets.devtools.benchmark.review.soak.windows import PATHS, look_around, open_windows
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.published.queries import faces_with_photos

SAMPLE_EVERY_S, PAUSE_BETWEEN_RUNS_S = 5.0, 30.0
WATCHED = (
    "server, RSS, MB", "server, open files", "server, threads", *(f"page {path}, JS heap, MB" for path in PATHS)
)  # fmt: skip


class SoakError(UserError):
    """The soak could not begin."""


@dataclass(frozen=True)
class SoakOptions:
    """How long and how hard.

    Attributes:
        seconds: For how long people label.
        rate: Acts a second.
        pause: Seconds between two runs of the pipeline; None runs none.
    """

    seconds: float = 1800
    rate: float = 2
    pause: float | None = PAUSE_BETWEEN_RUNS_S


@dataclass
class SoakResult:
    """What was measured. `problems`: a sentence on each thing that must not happen."""

    latencies: Latencies = field(default_factory=Latencies)
    trends: Trends = field(default_factory=Trends)
    acts: int = 0
    runs: int = 0
    events: int = 0
    problems: list[str] = field(default_factory=list)

    def report(self, options: SoakOptions) -> str:
        """Two tables in Markdown and the problems."""
        head = (
            f"{options.seconds / 60:g} minutes at {options.rate:g} acts a second: {self.acts:,} decisions, "
            f"{self.events:,} events in the ledger, {self.runs} runs, {len(self.problems)} problems"
        )
        return "\n\n".join([head, self.latencies.table(), self.trends.table(), *self.problems])


def soak(archive: Archive, models: Models, options: SoakOptions) -> SoakResult:
    """Soak a finished archive, which is changed.

    Raises:
        SoakError: The server does not start.
        DatabaseError: The archive is not finished.
    """
    faces = faces_with_photos(archive.layout.database)["face_id"].sort().to_list()
    result, stop = SoakResult(), threading.Event()
    token = secrets.token_urlsafe(24)
    with served(archive, models, token) as (url, process):
        client = RestClient(url, token, result.latencies)
        archivist = Archivist(client, faces)
        ledger, local = Path(str(archive.layout.data)) / "ledger.sqlite", archive.layout.local
        measure = partial(sample_server, result.trends, process, local, ledger)
        jobs = [
            threading.Thread(target=archivist.work, args=(options.rate, stop)),
            threading.Thread(target=_sample, args=(measure, min(SAMPLE_EVERY_S, options.seconds / 10), stop)),
        ]
        if options.pause is not None:
            jobs.append(threading.Thread(target=_run_again, args=(client, result, options.pause, stop)))
        with open_windows(url, token, result.problems) as windows:
            end = threading.Timer(options.seconds, stop.set)
            for job in (end, *jobs):
                job.start()
            try:
                if windows:
                    look_around(windows, result.latencies, result.trends, stop)
                stop.wait()
            finally:
                end.cancel()
                stop.set()
                for job in jobs:
                    job.join()
        if not _is_alive(process):
            result.problems.append("the server has ended")
    found = archive.open_ledger()
    result.acts, result.events = len(archivist.oracle.acts), len(found.events())
    result.problems += result.latencies.problems + archivist.oracle.differences(found.decisions())
    result.problems += result.trends.growing(WATCHED)
    return result


@contextmanager
def served(archive: Archive, models: Models, token: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `classface review`; yields its address and its process.

    Raises:
        SoakError: It does not start.
    """
    command = [sys.executable, "-m", "classface_assets.cli", "review", "--port", "0", "--pack", models.pack]
    command += ["--photos", str(archive.photos), "--data", str(archive.data)]
    environment = os.environ | {"CLASSFACE_TOKEN": token}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"https?://[0-9.:]+", process.stdout.readline())
            if url is None:
                raise SoakError("The review server did not start; see above.")
            yield url[0], psutil.Process(process.pid)
        finally:
            process.terminate()


def _sample(measure: Callable[[], None], seconds: float, stop: threading.Event) -> None:
    """Measure every few seconds until the server ends or the soak is stopped."""
    with suppress(psutil.NoSuchProcess):
        measure()
        while not stop.wait(seconds):
            measure()
        measure()


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _run_again(client: RestClient, result: SoakResult, pause: float, stop: threading.Event) -> None:
    """Start the server's run, wait for its end and pause, again and again; the last one is waited for too."""
    while not stop.wait(pause):
        started = client.ask("start a run", "POST", "/cluster/dual", {"queue": True})
        if started is None:
            continue
        began = time.perf_counter()
        run = {"status": "QUEUED", "reason": ""}
        while run["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
            time.sleep(1)
            run = client.ask("status of a run", "GET", f"/runs/{started['runId']}") or run
        result.latencies.add("a whole run", time.perf_counter() - began)
        result.runs += 1
        if run["status"] != "SUCCESS":
            result.problems.append(f"a run failed: {run['reason']}")


def finished_sample(folder: Path) -> Archive:
    """Compose the sample archive in a folder and run the pipeline on it.

    Raises:
        SoakError: The run failed.
    """
    compose_sample(folder)
    archive = resolve_archive(folder / "photos", folder / "data")
    instance, _ = prepare_instance(archive.layout)
    with instance:
        runner = PipelineRunner(instance, archive, resolve_models("builtin"), stderr_console())
        if runner.run(select_years(archive.layout, None), lambda _: None):
            raise SoakError("The sample archive could not be run.")
    return archive


def main(settings: Mapping[str, str]) -> int:
    """Print the report; returns the exit code."""
    options = SoakOptions(60 * float(settings.get("MINUTES") or 30), float(settings.get("RATE") or 2))
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        result = soak(finished_sample(Path(folder)), resolve_models("builtin"), options)
    print(result.report(options))
    return 1 if result.problems else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(os.environ))
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
