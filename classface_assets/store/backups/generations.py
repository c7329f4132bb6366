"""The backups of ledgers in a folder: their names, how many stay, and the lock of whoever changes them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from classface_assets.core.errors import StorageError, UserError, translate_storage_errors

_NAME = re.compile(r"(\d{8}T\d{12}Z)-(\d+)-([0-9a-f]{8})\.(sqlite|jsonl)")
_TIME_FORMAT = "%Y%m%dT%H%M%S%fZ"
_RETENTION = re.compile(r"\s*(\d+)\s*(?:\+\s*(\d+)\s*)?")
REPLACED_PREFIX = "replaced-"
"""Begins the names of ledgers that a backup took the place of; these stay until somebody deletes them."""


@dataclass(frozen=True)
class Retention:
    """How many backups of each ledger stay.

    Attributes:
        latest: The last ones; 0 makes no backups.
        days: Of how many further days, the last one of each.
    """

    latest: int = 5
    days: int = 7

    @classmethod
    def parse(cls, text: str) -> "Retention":
        """The retention that `5+7` means: the last five, and one a day for seven days; 0 for none.

        Raises:
            UserError: It is something else.
        """
        found = _RETENTION.fullmatch(text)
        if found is None:
            raise UserError(
                f"CLASSFACE_LEDGER_BACKUPS is {text!r}; set it to two numbers such as 5+7 (the last five backups, and "
                "one a day for seven days), to 0 for none, or to nothing."
            )
        return cls(int(found[1]), int(found[2] or 0))


@dataclass(frozen=True)
class Backup:
    """A backup of a ledger.

    Attributes:
        file: SQLite's own format, or JSON Lines of a ledger in another database.
        at: When it was made.
        last: The number of the last event in it.
        ledger: The first eight characters of the ledger's identity.
    """

    file: Path
    at: datetime
    last: int
    ledger: str

    @classmethod
    def named(cls, file: Path) -> "Backup | None":
        """The backup of that file; None where its name is not that of a backup."""
        found = _NAME.fullmatch(file.name)
        if found is None:
            return None
        at = datetime.strptime(found[1], _TIME_FORMAT).replace(tzinfo=UTC)
        return cls(file, at, int(found[2]), found[3])


def backup_file(folder: Path, last: int, ledger_id: str, suffix: str) -> Path:
    """The file of a backup that is made now."""
    return folder / f"{datetime.now(UTC).strftime(_TIME_FORMAT)}-{last}-{_short(ledger_id)}{suffix}"


def replaced_file(folder: Path, suffix: str) -> Path:
    """The file of a ledger that a backup takes the place of now."""
    return folder / f"{REPLACED_PREFIX}{datetime.now(UTC).strftime(_TIME_FORMAT)}{suffix}"


def list_backups(folder: Path) -> list[Backup]:
    """The backups in a folder, newest first."""
    found = (Backup.named(file) for file in folder.iterdir()) if folder.is_dir() else ()
    return sorted((one for one in found if one is not None), key=lambda one: one.file.name, reverse=True)


def files_with_names(folder: Path) -> list[Path]:
    """Every file in a folder of backups that may hold names, ledgers that were replaced too."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != _lock_file(folder).name)


def is_backup_of(backup: Backup, ledger_id: str) -> bool:
    """Whether it is a backup of the ledger of this identity."""
    return backup.ledger == _short(ledger_id)


def superfluous(backups: Sequence[Backup], retention: Retention) -> list[Backup]:
    """The backups that need not stay: each ledger has its own last ones, and its last one of each day."""
    found: list[Backup] = []
    for ledger in {one.ledger for one in backups}:
        mine = sorted((one for one in backups if one.ledger == ledger), key=lambda one: one.file.name, reverse=True)
        found += set(mine) - {*mine[: retention.latest], *_last_of_days(mine[retention.latest :], retention.days)}
    return found


@contextmanager
def locked_backups(folder: Path) -> Iterator[None]:
    """A context in which nobody else makes, changes or removes a backup.

    Raises:
        StorageError: The folder cannot be written.
    """
    lock = FileLock(_lock_file(folder))
    try:
        with translate_storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except OSError as error:
        raise StorageError(
            f"Backups of the ledger cannot be written to {folder} ({error.strerror}); make it writable, or set "
            "CLASSFACE_LEDGER_BACKUPS to 0."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _last_of_days(newest_first: Iterable[Backup], days: int) -> list[Backup]:
    by_day: dict[str, Backup] = {}
    for one in newest_first:
        by_day.setdefault(f"{one.at:%Y-%m-%d}", one)
    return list(by_day.values())[:days]


def _lock_file(folder: Path) -> Path:
    return folder / ".lock"


def _short(ledger_id: str) -> str:
    return re.sub(r"[^0-9a-f]", "0", ledger_id.lower())[:8].ljust(8, "0")
