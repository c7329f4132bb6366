"""What an archive knows of its ledger: recorded in the published database, and in a small file beside the parts.

Both must fit with the ledger that is opened. Archives of versions that recorded neither have the events themselves in
the published database, and the last one of these stands for the record.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.duckdb_changes import DatabasePublisher
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.identity import LedgerRecord, RecordSource
from classface_assets.store.model.events import AUTOMATIC_EVENT_KINDS
from classface_assets.store.published.update_times import with_update_times

_AUTOMATIC = ", ".join(f"'{kind}'" for kind in AUTOMATIC_EVENT_KINDS)


@dataclass(frozen=True)
class StoredRecords:
    """The content of the small file.

    Attributes:
        record: Of the ledger.
        replaced: The record in the published database that no longer counts, since its ledger was given up on purpose.
        database: Size and time of change of the published database whose record need not be read, since the ledger of
            `record` was found to fit with it.
    """

    record: LedgerRecord
    replaced: LedgerRecord | None = None
    database: tuple[int, ...] | None = None


class ArchiveExpectation:
    """The ledger that an archive expects (`LedgerExpectation`).

    The small file at a URL is read once: as a ledger only grows, an earlier record holds as well. A local one is read
    again whenever it is needed.
    """

    def __init__(self, layout: ArchiveLayout) -> None:
        self._layout = layout
        self.is_shared = not isinstance(layout.data, Path)
        self._at_url: StoredRecords | None = None
        self._is_read = False

    def records(self) -> list[LedgerRecord]:
        """The records that count; none in a new archive.

        Raises:
            UserError: The small file is damaged.
            StorageError: The disk, drive or server fails.
        """
        database, stored = self._layout.database, self._stored()
        if stored is not None and stored.database is not None and stored.database == _signature(database):
            return [stored.record]
        published = published_record(database)
        if stored is None:
            return [] if published is None else [published]
        if published is None or published in (stored.record, stored.replaced):
            return [stored.record]
        return [stored.record, published]

    def refresh(self) -> bool:
        """Read the small file at a URL again; whether it says something else now."""
        before, self._is_read = self._at_url, False
        return not isinstance(self._layout.data, Path) and self._stored() != before

    def _stored(self) -> StoredRecords | None:
        if isinstance(self._layout.data, Path):
            return read_stored_records(self._layout)
        if not self._is_read:
            self._at_url, self._is_read = read_stored_records(self._layout), True
        return self._at_url


def read_stored_records(layout: ArchiveLayout) -> StoredRecords | None:
    """The content of the small file; None where there is none.

    Raises:
        UserError: It is damaged.
        StorageError: The disk, drive or server fails.
    """
    file = layout.ledger_record
    try:
        content: Any = json.loads(read_file(file))
        replaced, database = content.get("replaced"), content.get("database")
        return StoredRecords(
            _from_json(content),
            None if replaced is None else _from_json(replaced),
            None if database is None else tuple(map(int, database)),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{file} does not say which ledger the archive has; put it back from a backup, or delete it: the published "
            "database knows it too."
        ) from None


def published_record(database: Path) -> LedgerRecord | None:
    """The record in the published database; None where nothing is published, or it cannot be read."""
    signature = _signature(database)
    return None if signature is None else _published_record(database, *signature)


def publish_with_record(
    layout: ArchiveLayout,
    tables: Mapping[str, pl.DataFrame],
    record: LedgerRecord,
    publisher: DatabasePublisher | None = None,
) -> None:
    """Publish the database with the record of the ledger, and write the record beside the parts too.

    Args:
        layout: The archive.
        tables: See `publish_database`.
        record: Of the ledger, read before the events from which the tables were made.
        publisher: Of this run, which may have published before; None: the file is written whole.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    publisher = publisher or DatabasePublisher()
    dated = with_update_times(layout.database, tables, publisher.published(layout.database, "face_instances"))
    publisher.publish(layout.database, {**dated, "ledger": _record_rows(record)})
    write_stored_records(layout, StoredRecords(record, database=_own_database(layout)))


