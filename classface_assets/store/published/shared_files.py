"""Brings what machines share at a URL into the local folder: the database, fingerprints, the trained head, settings.

The bytes of a file lie in a blob that is named by their digest and never changes; the pointer says which file has which
blob. So a machine sees the old or the new state of all files, and half of none.
"""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from classface_assets.core.atomic_files import remove_abandoned, remove_tree, temporary_path
from classface_assets.core.errors import StorageError, translate_storage_errors
from classface_assets.core.layout import ArchiveLayout
from classface_assets.store.erasure.tombstones import record_locally_erased
from classface_assets.store.files.conditional import ChangedMeanwhileError, Unread
from classface_assets.store.published.shared_cache import (
    CacheRecord,
    FileState,
    cache_lock,
    describe_file,
    file_state,
    file_states,
    read_cache_record,
    write_cache_record,
)
from classface_assets.store.published.shared_pointer import (
    Pointer,
    SharedFile,
    blob_place,
    parse_pointer,
    pointer_object,
    read_pointer,
    write_pointer,
)

MOST_TRIES = 50
SETTINGS = "classface.toml"
_log = logging.getLogger(__name__)


def pull(layout: ArchiveLayout) -> bool:
    """Bring the local folder up to date with what is shared; with local data nothing is done.

    What this machine changed and has not shared yet stays, unless another has shared a newer one of the same file.

    Returns:
        Whether any file here was replaced or removed.

    Raises:
        SharedFormatError: A newer version of this program shares files there.
        StorageError: The server or the disk fails.
    """
    if isinstance(layout.data, Path):
        return False
    known = read_cache_record(layout)
    found = pointer_object(layout).read(known.version)
    if found is Unread.MISSING or (found is Unread.UNCHANGED and _is_complete(layout, known)):
        return False  # most often; nothing is written, nor is a folder made for an archive that is not there yet
    with cache_lock(layout):
        for _ in range(MOST_TRIES):
            if _pull_once(layout):
                return True
    raise busy_error(layout)


def withdraw(layout: ArchiveLayout, files: Iterable[SharedFile]) -> None:
    """Share these files no longer, because their blobs are damaged: a machine that has them, or makes them, shares them
    again.

    Raises:
        StorageError: The server fails.
    """
    damaged = set(files)
    for _ in range(MOST_TRIES):
        pointer, version = read_pointer(layout)
        left = {path: file for path, file in pointer.files.items() if file not in damaged}
        if len(left) == len(pointer.files):
            return
        try:
            write_pointer(layout, pointer.with_files(left), version)
        except ChangedMeanwhileError:
            continue
        return
    raise busy_error(layout)


def busy_error(layout: ArchiveLayout) -> StorageError:
    """The error where others write the pointer so often that this machine never can."""
    return StorageError(f"{layout.data} is changed all the time by others; see who writes there, and run again.")


def update_files(layout: ArchiveLayout, record: CacheRecord, pointer: Pointer) -> dict[str, FileState] | None:
    """Bring the files here to those of the pointer.

    Args:
        layout: The archive.
        record: What this machine had.
        pointer: What is shared now.

    Returns:
        The states of the files; None where the pointer is outdated meanwhile.

    Raises:
        StorageError: The server or the disk fails.
    """
    _forget_erased(layout, record, pointer)
    before = file_states(layout)
    # In a folder without a record, whatever lies there is not known to be newer than what is shared.
    states = dict(before if record.is_new else record.states)
    for path in record.pointer.files.keys() - pointer.files.keys():
        remove_tree(layout.local / path)
        states.pop(path, None)
    damaged = []
    for path, file in pointer.files.items():
        if path in before and record.pointer.files.get(path) == file:
            continue  # what is shared is here, or what this machine has made of it since
        if path in before and (record.is_new or before[path] != states.get(path)):
            _store_own_settings(layout, path, file)
        try:
            states[path] = _fetch(layout, path, file)
        except FileNotFoundError:
            damaged.append(path)
    if not damaged:
        return states
    now, _ = read_pointer(layout)
    for path in damaged:
        if now.files.get(path) == pointer.files[path]:
            _log.warning("%s at %s is damaged or missing; it is made again.", path, layout.data)
            withdraw(layout, [pointer.files[path]])
    return None


def _pull_once(layout: ArchiveLayout) -> bool:
    """Returns whether the files are up to date with the pointer that was read."""
    record = read_cache_record(layout)
    found = pointer_object(layout).read(record.version)
    if found is Unread.MISSING:
        return True
    if isinstance(found, Unread):
        pointer, version = record.pointer, record.version
    else:
        pointer, version = parse_pointer(found.content, pointer_object(layout).place), found.version
    states = update_files(layout, record, pointer)
    if states is None:
        return False
    write_cache_record(layout, CacheRecord(version, pointer, states))
    return True


def _is_complete(layout: ArchiveLayout, record: CacheRecord) -> bool:
    return all(file_state(layout, path) is not None for path in record.pointer.files)


def _fetch(layout: ArchiveLayout, path: str, file: SharedFile) -> FileState:
    """Put the content of a blob in the place of a file.

    Raises:
        FileNotFoundError: The blob is not there, or damaged.
    """
    target = layout.local / path
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent)
    blob, temporary = blob_place(layout, file.sha256), temporary_path(target)
    try:
        with translate_storage_errors(blob.parent):
            blob.fs.get_file(blob.path, str(temporary))
        os.utime(temporary, ns=(file.mtime_ns, file.mtime_ns))
        fetched = describe_file(temporary)
        if fetched.sha256 != file.sha256:
            raise FileNotFoundError(str(blob))
        temporary.replace(target)
        return fetched.size, fetched.mtime_ns
    finally:
        temporary.unlink(missing_ok=True)


def _store_own_settings(layout: ArchiveLayout, path: str, file: SharedFile) -> None:
    """Store settings that people wrote here beside those that take their place."""
    own = layout.local / path
    if path == SETTINGS and describe_file(own).sha256 != file.sha256:
        shutil.copy2(own, own.with_name(f"{path}.mine"))
        _log.warning("%s was changed elsewhere too, and that counts; what was here is now in %s.mine.", own, path)


def _forget_erased(layout: ArchiveLayout, record: CacheRecord, pointer: Pointer) -> None:
    """Remove the albums and backups of the ledger here where somebody was erased elsewhere: they may be in them.

    The ledger that machines share is at a server, without them; the next backup is made from it.
    """
    if pointer.erased <= record.pointer.erased:
        return
    own = (layout.albums, layout.database, layout.ledger_backups)
    if record.is_new and not any(path.exists() for path in own):
        record_locally_erased(layout, pointer.erased)  # nothing was here that could be theirs
        return
    layout.albums.with_name(f"{layout.albums.name}.copied.json").unlink(missing_ok=True)
    remove_tree(layout.albums)
    remove_tree(layout.ledger_backups)
