"""How far a long step is: told in Dagster's log, or as a bar in the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Whatever can show that so many of `total` are done."""

    def task(self, label: str, total: int) -> AbstractContextManager[Advance]:
        """A context whose value is called with the number of items just done."""
        ...


class LogProgress:
    """A line in the run's log every ten seconds: done of total, a second, and the time left."""

    def __init__(self, log: Callable[[str], None], every_s: float = 10.0) -> None:
        self.log, self.every_s = log, every_s

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        start = spoken = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, spoken
            done += count
            now = time.monotonic()
            if now - spoken >= self.every_s:
                spoken = now
                rate = done / (now - start)
                self.log(f"{label}: {done} of {total}, {rate:.1f} a second, {(total - done) / rate:.0f} s left")

        yield advance
        if total:
            self.log(f"{label}: {done} of {total} in {time.monotonic() - start:.1f} s")