def write_stored_records(layout: ArchiveLayout, stored: StoredRecords) -> None:
    """Write the small file, unless it says the same already.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    content: dict[str, Any] = _to_json(stored.record)
    if stored.replaced is not None:
        content["replaced"] = _to_json(stored.replaced)
    if stored.database is not None:
        content["database"] = stored.database
    data = json.dumps(content).encode()
    try:
        if read_file(layout.ledger_record) == data:
            return
    except FileNotFoundError:
        pass
    write_file(layout.ledger_record, lambda out: out.write(data))


def record_decisions(layout: ArchiveLayout, store: EventStore) -> None:
    """Record the last decision that was made, so that a ledger without it is seen to be older.

    Raises:
        LedgerError: The ledger cannot be used.
        StorageError: The disk, drive or server fails.
    """
    record, before = store.record(RecordSource.DECISIONS), read_stored_records(layout)
    if before is None:
        write_stored_records(layout, StoredRecords(record))
    elif (before.record.ledger_id, before.record.last) != (record.ledger_id, record.last):
        write_stored_records(layout, replace(before, record=record))


def accept_ledger(layout: ArchiveLayout, store: EventStore) -> None:
    """From now on the archive has this ledger, whatever it had before.

    Raises:
        LedgerError: The ledger cannot be used.
        StorageError: The disk, drive or server fails.
    """
    record = store.record(RecordSource.DECISIONS)
    write_stored_records(layout, StoredRecords(record, published_record(layout.database), _own_database(layout)))


def _own_database(layout: ArchiveLayout) -> tuple[int, ...] | None:
    """The database's signature for the small file, unless several machines share that, each with its own database."""
    return _signature(layout.database) if isinstance(layout.data, Path) else None


def _signature(database: Path) -> tuple[int, ...] | None:
    with suppress(OSError):
        status = database.stat()
        return status.st_size, status.st_mtime_ns
    return None


@functools.lru_cache(maxsize=8)
def _published_record(database: Path, *_: int) -> LedgerRecord | None:
    for read in (_recorded, _record_of_events):
        with suppress(DatabaseError):  # a database of an older version, or one that cannot be read
            return read(database)
    return None


def _recorded(database: Path) -> LedgerRecord | None:
    rows = query_database(database, "SELECT * FROM ledger")
    return _from_row(rows.row(0, named=True)) if rows.height else _record_of_events(database)


def _record_of_events(database: Path) -> LedgerRecord | None:
    """The record that the published events come to, in a database of a version that recorded none.

    After an erasure the events are not there, and only how many people were named is known.
    """
    of_people = f"FROM face_assignment_events WHERE kind NOT IN ({_AUTOMATIC})"
    count, last = query_database(database, f"SELECT count(*), max(id) {of_people}").row(0)
    if not count:
        persons = query_database(database, "SELECT count(*) FROM persons").item()
        return LedgerRecord(None, persons, None) if persons else None
    sql = "SELECT id, created_at, kind FROM face_assignment_events WHERE id = ?"
    number, at, kind = query_database(database, sql, [last]).row(0)
    return LedgerRecord(None, count, (number, at.isoformat(), kind))


def _from_row(row: Mapping[str, Any]) -> LedgerRecord:
    last = None
    if row["last_event_id"] is not None:
        last = (row["last_event_id"], row["last_event_at"], row["last_event_kind"])
    return LedgerRecord(row["ledger_id"], row["decisions"], last)


def _record_rows(record: LedgerRecord) -> pl.DataFrame:
    number, at, kind = record.last or (None, None, None)
    row = (record.ledger_id, record.decisions, number, at, kind)
    names = ("ledger_id", "decisions", "last_event_id", "last_event_at", "last_event_kind")
    types = (pl.String, pl.Int64, pl.Int64, pl.String, pl.String)
    return pl.DataFrame([row], schema=dict(zip(names, types, strict=True)), orient="row")


def _to_json(record: LedgerRecord) -> dict[str, Any]:
    last: Sequence[object] | None = record.last
    return {
        "ledger_id": record.ledger_id,
        "decisions": record.decisions,
        "last_event": last,
        "recorded_with": record.source.value,
    }


def _from_json(content: Mapping[str, Any]) -> LedgerRecord:
    last = content["last_event"]
    checked = None if last is None else (int(last[0]), str(last[1]), str(last[2]))
    ledger_id = content["ledger_id"]
    return LedgerRecord(
        None if ledger_id is None else str(ledger_id),
        int(content["decisions"]),
        checked,
        RecordSource(content["recorded_with"]),
    )
