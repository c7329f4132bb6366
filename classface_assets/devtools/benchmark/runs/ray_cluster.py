"""`make bench-ray`: what sharing work by a Ray cluster of two machines on this one costs beside none.

    make bench-ray                            the composed sample
    make bench-ray ARCHIVE=folder PHOTOS=100  of photos/ in that folder

Three tables: the search and embedding of the photos without Ray and with it, its start told apart; the same while a
worker is killed; and requests and bytes where photos and data are at S3. Files are read before, by neither.
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
    """

    seconds: float
    cpu_s: float
    start_s: float = 0.0
    start_cpu_s: float = 0.0


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
            if address:
                ray_runner(RaySettings(address), archive.layout, self.pack).pool.start(2)
            started, start_cpu = time.perf_counter(), meter.look()
            with watched(meter.look):
                _run(runner, self.years, STEPS)
            ended, end_cpu = time.perf_counter(), meter.look()
        return Cost(ended - started, end_cpu - start_cpu, started - began, start_cpu - cpu)


def _run(runner: PipelineRunner, years: Sequence[str], assets: Sequence[str]) -> None:
    failures = runner.run_job("ingest_year", years, assets=assets)
    if failures:
        raise UserError(failures[0].reason)


@dataclass
class Killer:
    """Kills a worker once, a while after it began to work, and notes when its successor has loaded its models."""

    killed_at: float = 0.0
    ready_after_s: float = 0.0
    _first: dict[int, float] = field(default_factory=dict)
    _before: frozenset[int] = frozenset()

    def look(self) -> None:
        """Look at the workers as they are now."""
        now, working = time.perf_counter(), [p for p in _workers() if ".process" in _title(p)]
        for process in working:
            self._first.setdefault(process.pid, now)
        if not self.killed_at:
            old = [p for p in working if now - self._first[p.pid] > 5]
            if len(working) > 1 and old:
                self._before, self.killed_at = frozenset(p.pid for p in working), now
                old[0].kill()
        elif not self.ready_after_s and any(p.pid not in self._before for p in working):
            self.ready_after_s = now - self.killed_at  # it is at work: it was given a batch


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


def bench(folder: Path, source: Path, count: int, pack: str, console: Console) -> tuple[Cost, Cost, Traffic]:
    """Measure, print the tables, and return what was measured: without Ray, with it, and the traffic at S3."""
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
        console.print(f"A killed worker was replaced, with its models, after {killer.ready_after_s:.1f} s.")
        few = choose_photos(folder / "photos", folder / "few" / years[0], min(count, S3_PHOTOS))
        at_s3 = Bench(_upload(folder / "few"), years[:1], pack)
        traffic.reset()
        at_s3.ingest("s3://bench/data", address)
    _print_traffic(console, few, traffic)
    return alone, shared, traffic


def _upload(folder: Path) -> str:
    place = parse_location("s3://bench/photos")
    assert not isinstance(place, Path)
    place.fs.mkdir("bench")
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


def _print_traffic(console: Console, photos: int, traffic: Traffic) -> None:
    table = Table(f"{photos:,} photos at S3", "a photo")
    for kind, number in sorted(traffic.requests.items()):
        table.add_row(kind, f"{number / photos:.2f}")
    table.add_row("requests", f"{sum(traffic.requests.values()) / photos:.2f}")
    table.add_row("kB fetched", f"{traffic.bytes_out / photos / 1000:.0f}")
    table.add_row("kB sent", f"{traffic.bytes_in / photos / 1000:.0f}")
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
