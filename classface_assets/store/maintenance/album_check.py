"""The check of albums before a run: where they have many files in a process of its own, while the run goes on.

Every file is compared with its record, which takes seconds in a large archive. What comes of it counts only when albums
are made.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import stat_entry
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.maintenance.album_files import check_albums
from classface_assets.store.maintenance.read_today import ReadToday

FEW_BYTES = 8 << 20
"""Albums whose records are at most this large are checked at once: a process would take longer to start."""
NICENESS = 10
"""Of that process: the run that goes on meanwhile comes first."""
MODULE = "classface_assets.store.maintenance.album_check"


@dataclass(frozen=True)
class CheckedAlbums:
    """What a check of albums came to.

    Attributes:
        damaged: The school year, or "" of the pages over all years, the file, and what is the matter with it.
        intact: School year → the digest of the inputs that its album was made of, where each of its files is as it was
            when the album was made.
    """

    damaged: tuple[tuple[str, Path, str], ...]
    intact: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class AlbumCheck:
    """A check that may still go on.

    Attributes:
        layout: The archive.
        process: In which it goes on; None for one that this process does.
    """

    layout: ArchiveLayout
    process: "subprocess.Popen[bytes] | None" = None

    @classmethod
    def begin(cls, layout: ArchiveLayout, few_bytes: int = FEW_BYTES) -> "AlbumCheck":
        """Check at once, or begin a process that does where the records of local albums are larger than this."""
        if not isinstance(layout.data, Path) or _record_bytes(layout) <= few_bytes:
            check = cls(layout)
            _ = check.result
            return check
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(layout.data), str(layout.local)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except OSError:  # no memory for one more: this process does it
            return cls(layout)
        return cls(layout, process)

    @cached_property
    def result(self) -> CheckedAlbums:
        """What it came to, once that is known; where its process did not come to an end, this process does it.

        Raises:
            StorageError: The disk fails.
        """
        if self.process is not None:
            out, _ = self.process.communicate()
            with suppress(ValueError, KeyError, TypeError):
                if self.process.returncode == 0:
                    return _of_json(out)
        return _check(self.layout)

    def stop(self) -> None:
        """End its process, unless its result was taken."""
        process = self.process
        if process is not None and process.stdout is not None and not process.stdout.closed:
            process.kill()
            process.communicate()


def _record_bytes(layout: ArchiveLayout) -> int:
    """The size of the records of the albums of all school years."""
    files = (layout.fingerprint_file("albums", year) for year in list_school_years(layout))
    return sum(max(stat_entry(file).size, 0) for file in files)


def _check(layout: ArchiveLayout) -> CheckedAlbums:
    today, intact = ReadToday.load(layout), dict[str, str]()
    damaged = tuple(check_albums(layout, today, intact if isinstance(layout.data, Path) else None))
    if not damaged:
        today.record()
    return CheckedAlbums(damaged, intact)


def _to_json(checked: CheckedAlbums) -> bytes:
    damaged = [(year, str(file), why) for year, file, why in checked.damaged]
    return json.dumps({"damaged": damaged, "intact": dict(checked.intact)}).encode()


def _of_json(out: bytes) -> CheckedAlbums:
    content = json.loads(out)
    damaged = tuple((str(year), Path(file), str(why)) for year, file, why in content["damaged"])
    return CheckedAlbums(damaged, {str(year): str(made_of) for year, made_of in content["intact"].items()})


def main(data: str, local: str) -> None:
    """Check the albums of the archive with this data folder and local folder, and print what it came to as JSON."""
    if sys.platform != "win32":
        os.nice(NICENESS)
    checked = _check(ArchiveLayout(Path(data), Path(data), Path(local)))
    sys.stdout.buffer.write(_to_json(checked))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
