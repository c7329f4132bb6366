"""The Parquet tables of assignments, each with its inputs recorded in the metadata of the same file.

The record is part of the file, so a killed run leaves both of one run or both of the one before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from classface_assets.core.locations import Location
from classface_assets.store.files.parquet import read_parquet_metadata, write_parquet
from classface_assets.store.model.events import AUTOMATIC_EVENT_KINDS, Event, LastEvent

METADATA_KEY = "made_of"


@dataclass(frozen=True)
class TableInputs:
    """What a table of assignments was made of.

    Attributes:
        facts: The digest of all files, faces and vectors (`catalog_fingerprint`).
        last: The last event of the ledger that counted; None before the first.
    """

    facts: str
    last: LastEvent | None

    @property
    def until(self) -> int:
        """The number of that event; 0 before the first."""
        return 0 if self.last is None else self.last[0]

    @property
    def state(self) -> tuple[str, LastEvent | None]:
        """The same as plain values, as fingerprints and file metadata store them."""
        return self.facts, self.last


def write_assignments(rows: pl.DataFrame, file: Location, made_of: TableInputs) -> None:
    """Write ASSIGNMENTS and their inputs into one file.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    write_parquet(rows, file, {METADATA_KEY: json.dumps(made_of.state)})


def read_table_inputs(file: Location) -> TableInputs | None:
    """The inputs of a table.

    Returns:
        None where they are not recorded: in tables of versions that did not, or after an erasure.

    Raises:
        FileNotFoundError: There is no such table.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    recorded = read_parquet_metadata(file).get(METADATA_KEY)
    if recorded is None:
        return None
    facts, last = json.loads(recorded)
    return TableInputs(facts, None if last is None else (last[0], last[1], last[2]))


def is_made_from(file: Location, facts: str) -> bool:
    """Whether a table was made from the facts of that digest, or does not record its inputs."""
    recorded = read_table_inputs(file)
    return recorded is None or recorded.facts == facts


def events_until(events: Sequence[Event], last: int) -> list[Event]:
    """The events up to and including the number `last`."""
    return [event for event in events if event.id <= last]


def count_newer_decisions(events: Sequence[Event], last: int) -> int:
    """How many events people have added since the number `last`; those that runs add by themselves do not count."""
    return sum(event.id > last and event.kind not in AUTOMATIC_EVENT_KINDS for event in events)
