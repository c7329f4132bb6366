"""`make bench-ray`: what sharing work by a Ray cluster of two machines on this one costs beside none.

    make bench-ray                            the composed sample
    make bench-ray ARCHIVE=folder PHOTOS=100  of photos/ in that folder

Tables: the search and embedding of the photos without Ray and with it, its start told apart, and the same while a
worker is killed; and for each asset the requests and bytes a photo where photos and data are at S3, once with all
photos in one school year and once in all that there are. In the first table files are read before, by neither.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from rich.console import Console
from rich.table import Table

from classface_assets.core.errors import UserError
from classface_assets.core.locations import parse_location
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.devtools.benchmark.runs.counted_s3 import Traffic, counted_s3
from classface_assets.orchestration.batches.ray.connection import ON_LOOPBACK, PATIENT, QUIET
from classface_assets.orchestration.batches.ray.pool import ray_runner
from classface_assets.orchestration.batches.ray.settings import ADDRESS, RaySettings
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.resources import Models

PHOTOS = 600
S3_PHOTOS = 300
STORE_BYTES = 200 << 20
WORKER = "ray::Worker"
WORKED_S = 5.0
"""For which a worker is at work before it is killed."""
STEPS = ("detections", "embeddings")


@dataclass
class CpuMeter:
    """CPU seconds of this process and all below it, those that end meanwhile included."""

    seconds: dict[int, float] = field(default_factory=dict)

    def look(self) -> float:
        """The CPU seconds until now."""
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self.seconds[process.pid] = max(self.seconds.get(process.pid, 0.0), times.user + times.system)
        return sum(self.seconds.values())


@contextmanager
def watched(look: Callable[[], object], every_s: float = 0.2) -> Iterator[None]:
    """Within it something is called again and again, in a thread of its own."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class Cost:
    """What the search and embedding of the photos took.

    Attributes:
        seconds: Wall time.
        cpu_s: CPU time of all processes.
        start_s: Wall time until the actors were ready, before that.
        start_cpu_s: CPU time of it.
        ready_at: When each actor became ready, by `time.monotonic`.
        redone_at: When each batch was done whose worker had died at it.
    """

    seconds: float
    cpu_s: float
    start_s: float = 0.0
    start_cpu_s: float = 0.0
    ready_at: Sequence[float] = ()
    redone_at: Sequence[float] = ()


@dataclass(frozen=True)
class Bench:
    """One archive, ingested again and again.

    Attributes:
        photos: The photos folder or URL.
        years: Its school years.
        pack: The model pack.
    """

    photos: str
    years: Sequence[str]
    pack: str

    def ingest(self, data: str, address: str) -> Cost:
        """Search and embed the photos, whose files are read before. Raises UserError where that fails."""
        archive, meter = resolve_archive(self.photos, data, data if "://" not in data else None), CpuMeter()
        os.environ[ADDRESS] = address
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("school_year", list(self.years))
            runner = PipelineRunner(instance, archive, Models(pack=self.pack), Console(quiet=True))
            _run(runner, self.years, ["images"])
            began, cpu = time.perf_counter(), meter.look()
            pool = ray_runner(RaySettings(address), archive.layout, self.pack).pool if address else None
            if pool:
                pool.start(2)
            started, start_cpu = time.perf_counter(), meter.look()
            with watched(meter.look):
                _run(runner, self.years, STEPS)
            ended, end_cpu = time.perf_counter(), meter.look()
        actors = (tuple(pool.ready_at), tuple(pool.redone_at)) if pool else ()
        return Cost(ended - started, end_cpu - start_cpu, started - began, start_cpu - cpu, *actors)

    def count_requests(self, data: str, local: Path, traffic: Traffic) -> dict[str, Traffic]:
        """Ingest photos and data at a URL in this process; asset → what the server was asked for."""
        archive, counted = resolve_archive(self.photos, data, local), {}
        os.environ[ADDRESS] = ""
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("school_year", list(self.years))
            runner = PipelineRunner(instance, archive, Models(pack=self.pack), Console(quiet=True))
            for asset in ("images", *STEPS):
                before = traffic + Traffic()
                _run(runner, self.years, [asset])
                counted[asset] = traffic - before
        return counted


def _run(runner: PipelineRunner, years: Sequence[str], assets: Sequence[str]) -> None:
    failures = runner.run_job("ingest_year", years, assets=assets)
    if failures:
        raise UserError(failures[0].reason)


