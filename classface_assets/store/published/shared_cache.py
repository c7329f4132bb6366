"""The local folder as a cache of what is shared at a URL: which files take part, and what this machine had last.

With data on a local disk nothing is shared, and nothing of this is used.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import BaseFileLock, FileLock

from classface_assets.core.atomic_files import write_file
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.erasure.tombstones import locally_erased
from classface_assets.store.published.shared_pointer import Pointer, SharedFile, SharedFormatError, pointer_from_json

SHARED_FILES = ("classface.duckdb", "classface.toml")
SHARED_FOLDERS = ("stamps", "models")
"""What of the local folder every machine has. The rest is of one machine: logins, downloads, Dagster's records."""
RECORD_FILE, LOCK_FILE = "shared.json", "shared.lock"

FileState = tuple[int, int]
"""Size in bytes and time of change in ns."""


@dataclass(frozen=True)
class CacheRecord:
    """What this machine had when it last read or wrote the pointer.

    Attributes:
        version: Of the pointer; "" where there was none.
        pointer: The pointer.
        states: Path below the local folder → the file's state then: another one now is a change of this machine.
        is_new: Whether there is no record: the folder is new, or was used by a version that shared nothing.
    """

    version: str = ""
    pointer: Pointer = field(default_factory=Pointer)
    states: Mapping[str, FileState] = field(default_factory=dict)
    is_new: bool = False


def cache_lock(layout: ArchiveLayout) -> BaseFileLock:
    """Within it no other process of this machine changes the cache."""
    layout.local.mkdir(parents=True, exist_ok=True)
    return FileLock(layout.local / LOCK_FILE, is_singleton=True)


def read_cache_record(layout: ArchiveLayout) -> CacheRecord:
    """What this machine had; of another URL, or one that cannot be read, counts as none."""
    file = layout.local / RECORD_FILE
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, SharedFormatError):
        content = json.loads(file.read_bytes())
        if content["url"] == str(layout.data):
            states = {path: (int(state[0]), int(state[1])) for path, state in content["states"].items()}
            return CacheRecord(content["version"], pointer_from_json(content["pointer"], file), states)
    return CacheRecord(is_new=True)


def erased_from_data(layout: ArchiveLayout) -> frozenset[str]:
    """The erased people of whom nothing is left in the data, as this machine read last what is shared at a URL.

    Where nothing was shared yet, those whom this machine has erased: a version that shared nothing did so there too.
    """
    record = CacheRecord(is_new=True) if isinstance(layout.data, Path) else read_cache_record(layout)
    return frozenset(locally_erased(layout)) if record.is_new else record.pointer.erased


def write_cache_record(layout: ArchiveLayout, record: CacheRecord) -> None:
    """Store what this machine has.

    Raises:
        StorageError: The disk fails.
    """
    content = {
        "url": str(layout.data),
        "version": record.version,
        "pointer": record.pointer.to_json(),
        "states": record.states,
    }
    write_file(layout.local / RECORD_FILE, lambda out: out.write(json.dumps(content).encode()))


def file_states(layout: ArchiveLayout) -> dict[str, FileState]:
    """Path below the local folder → state, of every file there that is shared; files that are being written are not."""
    return {path: state for path in _shared_paths(layout.local) if (state := file_state(layout, path)) is not None}


def file_state(layout: ArchiveLayout, path: str) -> FileState | None:
    """The state of one file; None where it is not there."""
    with suppress(OSError):
        status = (layout.local / path).stat()
        return status.st_size, status.st_mtime_ns
    return None


def describe_file(file: Path) -> SharedFile:
    """A file as a pointer lists it.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        return SharedFile(hashlib.file_digest(opened, "sha256").hexdigest(), status.st_size, status.st_mtime_ns)


def _shared_paths(local: Path) -> Iterator[str]:
    yield from (name for name in SHARED_FILES if (local / name).is_file())
    for folder in SHARED_FOLDERS:
        for here, folders, names in os.walk(local / folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    yield Path(here, name).relative_to(local).as_posix()
