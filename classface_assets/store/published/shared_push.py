"""Shares at a URL what this machine has made or changed in its local folder.

Blobs are uploaded first, and the pointer is switched last, under the condition that nobody else has switched it
meanwhile: killed at any moment, nothing or everything is shared, and of two machines that share at once neither loses
what the other did not share too. Of one file that both share, the one that was shared first stays: the other was made
without knowing it.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from classface_assets.core.atomic_files import remove_tree, temporary_path
from classface_assets.core.errors import UserError, translate_storage_errors
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_directory, remove_file
from classface_assets.store.erasure.tombstones import locally_erased
from classface_assets.store.files.conditional import ChangedMeanwhileError
from classface_assets.store.published.shared_cache import (
    SHARED_FOLDERS,
    CacheRecord,
    FileState,
    cache_lock,
    describe_file,
    file_states,
    read_cache_record,
    write_cache_record,
)
from classface_assets.store.published.shared_files import MOST_TRIES, SETTINGS, busy_error, update_files
from classface_assets.store.published.shared_pointer import (
    Pointer,
    SharedFile,
    blob_place,
    read_pointer,
    write_pointer,
)


class ErasedMeanwhileError(UserError):
    """Another machine has erased a person while this one was at work; what it made is not published."""


@dataclass(frozen=True)
class LocalChanges:
    """What this machine has to share.

    Attributes:
        record: What it had when it last read or wrote the pointer.
        states: The states of all files now.
        files: Those that changed since, by path.
    """

    record: CacheRecord
    states: Mapping[str, FileState]
    files: Mapping[str, SharedFile]

    def free(self, pointer: Pointer) -> dict[str, SharedFile]:
        """Those of which nobody has shared another one since this machine read the pointer."""
        base = self.record.pointer.files
        return {p: file for p, file in self.files.items() if pointer.files.get(p) in (base.get(p), file)}


def push(layout: ArchiveLayout) -> bool:
    """Share what this machine has changed since it last read or wrote the pointer; with local data nothing is done.

    A file that is missing here stays shared, since the local folder may be deleted at any moment.

    Returns:
        Whether anything was shared.

    Raises:
        ErasedMeanwhileError: Somebody was erased by another machine; this one then has the files without them.
        SharedFormatError: A newer version of this program shares files there.
        StorageError: The server or the disk fails.
    """
    if isinstance(layout.data, Path) or not layout.local.is_dir():
        return False
    with cache_lock(layout):
        for _ in range(MOST_TRIES):
            changes = _local_changes(layout)
            if not changes.files:
                return False
            try:
                _share(layout, changes)
            except ChangedMeanwhileError:
                continue
            return True
    raise busy_error(layout)


def push_erasure(layout: ArchiveLayout, persons: Iterable[str]) -> int:
    """Share that nothing is left of people: what is not in the local folder any more is removed at the URL too.

    The local folder was brought up to date before they were removed from it. Fingerprints and head go in any case: they
    may hold pictures, or have learned from them. Every blob that is in use no longer is
    removed at once; other machines see by the pointer that people were erased.

    Args:
        layout: The archive.
        persons: The ids of everybody who was erased.

    Returns:
        How many blobs were removed.

    Raises:
        StorageError: The server fails.
    """
    if isinstance(layout.data, Path):
        return 0
    erased = frozenset(persons)
    with cache_lock(layout):
        for folder in SHARED_FOLDERS:  # a server on this machine may have fetched them again a moment ago
            remove_tree(layout.local / folder)
        for _ in range(MOST_TRIES):
            changes, (pointer, version) = _local_changes(layout), read_pointer(layout)
            files = {**pointer.files, **changes.files}
            files = {path: file for path, file in files.items() if path in changes.states}
            _upload_missing(layout, changes.files, pointer)
            new = Pointer(files, {}, pointer.erased | erased)
            try:
                written = version if new == pointer and version else write_pointer(layout, new, version)
            except ChangedMeanwhileError:
                continue
            write_cache_record(layout, CacheRecord(written, new, changes.states))
            return _remove_other_blobs(layout, new)
    raise busy_error(layout)


def _local_changes(layout: ArchiveLayout) -> LocalChanges:
    record, states = read_cache_record(layout), file_states(layout)
    changed = [path for path, state in states.items() if state != record.states.get(path)]
    return LocalChanges(record, states, {path: describe_file(layout.local / path) for path in sorted(changed)})


def _share(layout: ArchiveLayout, changes: LocalChanges) -> None:
    """Upload what is missing and write the pointer once.

    Raises:
        ChangedMeanwhileError: Another machine wrote it in that moment.
        ErasedMeanwhileError: Another machine erased somebody.
    """
    record, (pointer, version) = changes.record, read_pointer(layout)
    if not pointer.erased <= record.pointer.erased and not record.is_new:
        raise _erased_meanwhile(layout, changes, pointer, version)
    if version is None:
        pointer = replace(pointer, erased=frozenset(locally_erased(layout)))
    own = changes.free(pointer)
    _upload_missing(layout, own, pointer)
    new = pointer.with_files({**pointer.files, **own})
    written = write_pointer(layout, new, version) if own else ""
    states = {**record.states, **{path: changes.states[path] for path in own}}
    if version in (None, record.version) and len(own) == len(changes.files):
        write_cache_record(layout, CacheRecord(written, new, states))
    else:  # what others have shared is not here yet; without a version the next pull fetches it
        known = replace(record.pointer, files={**record.pointer.files, **own})
        write_cache_record(layout, CacheRecord("", known, states))


def _erased_meanwhile(
    layout: ArchiveLayout, changes: LocalChanges, pointer: Pointer, version: str | None
) -> ErasedMeanwhileError:
    """The error, after all that this machine made meanwhile was replaced by what is shared."""
    for path in changes.files:
        if path != SETTINGS:
            remove_tree(layout.local / path)
    states = update_files(layout, changes.record, pointer)
    if states is not None:
        write_cache_record(layout, CacheRecord(version or "", pointer, states))
    return ErasedMeanwhileError(
        sentence(
            "Another machine has erased a person while this one was at work, so what it made was thrown away; run "
            "again."
        )
    )


def _upload_missing(layout: ArchiveLayout, files: Mapping[str, SharedFile], pointer: Pointer) -> None:
    """Upload the blobs that are not in use; one that is superseded may be removed by another machine just now.

    Raises:
        ChangedMeanwhileError: A process of this machine has put another file in the place of one.
    """
    for path, file in files.items():
        if file.sha256 not in pointer.blobs:
            blob = blob_place(layout, file.sha256)
            with _unchanging(layout.local / path) as source, translate_storage_errors(blob.parent):
                if describe_file(source).sha256 != file.sha256:
                    raise ChangedMeanwhileError(path)
                blob.fs.put_file(str(source), blob.path)


@contextmanager
def _unchanging(file: Path) -> Iterator[Path]:
    """The file under a name of its own, which goes on holding these bytes when another takes the place of the file."""
    temporary = temporary_path(file)
    try:
        try:
            os.link(file, temporary)
        except FileNotFoundError:
            raise ChangedMeanwhileError(str(file)) from None
        except OSError:  # a disk without hard links
            shutil.copy2(file, temporary)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _remove_other_blobs(layout: ArchiveLayout, pointer: Pointer) -> int:
    """Remove every blob that the pointer does not name, whoever may be about to read it."""
    gone = [e.path for e in list_directory(blob_place(layout)) if e.path.name not in pointer.blobs]
    for blob in gone:
        remove_file(blob)
    return len(gone)
