"""Dagster's records of an archive, as far as they tell of people: names, and contact sheets of faces."""

import sqlite3
from collections.abc import Iterable, Iterator, Set
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import dagster as dg

from classface_assets.core.errors import UserError

LOCK_TIMEOUT_S = 30
PAGE_SIZE = 100  # each comes with its pictures


class RecordsInUseError(UserError):
    """Somebody reads Dagster's records all the time, so that what was deleted cannot be written over."""


def outdated_runs(instance: dg.DagsterInstance, years: Set[str]) -> set[str]:
    """Ended runs that made something, of which later runs have made all anew that is of one of these years or of none.

    Without their records Dagster still knows of everything that it was made, and when.
    """
    told, last = set(), set()
    for asset in instance.all_asset_keys():
        seen: set[str | None] = set()
        for run_id, year in _materializations(instance, asset):
            told.add(run_id)
            if year not in seen and (year is None or year in years):
                last.add(run_id)
            seen.add(year)
    return (told - last) & set(_finished_run_ids(instance))


def delete_run_records(instance: dg.DagsterInstance, home: Path, run_ids: Iterable[str]) -> None:
    """Delete the records of these runs. Raises RecordsInUseError when that is done, but can still be read."""
    _delete_runs(instance, home, run_ids)
    _vacuum_databases(home)


def record_size_bytes(home: Path, run_ids: Iterable[str]) -> int:
    """The bytes of the files in which these runs are recorded."""
    files = (home / "history" / "runs" / f"{run_id}.db" for run_id in run_ids)
    return sum(file.stat().st_size for file in files if file.exists())


def delete_all_run_records(instance: dg.DagsterInstance, home: Path) -> int:
    """Delete the records of runs that have ended, and what assets told last; returns of how many runs.

    Raises RecordsInUseError.
    """
    runs = _finished_run_ids(instance)
    _delete_runs(instance, home, runs)
    instance.wipe_assets(list(instance.all_asset_keys()))
    for log in home.glob("*.log"):
        log.unlink(missing_ok=True)
    _vacuum_databases(home)
    return len(runs)


def _finished_run_ids(instance: dg.DagsterInstance) -> list[str]:
    return [r.dagster_run.run_id for r in instance.get_run_records() if r.dagster_run.is_finished]


def _materializations(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[tuple[str, str | None]]:
    """The run and the school year of each time that an asset was made, last first."""
    cursor = None
    while True:
        page = instance.fetch_materializations(asset, limit=PAGE_SIZE, cursor=cursor)
        yield from ((record.run_id, record.partition_key) for record in page.records)
        if not page.has_more:
            return
        cursor = page.cursor


def _delete_runs(instance: dg.DagsterInstance, home: Path, run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        instance.delete_run(run_id)
        rmtree(home / "storage" / run_id, ignore_errors=True)


def _vacuum_databases(home: Path) -> None:
    for database in sorted(home.rglob("*.db")):
        _vacuum(database)


def _vacuum(database: Path) -> None:
    """SQLite keeps what was deleted, in free pages and in its log, until something is written over it."""
    with closing(sqlite3.connect(database, timeout=LOCK_TIMEOUT_S)) as con:
        try:
            con.execute("VACUUM")
            busy = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise RecordsInUseError(f"{database} cannot be cleaned ({error}); stop `dagster dev`.") from None
    if busy:
        raise RecordsInUseError(f"{database} is being read; stop `dagster dev`.")
