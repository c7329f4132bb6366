"""How far a long step is: photos a second, faces, errors and time left, reported to any number of listeners."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import dagster as dg

from classface_assets.orchestration.school_year_runs.years import current_year_step


class ProgressCallback(Protocol):
    """What a long task calls while it goes on."""

    def __call__(self, count: int, faces: int = 0, errors: int = 0) -> None:
        """Report that `count` more items are done, with the faces and errors among them."""
        ...


@dataclass
class TaskProgress:
    """What is done of one task.

    Attributes:
        label: What the task is called in logs.
        total: Number of items.
        unit: What an item is: photos, files, faces.
        done: Items done so far.
        faces: Faces found in these.
        errors: Items of these that failed.
        started: When it began, in seconds of the monotonic clock.
    """

    label: str
    total: int
    unit: str = "photos"
    done: int = 0
    faces: int = 0
    errors: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, count: int, faces: int = 0, errors: int = 0) -> None:
        """Count items that are done."""
        self.done, self.faces, self.errors = self.done + count, self.faces + faces, self.errors + errors

    @property
    def seconds(self) -> float:
        """Since the task began; never 0."""
        return max(time.monotonic() - self.started, 1e-6)

    @property
    def items_per_second(self) -> float:
        """On average since the task began."""
        return self.done / self.seconds

    @property
    def counts(self) -> str:
        """`12.3 photos a second, 480 faces, 1 error`; without faces where none were counted."""
        faces = [f"{self.faces:,} faces"] if self.faces else []
        errors = f"{self.errors:,} error{'' if self.errors == 1 else 's'}"
        return ", ".join([f"{self.items_per_second:.1f} {self.unit} a second", *faces, errors])

    @property
    def sentence(self) -> str:
        """How far the task is, and the time left or, at its end, the time it took."""
        if self.done >= self.total:
            return f"{self.label}: {self.done:,} {self.unit} in {format_duration(self.seconds)}, {self.counts}"
        left = f", {format_duration((self.total - self.done) / self.items_per_second)} left" if self.done else ""
        return f"{self.label}: {self.done:,} of {self.total:,}, {self.counts}{left}"

    @property
    def metadata(self) -> dict[str, int | float]:
        """The same as numbers, for Dagster's metadata and its plots."""
        return {
            f"{self.unit}_done": self.done,
            f"{self.unit}_a_second": round(self.items_per_second, 2),
            **({"faces_found": self.faces} if self.unit == "photos" else {}),
            "errors": self.errors,
            "seconds": round(self.seconds, 1),
        }


ProgressListener = Callable[[TaskProgress], AbstractContextManager[Callable[[], None]]]
"""Opened at the start of a task, called after every advance, closed at its end or with its error."""


class ProgressReporter(Protocol):
    """The resource `progress` of the assets."""

    def task(self, label: str, total: int, unit: str = "photos") -> AbstractContextManager[ProgressCallback]:
        """A context for one long task; its value is called with the number of items that were just done.

        Args:
            label: What the task is called in logs.
            total: Number of items; with 0 nothing is reported.
            unit: What an item is: photos, files, faces.
        """
        ...

    def enter_year(self, asset: str, year: str) -> None:
        """Report that a step begins with a school year."""
        ...


@dataclass(frozen=True)
class Progress:
    """A ProgressReporter for these listeners."""

    listeners: Sequence[ProgressListener] = ()
    on_year: Callable[[str, str], None] = lambda _asset, _year: None

    def enter_year(self, asset: str, year: str) -> None:
        """See ProgressReporter."""
        self.on_year(asset, year)

    @contextmanager
    def task(self, label: str, total: int, unit: str = "photos") -> Iterator[ProgressCallback]:
        """See ProgressReporter."""
        progress = TaskProgress(label, total, unit)
        with ExitStack() as opened:
            updates = [opened.enter_context(listen(progress)) for listen in self.listeners if total]

            def advance(count: int, faces: int = 0, errors: int = 0) -> None:
                progress.advance(count, faces, errors)
                for update in updates:
                    update()

            yield advance


def log_listener(log: Callable[[str], None], every_s: float = 10.0) -> ProgressListener:
    """Writes a line to a log every few seconds (`every_s`), and at the end."""

    @contextmanager
    def listen(progress: TaskProgress) -> Iterator[Callable[[], None]]:
        yield throttle(every_s, lambda: log(progress.sentence))
        log(progress.sentence)

    return listen


def asset_event_listener(every_s: float = 30.0) -> ProgressListener:
    """Observes the step's asset every few seconds, and adds the last numbers to its materialization.

    An observation appears in the run's events and on the asset's page while the step is still running; a task that
    goes on for longer has one more at its end. A shorter one has none, for its materialization follows at once.
    Automation conditions do not take it for an update of the asset: they wait for materializations.
    """

    @contextmanager
    def listen(progress: TaskProgress) -> Iterator[Callable[[], None]]:
        context = dg.AssetExecutionContext.get()
        step = current_year_step()
        year = None if step is None else step.year
        observations = 0

        def observe() -> None:
            nonlocal observations
            observations += 1
            metadata = {"progress": progress.sentence, **progress.metadata}
            context.log_event(dg.AssetObservation(context.asset_key, progress.sentence, metadata, partition=year))

        yield throttle(every_s, observe)
        if observations:
            observe()
        if step is None:
            context.add_asset_metadata(progress.metadata, context.asset_key)
        else:
            step.metadata |= progress.metadata

    return listen


def throttle(seconds: float, action: Callable[[], None]) -> Callable[[], None]:
    """Returns `action`, run at most once in `seconds` however often it is called, first after `seconds`."""
    last = time.monotonic()

    def throttled() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            action()

    return throttled


def format_duration(seconds: float) -> str:
    """`9 s`, `4 min`, `2 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
