"""Caches for what follows from the state of the archive, such as who was at a session."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import polars as pl

T = TypeVar("T")


class DerivedValues:
    """Values by key, each computed once; safe for several threads, of which one computes at a time."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}
        self._lock = threading.RLock()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The value of a key; `compute` may ask for other values."""
        with self._lock:
            if key not in self._values:
                self._values[key] = compute()
            value: T = self._values[key]
            return value


class LastingValues:
    """The last value of each key, with what it was computed from; it outlives the view that asked for it.

    Safe for several threads, which may compute the same value twice.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def get(self, key: Hashable, inputs: tuple[object, ...], compute: Callable[[], T]) -> T:
        """The value of a key; it is computed again where the inputs are no longer equal to those of the last time."""
        found = self._values.get(key)
        if found is not None and _are_equal(found[0], inputs):
            value: T = found[1]
            return value
        value = compute()
        self._values[key] = inputs, value
        return value


def _are_equal(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return len(before) == len(now) and all(map(_is_equal, before, now))


def _is_equal(before: object, now: object) -> bool:
    if before is now:
        return True
    if isinstance(before, pl.DataFrame):
        return isinstance(now, pl.DataFrame) and before.schema == now.schema and before.equals(now)
    return bool(before == now)
