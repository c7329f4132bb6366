"""Dagster's own databases that are damaged: how that is noticed, and how new ones take their place.

They hold the records of runs, events and schedules, none of which the archive needs: what is unchanged it knows by its
own fingerprints. SQLite has no checksums; what is noticed is a file that is none of SQLite's, or whose structure or
content cannot be read.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import yaml

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout

MOST_BYTES_CHECKED = 32 << 20
"""The size up to which the structure of a database is checked each time the records are opened."""
_DATABASE_PACKAGES = {"sqlite3", "sqlalchemy"}
_UNREADABLE_CONTENT = ("DeserializationError", "SerdesUsageError", "SerializationError")
"""Names of Dagster's errors that say that what it recorded cannot be read."""


class DamagedRecordsError(UserError):
    """Dagster's records of an archive are damaged."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"Dagster's records in {file} are damaged; `classface release --rebuild` sets them aside and starts new "
            "ones, and the archive is not touched."
        )
        self.file = file


def require_sound_records(home: Path) -> None:
    """Check Dagster's settings and databases before they are used.

    Args:
        home: Dagster's home folder.

    Raises:
        DamagedRecordsError: One of them is damaged.
    """
    settings = home / "dagster.yaml"
    if settings.exists() and not _are_settings(settings):
        raise DamagedRecordsError(settings)
    for file in _main_databases(home):
        if file.exists() and not _is_sound(file, MOST_BYTES_CHECKED):
            raise DamagedRecordsError(file)


def as_damaged_records_error(error: BaseException) -> DamagedRecordsError | None:
    """The sentence for an error that damaged records caused; None for other errors.

    Args:
        error: Any exception, while DAGSTER_HOME names the records.
    """
    home = Path(os.environ.get("DAGSTER_HOME", ""))
    errors = list(_chain(error))
    of_database = any(cls.__module__.split(".")[0] in _DATABASE_PACKAGES for one in errors for cls in type(one).__mro__)
    unreadable = any(type(one).__name__ in _UNREADABLE_CONTENT for one in errors)
    if not home.name or not (of_database or unreadable):
        return None
    damaged = next((file for file in sorted(home.rglob("*.db")) if not _is_sound(file)), None)
    if damaged is None and unreadable:
        damaged = home / "history"
    return None if damaged is None else DamagedRecordsError(damaged)


def records_set_aside(home: Path) -> Path:
    """The folder of damaged records that were set aside: they may hold personal data, so they are erased too."""
    return home.with_name(f"{home.name}.damaged")


def set_records_aside(layout: ArchiveLayout) -> Path | None:
    """Set all records aside, so that new ones are made; settings that can be read stay.

    Returns:
        The folder where they are now; None where there were none.
    """
    home = layout.dagster_home
    settings = home / "dagster.yaml"
    gone = [home / "history", home / "schedules", home / "storage"]
    gone += [settings] if settings.exists() and not _are_settings(settings) else []
    present = [path for path in gone if path.exists()]
    if not present:
        return None
    aside = records_set_aside(home) / datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    aside.mkdir(parents=True, exist_ok=True)
    for path in present:
        path.replace(aside / path.name)
    return aside


def _main_databases(home: Path) -> list[Path]:
    history = home / "history"
    return [history / "runs.db", history / "runs" / "index.db", home / "schedules" / "schedules.db"]


def _is_sound(file: Path, most: int | None = None) -> bool:
    """Whether a file is a database of SQLite, or empty; up to a size its structure is checked too."""
    if file.is_dir():
        return False
    try:
        # By SQLite alone: whoever opens and closes its file otherwise loses the locks that this process has on it
        # (https://www.sqlite.org/howtocorrupt.html, 2.2), and a connection may be held.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as con:
            if most is not None and file.stat().st_size > most:
                con.execute("PRAGMA schema_version")
                return True
            return bool(con.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.OperationalError as error:
        return "malformed" not in str(error)  # else it is locked, or its disk is gone
    except sqlite3.DatabaseError:
        return False
    except OSError:
        return True


def _are_settings(file: Path) -> bool:
    try:
        return isinstance(yaml.safe_load(file.read_bytes()), dict)
    except (OSError, yaml.YAMLError, ValueError):
        return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
