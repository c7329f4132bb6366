"""The files of Dagster's records of runs, as far as they grow or hold personal data: names, contact sheets of faces.

Deleting such data for good needs the files behind Dagster's API, which are its own affair and may change with any
version. All that is assumed about them is in this module, and checked before anything is deleted.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Set
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from uuid import UUID

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from classface_assets.core.atomic_files import remove_tree
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.records.database import vacuum_records
from classface_assets.orchestration.records.sqlite.damaged_records import records_set_aside
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames

LOCK_TIMEOUT_S, SHORT_LOCK_TIMEOUT_S = 30, 5
MIN_FREE_BYTES = 1_000_000
_LOG_SUFFIXES = frozenset({".out", ".err", ".complete", ".partial"})
PAGE_SIZE = 100  # materializations come with their pictures
TESTED_VERSIONS = ((1, 13),)
"""Of Dagster: their records are where this module looks for them."""


class RecordsInUseError(UserError):
    """Another process reads Dagster's records all the time, so that what was deleted cannot be overwritten."""


class UnknownRecordsError(UserError):
    """This version of Dagster keeps its records where this module does not know them."""


def outdated_runs(instance: dg.DagsterInstance, years: Set[str], names: ArchiveNames = ALONE) -> set[str]:
    """Runs that are not in progress, of which later runs materialized everything again.

    Of some only the materializations are left (`retention`).

    Without their records Dagster still knows that everything was materialized, and when.

    Args:
        instance: Where the runs are recorded.
        years: The school years that still exist; materializations of others need not be retained.
        names: Of the archive.

    Returns:
        The ids of the runs.
    """
    materializing, latest = set(), set()
    for asset in names.recorded_keys(instance):
        seen: set[str | None] = set()
        for run_id, year in _materializations(instance, asset):
            materializing.add(run_id)
            if year not in seen and (year is None or year in years):
                latest.add(run_id)
            seen.add(year)
    reported = {""}  # without a run
    return materializing - latest - reported - set(_unfinished_run_ids(instance))


def delete_run_records(instance: dg.DagsterInstance, home: Path, run_ids: Collection[str]) -> None:
    """Delete the records of these runs.

    Raises:
        RecordsInUseError: They are deleted, but their content can still be recovered from the files.
        UnknownRecordsError: Nothing was deleted, since this version of Dagster is not known.
    """
    require_known_records(home)
    _delete_runs(instance, home, run_ids)
    _vacuum_databases(instance, home)


def record_size_bytes(home: Path, run_ids: Iterable[str]) -> int:
    """The bytes of the files in which these runs are recorded."""
    files = (_run_folder(home) / f"{run_id}.db" for run_id in run_ids)
    return sum(file.stat().st_size for file in files if file.exists())


def delete_all_run_records(instance: dg.DagsterInstance, home: Path, names: ArchiveNames = ALONE) -> int:
    """Delete the records of all runs of an archive that have finished, and the last metadata of all its assets.

    Returns:
        The number of runs.

    Raises:
        RecordsInUseError: They are deleted, but their content can still be recovered from the files.
        UnknownRecordsError: Nothing was deleted, since this version of Dagster is not known.
    """
    require_known_records(home)
    runs = [r.dagster_run.run_id for r in names.run_records(instance) if r.dagster_run.is_finished]
    _delete_runs(instance, home, runs)
    instance.wipe_assets(names.recorded_keys(instance))
    for log in home.glob("*.log"):
        log.unlink(missing_ok=True)
    remove_tree(records_set_aside(home))
    _vacuum_databases(instance, home)
    return len(runs)


def erase_left_home(layout: ArchiveLayout) -> None:
    """Remove the records that an archive had before it shared a Dagster: pictures of faces are in them too."""
    if layout.shared_home is not None and layout.own_dagster_home.resolve() != layout.shared_home.resolve():
        for name in ("history", "storage", "schedules"):
            remove_tree(layout.own_dagster_home / name)
        remove_tree(records_set_aside(layout.own_dagster_home))


