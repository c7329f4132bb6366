"""The Parquet tables of assignments, each with a note in the same file of what it was made of.

The note is part of the file, so a killed run leaves both of one run or both of the one before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from classface_assets.core.locations import Place
from classface_assets.store.files.parquet import read_notes, write_whole
from classface_assets.store.model.events import Event

NOTE = "made_of"
NOTED_BY_RUNS = ("photos_followed",)
LastEvent = tuple[int, str, str]
"""Number, time and kind of an event, as `Ledger.last` tells them."""


@dataclass(frozen=True)
class MadeOf:
    """The digest of all facts, and the last event of the ledger that counted; None: there was none yet."""

    facts: str
    last: LastEvent | None

    @property
    def until(self) -> int:
        """The number of that event; 0 before the first."""
        return 0 if self.last is None else self.last[0]

    @property
    def state(self) -> tuple[str, LastEvent | None]:
        """As stamps are made of it."""
        return self.facts, self.last


def write_assignments(rows: pl.DataFrame, file: Place, made_of: MadeOf) -> None:
    """Write ASSIGNMENTS and what they were made of. Raises StorageError."""
    write_whole(rows, file, {NOTE: json.dumps(made_of.state)})


def made_of(file: Place) -> MadeOf | None:
    """What a table was made of; None where that was not noted: before there were notes, or after an erasure.

    Raises FileNotFoundError, DamagedFileError.
    """
    noted = read_notes(file).get(NOTE)
    if noted is None:
        return None
    facts, last = json.loads(noted)
    return MadeOf(facts, None if last is None else (last[0], last[1], last[2]))


def is_made_of(file: Place, facts: str) -> bool:
    """Whether a table is of the facts of that digest, as far as is noted."""
    noted = made_of(file)
    return noted is None or noted.facts == facts


def until(events: Sequence[Event], last: int) -> list[Event]:
    """The events up to that number."""
    return [event for event in events if event.id <= last]


def newer_words(events: Sequence[Event], last: int) -> int:
    """How much people have said since the event of that number; what a run noted by itself is not counted."""
    return sum(event.id > last and event.kind not in NOTED_BY_RUNS for event in events)
