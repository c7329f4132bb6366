"""The blobs that machines share at a URL: those that are damaged, and those that no file has any more."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from classface_assets.core.atomic_files import read_file
from classface_assets.core.errors import translate_storage_errors
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, list_directory, remove_file
from classface_assets.store.published.shared_cache import RECORD_FILE, describe_file
from classface_assets.store.published.shared_files import withdraw
from classface_assets.store.published.shared_pointer import (
    GRACE_S,
    DamagedPointerError,
    blob_place,
    pointer_object,
    read_pointer,
)
from classface_assets.store.published.shared_push import push


def damaged_blobs(layout: ArchiveLayout) -> Iterator[tuple[Location, str]]:
    """The blobs in use that are missing or are not what their name says, each with why; each is read as a whole."""
    if isinstance(layout.data, Path):
        return
    try:
        pointer, _ = read_pointer(layout)
    except DamagedPointerError:
        yield pointer_object(layout).place, "it cannot be read"
        return
    for sha256 in sorted(pointer.blobs):
        blob = blob_place(layout, sha256)
        try:
            if hashlib.sha256(read_file(blob)).hexdigest() != sha256:
                yield blob, "its checksum does not match"
        except FileNotFoundError:
            yield blob, "it is missing"


def repair_blob(layout: ArchiveLayout, blob: Location) -> str:
    """Upload a damaged blob again where this machine has its file, else share it no longer. Returns what was done.

    A damaged pointer is removed, and the files of this machine are shared anew.
    """
    if blob == pointer_object(layout).place:
        remove_file(blob)
        remove_file(layout.local / RECORD_FILE)
        push(layout)
        return "the files of this machine are shared"
    pointer, _ = read_pointer(layout)
    files = {path: file for path, file in pointer.files.items() if file.sha256 == blob.name}
    for path, file in files.items():
        own, place = layout.local / path, blob_place(layout, file.sha256)
        if own.is_file() and describe_file(own).sha256 == file.sha256:
            with translate_storage_errors(place.parent):
                place.fs.put_file(str(own), place.path)
            return f"{path} of this machine is put there again"
    withdraw(layout, files.values())
    remove_file(blob)
    return f"{' and '.join(files) or 'it'} is made again"


def unused_blobs(layout: ArchiveLayout) -> list[FileEntry]:
    """The blobs that no file has any more, and that no machine can be about to use."""
    if isinstance(layout.data, Path):
        return []
    pointer, _ = read_pointer(layout)
    entries = list_directory(blob_place(layout))
    return [e for e in entries if e.path.name not in pointer.blobs and time.time() - e.mtime_ns / 1e9 > GRACE_S]
