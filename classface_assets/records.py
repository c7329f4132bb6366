"""Dagster's records of an archive, as far as they tell of people: names, and contact sheets of faces."""

import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import dagster as dg

from classface_assets.errors import UserError

WAIT_S = 30


class RecordsInUseError(UserError):
    """Somebody reads Dagster's records all the time, so that what was deleted cannot be written over."""


def forget_records(instance: dg.DagsterInstance, home: Path) -> int:
    """Delete the records of runs that have ended, and what assets told last; returns of how many runs.

    Raises RecordsInUseError.
    """
    runs = [r.dagster_run for r in instance.get_run_records() if r.dagster_run.is_finished]
    for run in runs:
        instance.delete_run(run.run_id)
        rmtree(home / "storage" / run.run_id, ignore_errors=True)
    instance.wipe_assets(list(instance.all_asset_keys()))
    for log in home.glob("*.log"):
        log.unlink(missing_ok=True)
    for database in sorted(home.rglob("*.db")):
        _leave_no_trace(database)
    return len(runs)


def _leave_no_trace(database: Path) -> None:
    """SQLite keeps what was deleted, in free pages and in its log, until something is written over it."""
    with closing(sqlite3.connect(database, timeout=WAIT_S)) as con:
        try:
            con.execute("VACUUM")
            busy = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise RecordsInUseError(f"{database} cannot be cleaned ({error}); stop `dagster dev`.") from None
    if busy:
        raise RecordsInUseError(f"{database} is being read; stop `dagster dev`.")