@dataclass
class Killer:
    """Kills a worker once, a while after it began to work, and notes when, by `time.monotonic`."""

    killed_at: float = 0.0
    _first: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Look at the workers as they are now."""
        if self.killed_at:
            return
        now, working = time.monotonic(), [p for p in _workers() if ".process" in _title(p)]
        for process in working:
            self._first.setdefault(process.pid, now)
        old = [p for p in working if now - self._first[p.pid] > WORKED_S]
        if len(working) > 1 and old:
            self.killed_at = now
            old[0].kill()

    def recovery(self, cost: Cost) -> str:
        """How long it took until what was lost was there again, in a sentence."""
        if not self.killed_at:
            return "No worker was killed: there were too few photos for two of them to be at work at once."
        redone, ready = (
            next((f"{at - self.killed_at:.1f} s" for at in times if at > self.killed_at), "never")
            for times in (cost.redone_at, cost.ready_at)
        )
        return f"From the kill until the lost batch was written: {redone}; until another worker was ready: {ready}."


def _workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if WORKER in _title(p)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def two_machines() -> Iterator[str]:
    """The address of a cluster of two machines of one core each, on loopback."""
    os.environ.update({**QUIET, **PATIENT, **ON_LOOPBACK})
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def choose_photos(source: Path, folder: Path, count: int) -> int:
    """Copy the first so many photos of each school year's share; returns how many there are then."""
    years = sorted(path for path in source.iterdir() if path.is_dir())
    share, copied = -(-count // max(1, len(years))), 0
    for year in years:
        for file in sorted(path for path in year.rglob("*") if path.is_file())[: min(share, count - copied)]:
            target = folder / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            copied += 1
    return copied


def put_together(source: Path, folder: Path) -> None:
    """Copy photos into one folder, without the folders whose names may say another school year."""
    folder.mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in source.rglob("*") if path.is_file())):
        shutil.copy(file, folder / f"{number:05}{file.suffix}")


def bench(
    folder: Path, source: Path, count: int, pack: str, console: Console
) -> tuple[Cost, Cost, Mapping[str, Traffic]]:
    """Measure, print the tables, and return what was measured: without Ray, with it, and by asset the traffic at S3."""
    photos = choose_photos(source, folder / "photos", count)
    years = sorted(path.name for path in (folder / "photos").iterdir())
    local = Bench(str(folder / "photos"), years, pack)
    with counted_s3() as traffic, two_machines() as address:
        alone = local.ingest(str(folder / "alone"), "")
        shared = local.ingest(str(folder / "shared"), address)
        killer = Killer()
        with watched(killer.look, 0.05):
            hurt = local.ingest(str(folder / "hurt"), address)
        _print_costs(console, f"{photos:,} photos", (("without Ray", alone), ("Ray", shared), ("one killed", hurt)))
        console.print(killer.recovery(hurt))
        few = choose_photos(folder / "photos", folder / "spread", min(count, S3_PHOTOS))
        put_together(folder / "spread", folder / "few" / years[0])
        at_s3 = Bench(upload(folder / "few", "one"), years[:1], pack)
        one_year = at_s3.count_requests("s3://one/data", folder / "one", traffic)
        _print_traffic(console, f"{few:,} photos at S3, in one school year", few, one_year)
        at_s3 = Bench(upload(folder / "spread", "many"), years, pack)
        spread = at_s3.count_requests("s3://many/data", folder / "many", traffic)
        _print_traffic(console, f"{few:,} photos at S3, in {len(years)} school years", few, spread)
    return alone, shared, spread


def upload(folder: Path, bucket: str) -> str:
    """Copy photos into a new bucket; returns their URL."""
    place = parse_location(f"s3://{bucket}/photos")
    assert not isinstance(place, Path)
    place.fs.mkdir(bucket)
    place.fs.put(f"{folder}/", place.path, recursive=True)
    return str(place)


def _print_costs(console: Console, title: str, costs: Sequence[tuple[str, Cost]]) -> None:
    table = Table(title, "seconds", "CPU s", "beside none", "start: seconds", "CPU s")
    base = costs[0][1]
    for name, cost in costs:
        beside = f"{cost.seconds / base.seconds:.2f} (CPU {cost.cpu_s / base.cpu_s:.2f})"
        start = (f"{cost.start_s:.1f}", f"{cost.start_cpu_s:.1f}")
        table.add_row(name, f"{cost.seconds:.1f}", f"{cost.cpu_s:.1f}", beside, *start)
    console.print(table)


def _print_traffic(console: Console, title: str, photos: int, traffic: Mapping[str, Traffic]) -> None:
    kinds = sorted(set().union(*(one.requests for one in traffic.values())))
    table = Table(title, *kinds, "requests a photo", "kB fetched", "kB sent")
    total = sum(traffic.values(), Traffic())
    for name, one in [*traffic.items(), ("together", total)]:
        numbers = [*(one.requests[kind] for kind in kinds), one.requests.total()]
        sizes = [one.bytes_out / 1000, one.bytes_in / 1000]
        table.add_row(name, *(f"{n / photos:.2f}" for n in numbers), *(f"{size / photos:.0f}" for size in sizes))
    console.print(table)


def main(options: Mapping[str, str]) -> None:
    """Run the benchmark with the variables that the Makefile passes."""
    from classface_assets.devtools.sample.compose import compose_sample

    with tempfile.TemporaryDirectory(prefix="classface-ray-") as folder:
        try:
            archive = options.get("ARCHIVE")
            source = Path(archive) / "photos" if archive else compose_sample(Path(folder) / "sample").photos
            count = int(options.get("PHOTOS") or PHOTOS)
            bench(Path(folder), source, count, options.get("PACK") or "builtin", Console(width=110, highlight=False))
        except (UserError, ValueError) as error:
            raise SystemExit(f"bench-ray: {error}") from None


if __name__ == "__main__":
    main(os.environ)
