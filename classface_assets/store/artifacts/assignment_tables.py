"""The Parquet tables of assignments, each with a note in the same file of what it was made of.

The note is part of the file, so a killed run leaves both of one run or both of the one before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from classface_assets.core.locations import Location
from classface_assets.store.files.parquet import read_parquet_metadata, write_parquet
from classface_assets.store.model.events import Event

METADATA_KEY = "made_of"
AUTOMATIC_EVENT_KINDS = ("photos_followed",)
LastEvent = tuple[int, str, str]
"""Number, time and kind of an event, as `Ledger.last` tells them."""


@dataclass(frozen=True)
class TableInputs:
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


def write_assignments(rows: pl.DataFrame, file: Location, made_of: TableInputs) -> None:
    """Write ASSIGNMENTS and what they were made of. Raises StorageError."""
    write_parquet(rows, file, {METADATA_KEY: json.dumps(made_of.state)})


def read_table_inputs(file: Location) -> TableInputs | None:
    """What a table was made of; None where that was not noted: before there were notes, or after an erasure.

    Raises FileNotFoundError, DamagedFileError.
    """
    noted = read_parquet_metadata(file).get(METADATA_KEY)
    if noted is None:
        return None
    facts, last = json.loads(noted)
    return TableInputs(facts, None if last is None else (last[0], last[1], last[2]))


def is_made_from(file: Location, facts: str) -> bool:
    """Whether a table is of the facts of that digest, as far as is noted."""
    noted = read_table_inputs(file)
    return noted is None or noted.facts == facts


def events_until(events: Sequence[Event], last: int) -> list[Event]:
    """The events up to that number."""
    return [event for event in events if event.id <= last]


def count_newer_decisions(events: Sequence[Event], last: int) -> int:
    """How much people have said since the event of that number; what a run noted by itself is not counted."""
    return sum(event.id > last and event.kind not in AUTOMATIC_EVENT_KINDS for event in events)
