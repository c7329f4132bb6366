"""Which stored files were read to their last byte today: bytes that nobody writes change seldom, so once a day will do.

Every write changes a file's time of status change, which nobody can set. Files that were changed since the last reading
are read again, whatever their size and time of change say.
"""

import json
import os
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import StorageError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry

SECONDS_A_DAY = 86_400
BYTES_PER_RUN = 1 << 30
"""The most bytes of parts that a run checks before it starts; of larger archives every day another share."""
_NEVER = -1


@dataclass
class ReadToday:
    """What of some kinds of files was read today, and what is read now.

    Attributes:
        file: The record, on this machine.
        day: Number of the day since 1970.
    """

    file: Path
    day: int
    _newest: dict[str, int] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def load(layout: ArchiveLayout, now: float | None = None) -> "ReadToday":
        """What was read on the day of this time, in seconds since 1970; None for now."""
        day = int((time.time() if now is None else now) // SECONDS_A_DAY)
        file = read_today_file(layout)
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            recorded = json.loads(file.read_bytes())
            if recorded["day"] == day:
                newest = {str(kind): int(changed) for kind, changed in recorded["newest"].items()}
                return ReadToday(file, day, dict(newest), newest)
        return ReadToday(file, day)

    def is_due(self, kind: str, status: os.stat_result) -> bool:
        """Whether a file is to be read: it was not today, or was changed since.

        Args:
            kind: Under which name files are read together.
            status: Of the file.
        """
        changed = status.st_ctime_ns
        self._newest[kind] = max(changed, self._newest.get(kind, _NEVER))
        # The clock of the disk counts in ticks: what was changed within that of the newest file may have come later.
        return os.name == "nt" or changed >= self._before.get(kind, _NEVER)

    def record(self) -> None:
        """Record that what is due was read and is sound; without a record, as on a full disk, all is read again."""
        if self._newest != self._before:
            content = json.dumps({"day": self.day, "newest": self._newest}).encode()
            with suppress(StorageError):
                write_file(self.file, lambda out: out.write(content))


def read_today_file(layout: ArchiveLayout) -> Path:
    """Where it is recorded; it names no file and no person, and may be deleted at any time."""
    return layout.cache / "read_today.json"


def share_of_the_day(files: Iterable[FileEntry], day: int, most: int = BYTES_PER_RUN) -> list[FileEntry]:
    """Of some files as many as are checked on a day, so that all of them are in turn.

    Args:
        files: All files.
        day: Number of the day.
        most: About how many bytes to check on one day.
    """
    every = list(files)
    shares = shares_of(sum(file.size for file in every), most)
    return [file for file in every if is_of_the_day(file.path.name, day, shares)]


def shares_of(size: int, most: int) -> int:
    """In how many shares so many bytes are checked, each on another day, so that at most about `most` are on one."""
    return -(-size // most) or 1


def is_of_the_day(name: str, day: int, shares: int) -> bool:
    """Whether a file of this name is in the share of the day, of so many shares."""
    return shares == 1 or (zlib.crc32(name.encode()) + day) % shares == 0
