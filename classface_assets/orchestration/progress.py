"""How far a long step is: photos a second, faces, errors and time left, told to whoever listens."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import dagster as dg


class ProgressCallback(Protocol):
    """Called with how many more are done, and how many faces and errors these gave."""

    def __call__(self, count: int, faces: int = 0, errors: int = 0) -> None: ...


@dataclass
class TaskProgress:
    """What is done of one task. `unit` is what is counted: photos, files, faces."""

    label: str
    total: int
    unit: str = "photos"
    done: int = 0
    faces: int = 0
    errors: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, count: int, faces: int = 0, errors: int = 0) -> None:
        self.done, self.faces, self.errors = self.done + count, self.faces + faces, self.errors + errors

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self.started, 1e-6)

    @property
    def speed(self) -> float:
        return self.done / self.seconds

    @property
    def counts(self) -> str:
        """`12.3 photos a second, 480 faces, 1 error`; faces only where the task tells of them."""
        parts = [f"{self.speed:.1f} {self.unit} a second", *([f"{self.faces:,} faces"] if self.faces else [])]
        return ", ".join([*parts, f"{self.errors:,} error{'' if self.errors == 1 else 's'}"])

    @property
    def sentence(self) -> str:
        """How far the task is, and the time left or, at its end, the time it took."""
        if self.done >= self.total:
            return f"{self.label}: {self.done:,} {self.unit} in {format_duration(self.seconds)}, {self.counts}"
        left = f", {format_duration((self.total - self.done) / self.speed)} left" if self.done else ""
        return f"{self.label}: {self.done:,} of {self.total:,}, {self.counts}{left}"

    @property
    def figures(self) -> dict[str, int | float]:
        """The same as numbers, for Dagster's metadata and its plots."""
        return {
            f"{self.unit}_done": self.done,
            f"{self.unit}_a_second": round(self.speed, 2),
            "faces_found": self.faces,
            "errors": self.errors,
            "seconds": round(self.seconds, 1),
        }


ProgressListener = Callable[[TaskProgress], AbstractContextManager[Callable[[], None]]]
"""Opened at the start of a task, called after every advance, closed at its end or with its error."""


@dataclass(frozen=True)
class Progress:
    """Whoever is told how far the steps are."""

    listeners: Sequence[ProgressListener] = ()

    @contextmanager
    def task(self, label: str, total: int, unit: str = "photos") -> Iterator[ProgressCallback]:
        """A context whose value is called with the number of items just done; a task of nothing is not told."""
        meter = TaskProgress(label, total, unit)
        with ExitStack() as opened:
            tell = [opened.enter_context(listen(meter)) for listen in self.listeners if total]

            def advance(count: int, faces: int = 0, errors: int = 0) -> None:
                meter.advance(count, faces, errors)
                for one in tell:
                    one()

            yield advance


def log_listener(log: Callable[[str], None], every_s: float = 10.0) -> ProgressListener:
    """A line in the run's log every ten seconds and at the end."""

    @contextmanager
    def listen(meter: TaskProgress) -> Iterator[Callable[[], None]]:
        yield throttle(every_s, lambda: log(meter.sentence))
        log(meter.sentence)

    return listen


def asset_event_listener(every_s: float = 30.0) -> ProgressListener:
    """An observation of the step's asset every half minute and at the end, and the last figures in its materialization.

    An observation stands in the run's events and on the asset's page while the step is still at work. Of an asset that
    is materialized, no automation condition takes it for an update: these ask for materializations alone.
    """

    @contextmanager
    def listen(meter: TaskProgress) -> Iterator[Callable[[], None]]:
        context = dg.AssetExecutionContext.get()
        year = context.partition_key if context.has_partition_key else None

        def observe() -> None:
            metadata = {"progress": meter.sentence, **meter.figures}
            context.log_event(dg.AssetObservation(context.asset_key, meter.sentence, metadata, partition=year))

        yield throttle(every_s, observe)
        observe()
        context.add_asset_metadata(meter.figures, context.asset_key, year)

    return listen


def throttle(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """`act` for callers who call too often: it comes to pass once in so many seconds, not before the first are over."""
    last = time.monotonic()

    def sometimes() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            act()

    return sometimes


def format_duration(seconds: float) -> str:
    """`9 s`, `4 min`, `2 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
