"""Dagster's records of runs, as far as they hold personal data: names, and contact sheets of faces.

Deleting such data for good needs the files behind Dagster's API, which are its own affair and may change with any
version. All that is assumed about them is in this module, and checked before anything is deleted.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Set
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import dagster as dg

from classface_assets.core.errors import UserError

LOCK_TIMEOUT_S = 30
PAGE_SIZE = 100  # materializations come with their pictures
TESTED_VERSIONS = ((1, 13),)
"""Of Dagster: their records are where this module looks for them."""


class RecordsInUseError(UserError):
    """Another process reads Dagster's records all the time, so that what was deleted cannot be overwritten."""


class UnknownRecordsError(UserError):
    """This version of Dagster keeps its records where this module does not know them."""


def outdated_runs(instance: dg.DagsterInstance, years: Set[str]) -> set[str]:
    """Finished runs of which later runs materialized everything again.

    Without their records Dagster still knows that everything was materialized, and when.

    Args:
        instance: Where the runs are recorded.
        years: The school years that still exist; materializations of others need not be retained.

    Returns:
        The ids of the runs.
    """
    materializing, latest = set(), set()
    for asset in instance.all_asset_keys():
        seen: set[str | None] = set()
        for run_id, year in _materializations(instance, asset):
            materializing.add(run_id)
            if year not in seen and (year is None or year in years):
                latest.add(run_id)
            seen.add(year)
    return (materializing - latest) & set(_finished_run_ids(instance))


def delete_run_records(instance: dg.DagsterInstance, home: Path, run_ids: Iterable[str]) -> None:
    """Delete the records of these runs.

    Raises:
        RecordsInUseError: They are deleted, but their content can still be recovered from the files.
        UnknownRecordsError: Nothing was deleted, since this version of Dagster is not known.
    """
    require_known_records(home)
    _delete_runs(instance, home, run_ids)
    _vacuum_databases(home)


def record_size_bytes(home: Path, run_ids: Iterable[str]) -> int:
    """The bytes of the files in which these runs are recorded."""
    files = (_run_folder(home) / f"{run_id}.db" for run_id in run_ids)
    return sum(file.stat().st_size for file in files if file.exists())


def delete_all_run_records(instance: dg.DagsterInstance, home: Path) -> int:
    """Delete the records of all runs that have finished, and the last metadata of all assets.

    Returns:
        The number of runs.

    Raises:
        RecordsInUseError: They are deleted, but their content can still be recovered from the files.
        UnknownRecordsError: Nothing was deleted, since this version of Dagster is not known.
    """
    require_known_records(home)
    runs = _finished_run_ids(instance)
    _delete_runs(instance, home, runs)
    instance.wipe_assets(list(instance.all_asset_keys()))
    for log in home.glob("*.log"):
        log.unlink(missing_ok=True)
    _vacuum_databases(home)
    return len(runs)


def _run_folder(home: Path) -> Path:
    """Where Dagster's SQLite storage has a database a run."""
    return home / "history" / "runs"


def require_known_records(home: Path, version: str = dg.__version__) -> None:
    """Check that Dagster keeps its records where this module looks for them.

    Args:
        home: Dagster's home folder.
        version: Of Dagster.

    Raises:
        UnknownRecordsError: The version was not tested, and its files are elsewhere.
    """
    major, minor = version.split(".")[:2]
    if (int(major), int(minor)) in TESTED_VERSIONS or _run_folder(home).is_dir():
        return
    raise UnknownRecordsError(
        f"Dagster {version} keeps its records in a way that this version of classface does not know, so they cannot be "
        "erased; install `dagster<1.14`."
    )


def _finished_run_ids(instance: dg.DagsterInstance) -> list[str]:
    return [r.dagster_run.run_id for r in instance.get_run_records() if r.dagster_run.is_finished]


def _materializations(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[tuple[str, str | None]]:
    """The run and the school year of each materialization of an asset, latest first."""
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
    """Rewrite a SQLite file: what was deleted stays in free pages and in the log until it is overwritten."""
    with closing(sqlite3.connect(database, timeout=LOCK_TIMEOUT_S)) as con:
        try:
            con.execute("VACUUM")
            busy = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise RecordsInUseError(f"{database} cannot be cleaned ({error}); stop `dagster dev`.") from None
    if busy:
        raise RecordsInUseError(f"{database} is being read; stop `dagster dev`.")