def folder_size(home: Path) -> int:
    """The bytes of all files in Dagster's home; files that vanish meanwhile do not count."""
    size = 0
    for file in home.rglob("*"):
        with suppress(OSError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def delete_run_files(instance: dg.DagsterInstance, home: Path) -> None:
    """Delete the files of runs that Dagster has no record of: its API leaves the file of a run's events behind."""
    files = [*_subfolders(home / "storage")]  # of their logs
    if instance.event_log_storage.is_run_sharded and _run_folder(home).is_dir():
        files += _run_folder(home).glob("*.db")
    there = {name for name in map(_run_id_of, files) if name}
    for run_id in there - set(instance.get_run_ids()):  # asked last: a run is recorded before its files are made
        _delete_files_of_run(home, run_id)


def delete_old_logs(home: Path, until: datetime) -> None:
    """Delete the logs of sensors' ticks that were last written before; those of runs go with their run."""
    for folder in _subfolders(home / "storage"):
        for log in folder.rglob("*") if not _run_id_of(folder) else ():
            with suppress(OSError):
                if log.suffix in _LOG_SUFFIXES and log.stat().st_mtime < until.timestamp():
                    log.unlink()


def shrink_databases(home: Path) -> None:
    """Rewrite the databases of which a large part is free pages.

    Raises:
        RecordsInUseError: Another process reads one of them all the time.
    """
    for database in (*(home / "history").glob("*.db"), _run_folder(home) / "index.db", home / "schedules/schedules.db"):
        if database.is_file() and _free_bytes(database) > MIN_FREE_BYTES:
            _vacuum(database, SHORT_LOCK_TIMEOUT_S)


def _free_bytes(database: Path) -> int:
    with closing(sqlite3.connect(database, timeout=SHORT_LOCK_TIMEOUT_S)) as con:
        return int(
            con.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size").fetchone()[0]
        )


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _run_id_of(file: Path) -> str:
    """The run that a file is named after; "" where it is none of a run."""
    with suppress(ValueError):
        return str(UUID(file.stem))
    return ""


def _delete_files_of_run(home: Path, run_id: str) -> None:
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):  # somebody reads it on Windows
            (_run_folder(home) / f"{run_id}.db{ending}").unlink(missing_ok=True)
    rmtree(home / "storage" / run_id, ignore_errors=True)


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


def _unfinished_run_ids(instance: dg.DagsterInstance) -> list[str]:
    return [r.dagster_run.run_id for r in instance.get_run_records() if not r.dagster_run.is_finished]


def _materializations(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[tuple[str, str | None]]:
    """The run and the school year of each materialization of an asset, latest first."""
    cursor = None
    while True:
        page = instance.fetch_materializations(asset, limit=PAGE_SIZE, cursor=cursor)
        yield from ((record.run_id, record.partition_key) for record in page.records)
        if not page.has_more:
            return
        cursor = page.cursor


def _delete_runs(instance: dg.DagsterInstance, home: Path, run_ids: Collection[str]) -> None:
    with _last_event_stays(instance):
        for run_id in run_ids:
            instance.delete_run(run_id)
    for run_id in run_ids:
        _delete_files_of_run(home, run_id)


@contextmanager
def _last_event_stays(instance: dg.DagsterInstance) -> Iterator[None]:
    """Within it the very last event is not deleted for good; it says that a run has ended, and nothing of a face.

    SQLite gives the number of its last row, once that is deleted, to the next one; the sensors would take that for an
    event which they have seen.
    """
    storage, events = instance.event_log_storage, SqlEventLogStorageTable
    if not isinstance(storage, SqlEventLogStorage):
        yield
        return
    highest = sa.select(events).where(events.c.id == sa.select(sa.func.max(events.c.id)).scalar_subquery())
    with storage.index_connection() as con:
        last = con.execute(highest).mappings().first()
    yield
    with storage.index_connection() as con:
        now = con.execute(highest).mappings().first()
        is_gone = last is not None and (now is None or now["id"] < last["id"])  # a daemon may have recorded more since
        if last is not None and is_gone and not last["asset_key"]:
            con.execute(events.insert().values(**last))


def _vacuum_databases(instance: dg.DagsterInstance, home: Path) -> None:
    url = getattr(instance.event_log_storage, "postgres_url", None)  # its class is in the extra `postgres`
    if url:
        vacuum_records(url)
    for database in sorted(home.rglob("*.db")):
        _vacuum(database)


def _vacuum(database: Path, timeout_s: int = LOCK_TIMEOUT_S) -> None:
    """Rewrite a SQLite file: what was deleted stays in free pages and in the log until it is overwritten."""
    with closing(sqlite3.connect(database, timeout=timeout_s)) as con:
        try:
            con.execute("VACUUM")
            busy = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise RecordsInUseError(f"{database} cannot be cleaned ({error}); stop `dagster dev`.") from None
    if busy:
        raise RecordsInUseError(f"{database} is being read; stop `dagster dev`.")
