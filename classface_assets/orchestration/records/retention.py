"""How long Dagster's records are retained, so that its home does not grow: finished runs with their events and logs.

What each asset, and each school year of it, was last materialized with stays, whatever its age: by it Dagster knows
what there is, so nothing is computed again. The run of an attempt that failed stays until another one succeeds. This
happens once a day by itself, and by `classface prune`.

Dagster 1.13 can delete a run, but leaves its log, its results of checks and the file of its events, and takes the last
materializations along. Hence the statements below, which hold for every SQL storage of Dagster, SQLite and PostgreSQL
alike. All that is assumed about the files is in `run_history`.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, PartitionBackfill
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import BackfillTagsTable, BulkActionsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from filelock import FileLock, Timeout

from classface_assets.orchestration.records.run_history import (
    RecordsInUseError,
    UnknownRecordsError,
    delete_old_logs,
    delete_run_files,
    folder_size,
    require_known_records,
    shrink_databases,
)
from classface_assets.orchestration.school_year_runs.years import expand_range, years_of_run
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames

RETAINED_EVENTS = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")
"""Types of which the last event of each asset, and of each school year of it, stays."""
SKIPPED_TICKS = timedelta(days=1)
"""Ticks of sensors that found nothing to do are of no interest longer."""
ONCE_A_DAY = timedelta(days=1)
STAMP_FILE, LOCK_FILE = ".records_pruned", ".records.lock"
BACKFILL_TAG = "dagster/backfill"
_BATCH = 500
_Item = TypeVar("_Item")

FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class PrunedRecords:
    """What was removed.

    Attributes:
        runs: How many runs.
        size: By how many bytes Dagster's home is smaller.
    """

    runs: int
    size: int


def prune_records_if_due(instance: dg.DagsterInstance, home: Path, days: int, names: ArchiveNames = ALONE) -> str:
    """Remove old records unless that was done a day ago or less, or another process does it now.

    That it fails is no reason for a run to fail. Where archives share a Dagster, the records of all are looked through
    after a run was removed, and by the first archive of a day that retains records so long; not by each of hundreds.

    Args:
        instance: Where the runs are recorded.
        home: Dagster's home folder.
        days: How long records are retained; 0: for ever.
        names: Of the archive: each has a time of its own, and removes nothing of another.

    Returns:
        A sentence about what was removed, or why it could not be; "" where nothing was.
    """
    own = home / "_".join((STAMP_FILE, *names.prefix))
    of_all = home / f"{STAMP_FILE}.{days}" if names.prefix else own
    if not days or not home.is_dir() or not _is_due(own):
        return ""
    try:
        with FileLock(home / LOCK_FILE, timeout=0):
            is_due = _is_due(of_all)
            own.touch()
            removed = _prune_archive(instance, home, days, names)
            if removed or is_due:
                of_all.touch()
                _prune_what_is_left(instance, home, days)
    except Timeout:
        return ""
    except (UnknownRecordsError, OSError, sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        return f"Dagster's old records could not be removed ({reason}); that is tried again tomorrow."
    return f"Dagster's records of {removed:,} runs older than {days:,} days were removed." if removed else ""


def prune_records(instance: dg.DagsterInstance, home: Path, days: int, names: ArchiveNames = ALONE) -> PrunedRecords:
    """Remove the records of runs that finished more than that many days ago, but what the assets were last made with.

    Killed at any moment, the next call does the rest.

    Args:
        instance: Where the runs are recorded.
        home: Dagster's home folder.
        days: How long records are retained; 0: for ever.
        names: Of the archive.

    Raises:
        UnknownRecordsError: Nothing was removed, since this version of Dagster is not known.
    """
    if not days:
        return PrunedRecords(0, 0)
    before = folder_size(home)
    removed = _prune_archive(instance, home, days, names)
    _prune_what_is_left(instance, home, days)
    return PrunedRecords(removed, before - folder_size(home))


def _prune_archive(instance: dg.DagsterInstance, home: Path, days: int, names: ArchiveNames) -> int:
    """Remove the old runs, ticks and backfills of an archive. Returns the number of runs."""
    require_known_records(home)
    until = _retained_since(days)
    runs = old_runs(instance, until, names)
    for run_id in runs:
        instance.run_storage.delete_run(run_id)
    for run_id in runs:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        with suppress(OSError):
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    _delete_ticks(instance, until, names)
    _delete_backfills(instance, until, names)
    return len(runs)


def _prune_what_is_left(instance: dg.DagsterInstance, home: Path, days: int) -> None:
    """Remove what runs that are gone left among the records of all archives, and old logs."""
    until = _retained_since(days)
    _delete_events(instance, until)
    delete_run_files(instance, home)
    delete_old_logs(home, until)
    with suppress(RecordsInUseError):  # the free pages are used again meanwhile
        shrink_databases(home)


def _retained_since(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _is_due(stamp: Path) -> bool:
    """Whether what the stamp is of was done more than a day ago, or never."""
    return not stamp.exists() or not 0 <= time.time() - stamp.stat().st_mtime < ONCE_A_DAY.total_seconds()


def old_runs(instance: dg.DagsterInstance, until: datetime, names: ArchiveNames = ALONE) -> list[str]:
    """Runs that ended before, without those that are still of interest.

    These are the newest run, the runs of a backfill that goes on, and the last attempt of what then failed.
    """
    old, seen, goes_on = [], set[object](), set[str]()
    registered = instance.get_dynamic_partitions(names.school_years_name)
    for number, record in enumerate(names.run_records(instance)):
        run = record.dagster_run
        years = years_of_run(run.tags)
        parts = [None] if years is None else expand_range(*years, registered)
        what = {(run.job_name, part, run.asset_selection) for part in parts}
        is_unresolved = not what <= seen and run.status != dg.DagsterRunStatus.SUCCESS
        seen |= what
        if number == 0 or is_unresolved or run.status not in FINISHED:
            continue
        if (record.end_time or record.update_timestamp.timestamp()) >= until.timestamp():
            continue
        backfill = run.tags.get(BACKFILL_TAG)
        if backfill is not None and _is_going_on(instance, backfill, goes_on):
            continue
        old.append(run.run_id)
    return old


def _is_going_on(instance: dg.DagsterInstance, backfill_id: str, known: set[str]) -> bool:
    if backfill_id not in known:
        backfill = instance.get_backfill(backfill_id)
        if backfill is None or backfill.status in BULK_ACTION_TERMINAL_STATUSES:
            return False
        known.add(backfill_id)
    return True


def _delete_events(instance: dg.DagsterInstance, until: datetime) -> None:
    """Delete the events of runs that are gone, but the last of each asset and school year, and the very last one.

    SQLite gives the number of its last row, once that is deleted, to the next one; the sensors would take that for an
    event which they have seen.
    """
    storage, events, checks = instance.event_log_storage, SqlEventLogStorageTable, AssetCheckExecutionsTable
    if not isinstance(storage, SqlEventLogStorage):
        return
    with storage.index_connection() as con:
        moment = until.replace(tzinfo=None)
        recorded = con.execute(sa.select(events.c.run_id).where(events.c.timestamp < moment).distinct())
        checked = con.execute(sa.select(checks.c.run_id).where(checks.c.create_timestamp < moment).distinct())
        gone = {run_id for (run_id,) in [*recorded, *checked] if run_id} - set(instance.get_run_ids())
        if not gone:
            return
        last_checks = _last_ids(con, checks, checks.c.asset_key, checks.c.check_name, checks.c.partition)
        retained = _last_ids(
            con, events, events.c.dagster_event_type, events.c.asset_key, events.c.partition, types=RETAINED_EVENTS
        )
        of_checks = sa.select(checks.c.evaluation_event_storage_id).where(checks.c.id.in_(sorted(last_checks)))
        retained |= {number for (number,) in con.execute(of_checks) if number is not None}
        for run_ids in _batches(sorted(gone)):
            _delete_rows(con, checks, _ids_of_runs(con, checks, run_ids) - last_checks)
            doomed = _ids_of_runs(con, events, run_ids) - retained
            for ids in _batches(sorted(doomed)):
                con.execute(AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(ids)))
            _delete_rows(con, events, doomed)


def _last_ids(con: sa.Connection, table: sa.Table, *groups: "sa.Column[str]", types: Sequence[str] = ()) -> set[int]:
    """The highest id of each group, and of the whole table."""
    query = sa.select(sa.func.max(table.c.id)).group_by(*groups)
    if types:
        query = query.where(table.c.dagster_event_type.in_(types))
    rows = [*con.execute(query), *con.execute(sa.select(sa.func.max(table.c.id)))]
    return {number for (number,) in rows if number is not None}


def _ids_of_runs(con: sa.Connection, table: sa.Table, run_ids: Iterable[str]) -> set[int]:
    return {number for (number,) in con.execute(sa.select(table.c.id).where(table.c.run_id.in_(run_ids)))}


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Items by the hundred: a statement takes only so many values."""
    yield from (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _delete_rows(con: sa.Connection, table: sa.Table, ids: Iterable[int]) -> None:
    for some in _batches(sorted(ids)):
        con.execute(table.delete().where(table.c.id.in_(some)))


def _delete_ticks(instance: dg.DagsterInstance, until: datetime, names: ArchiveNames) -> None:
    """Delete old ticks of sensors and schedules, and those of the last days that found nothing to do."""
    idle = datetime.now(UTC) - SKIPPED_TICKS
    for state in instance.all_instigator_state():
        if not names.owns_repository(state.origin.repository_origin):
            continue
        ids = state.instigator_origin_id, state.selector_id
        instance.purge_ticks(*ids, before=until.timestamp())
        instance.purge_ticks(*ids, before=max(idle, until).timestamp(), tick_statuses=[TickStatus.SKIPPED])


def _delete_backfills(instance: dg.DagsterInstance, until: datetime, names: ArchiveNames) -> None:
    storage, actions = instance.run_storage, BulkActionsTable
    if not isinstance(storage, SqlRunStorage):
        return
    ended = [status.value for status in BULK_ACTION_TERMINAL_STATUSES]
    old = actions.c.status.in_(ended), actions.c.timestamp < until.replace(tzinfo=None)
    with storage.connect() as con:
        keys = [key for (key,) in con.execute(sa.select(actions.c.key).where(*old))]
    own = [key for key in keys if _is_own(instance.get_backfill(key), names)]
    with storage.connect() as con:
        for some in _batches(own):
            con.execute(BackfillTagsTable.delete().where(BackfillTagsTable.c.backfill_id.in_(some)))
            con.execute(actions.delete().where(actions.c.key.in_(some)))


def _is_own(backfill: PartitionBackfill | None, names: ArchiveNames) -> bool:
    """Whether a backfill is one of the archive."""
    if backfill is None:
        return False
    if backfill.asset_selection:
        return all(map(names.owns_key, backfill.asset_selection))
    origin = backfill.partition_set_origin
    return origin is not None and names.owns_repository(origin.repository_origin)
