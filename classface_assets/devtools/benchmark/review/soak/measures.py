"""What a soak measures: latencies by kind of request, memory, files and threads over time, and a table of them."""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from classface_assets.devtools.benchmark.accuracy.ground_truth import markdown_table

MB = 1 << 20
MIN_SECONDS_OF_A_TREND = 600
MAX_GROWTH, MAX_GROWTH_MB = 0.2, 30
"""How much more the last third of a long soak may take than the first."""


@dataclass
class Latencies:
    """Seconds of each kind of request, refusals by kind and status, and sentences on what must not happen."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, kind: str, seconds: float) -> None:
        """Note one request."""
        self.seconds[kind].append(seconds)

    def table(self) -> str:
        """Percentiles in milliseconds."""
        rows = []
        for kind, seconds in sorted(self.seconds.items()):
            p50, p95, p99 = 1000 * np.percentile(seconds, [50, 95, 99])
            refused = sum(count for (of, _), count in self.refusals.items() if of == kind)
            numbers = [f"{value:.0f}" for value in (p50, p95, p99, 1000 * max(seconds))]
            rows.append([kind, f"{len(seconds):,}", *numbers, f"{refused:,}"])
        return markdown_table(["request", "count", "p50, ms", "p95, ms", "p99, ms", "longest, ms", "refused"], rows)


@dataclass
class Trends:
    """Values over time by their name: (seconds since the begin, value)."""

    began: float = field(default_factory=time.monotonic)
    points: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, value: float) -> None:
        """Note a value of now."""
        self.points[name].append((time.monotonic() - self.began, value))

    def growing(self, names: Sequence[str]) -> list[str]:
        """Sentences on those that grew, in a soak that is long enough to tell."""
        found = []
        for name in names:
            points = self.points.get(name, [])
            if len(points) < 9 or points[-1][0] < MIN_SECONDS_OF_A_TREND:
                continue
            first, last = thirds(points)
            slack = MAX_GROWTH_MB if "MB" in name else 5
            if last > first * (1 + MAX_GROWTH) + slack and slope(points[len(points) // 3 :]) > 0:
                found.append(f"{name} grew from {first:.0f} to {last:.0f}")
        return found

    def table(self) -> str:
        """First and last third, maximum, and slope of the last two thirds."""
        rows = []
        for name, points in self.points.items():
            if len(points) < 3:
                continue
            first, last = thirds(points)
            numbers = (first, last, max(value for _, value in points))
            rows.append([name, *(f"{n:,.1f}" for n in numbers), f"{600 * slope(points[len(points) // 3 :]):+,.1f}"])
        heads = ["", "first third, mean", "last third, mean", "most", "slope of the last two thirds, per 10 minutes"]
        return markdown_table(heads, rows)


def thirds(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The means of the first and of the last third of the values."""
    count = max(1, len(points) // 3)
    values = [value for _, value in points]
    return statistics.fmean(values[:count]), statistics.fmean(values[-count:])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the values grow in a second, by least squares; 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    seconds, values = np.array(points).T
    return float(np.polyfit(seconds, values, 1)[0])


def sample_server(trends: Trends, server: psutil.Process, local: Path, ledger: Path) -> None:
    """Note the memory, files and threads of the server, and the size of what it and its runs write."""
    with server.oneshot():
        trends.add("server, RSS, MB", server.memory_info().rss / MB)
        trends.add("server, open files", server.num_fds())
        trends.add("server, threads", server.num_threads())
    trends.add("ledger, MB", sum(file.stat().st_size for file in ledger.parent.glob(f"{ledger.name}*")) / MB)
    files = [file for file in (local / "dagster_home").rglob("*") if file.is_file()]
    trends.add("dagster_home, MB", sum(_size(file) for file in files) / MB)
    trends.add("dagster_home, files", len(files))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a journal that has just been removed
        return 0
