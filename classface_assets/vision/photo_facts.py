"""Photo files: reading their facts and loading them upright.

`read_facts` never raises for a bad file. Which files there are is told by store.photo_folders; how a picture is decoded
is in decode.
"""

import hashlib
import threading
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from classface_assets.core.locations import Location
from classface_assets.core.storage_errors import as_storage_error
from classface_assets.vision.photos.files import SPECIAL_FILE_REASON, SpecialFileError, open_without_blocking
from classface_assets.vision.photos.metadata import (
    CaptureTime,
    UnreadablePhotoError,
    capture_times,
    exif_orientation,
    is_camera_raw,
    open_picture,
    states_orientation,
    upright_size,
)
from classface_assets.vision.photos.pages import skipped_pages_note
from classface_assets.vision.picture_id.heif import heif_orientation
from classface_assets.vision.picture_id.identity import picture_id, read_with_id

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "heic", "heif", "hif", "avif"),
        *("png", "tif", "tiff", "webp", "bmp", "gif"),
    )
)
RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".dng", ".pef", ".srw"})
# What such a reason begins with may be over the next time, though neither size nor time of change tells.
NOT_OPENED_REASON, CHANGED_REASON = "cannot be opened", "changed while it was read"
MAX_BYTES = 1_000_000_000  # a photo is read whole before it is decoded
LARGE_BYTES = 100_000_000
_LARGE_FILE_LOCK = threading.Lock()  # as many threads read files, each whole


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a file without decoding it; width and height are those of the upright photo (0 when unknown)."""

    asset_id: str  # of the picture, whatever its metadata (picture_id)
    size: int
    mtime_ns: int
    width: int = 0
    height: int = 0
    orientation: int = 1
    has_orientation: bool = False
    page: int = 0  # of a file with several pages the one that is searched
    taken_at: datetime | None = None
    taken_at_source: str = ""  # that of the surest date: exif | xmp | iptc | file name | folder | "" when unknown
    utc_offset: int | None = None  # minutes east of Greenwich
    dates: tuple[CaptureTime, ...] = ()  # all that the file and its names say, the surest first, which taken_at is
    status: str = "ok"  # ok | unreadable | not a photo
    reason: str = ""
    file_digest: str | None = None  # of all bytes; of what is no photo it is not read


class _OpenedPicture(NamedTuple):
    """What was opened: the format as Pillow calls it ("" where it is no picture), and which page of it is searched."""

    format: str = ""
    page: int = 0


def read_photo_facts(path: Location, name: str = "") -> PhotoFacts:
    """Read a file's header and hash a photo; whatever is wrong with it becomes its status and reason.

    The id of what is no photo or cannot be read is made of its `name`, such as its path below the photos folder: a
    folder of videos takes no time. Raises StorageError when a server cannot be reached: that is no fault of the file.
    """
    name_hash = hashlib.blake2b((name or str(path)).encode("utf-8", "surrogateescape"), digest_size=16)
    facts = PhotoFacts(str(uuid.UUID(bytes=name_hash.digest())), 0, 0)
    try:
        before = path.stat()
        facts = replace(facts, size=before.st_size, mtime_ns=before.st_mtime_ns)
        with open_without_blocking(path) as file:
            found, opened = _read_header_facts(path, file, facts, name or path.name)
            if found.status == "ok":
                found = _with_ids(found, file, opened)
        after = path.stat()
    except SpecialFileError:
        return replace(facts, status="not a photo", reason=SPECIAL_FILE_REASON)
    except Exception as error:
        lost = None if isinstance(path, Path) else as_storage_error(error, path)
        if lost or not isinstance(error, OSError):
            raise lost or error from None
        return replace(facts, status="unreadable", reason=f"{NOT_OPENED_REASON}: {_error_phrase(error)}")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return replace(facts, status="unreadable", reason=f"{CHANGED_REASON}: the next run looks again")
    return found


def _with_ids(facts: PhotoFacts, file: BinaryIO, opened: _OpenedPicture) -> PhotoFacts:
    alone: AbstractContextManager[object] = _LARGE_FILE_LOCK if facts.size > LARGE_BYTES else nullcontext()
    with alone:
        file.seek(0)
        data, digest = read_with_id(file, facts.size)
        found = replace(facts, asset_id=picture_id(data, opened.format, opened.page), file_digest=digest)
        return replace(found, orientation=heif_orientation(data)) if opened.format == "HEIF" else found


def _error_phrase(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _read_header_facts(
    path: Location, file: BinaryIO, facts: PhotoFacts, name: str
) -> tuple[PhotoFacts, _OpenedPicture]:
    """What the header says."""
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES and is_camera_raw(file):
        reason = "a camera raw file: export it as JPEG to have it searched"
        return replace(facts, status="not a photo", reason=reason), _OpenedPicture()
    named = suffix in SUFFIXES
    try:
        if facts.size == 0 and named:
            raise UnreadablePhotoError("the file is empty")
        if facts.size > MAX_BYTES and named:
            raise UnreadablePhotoError(
                f"{facts.size / 1e9:.1f} GB are more than {MAX_BYTES / 1e9:.0f}: save it smaller"
            )
        picture = open_picture(file)
    except UnreadablePhotoError as error:
        kind = f"{suffix} files are not searched for faces" if suffix else "no photo, and no file ending that says more"
        status = "unreadable" if named else "not a photo"
        return replace(facts, status=status, reason=error.reason if named else kind), _OpenedPicture()
    width, height = upright_size(picture)
    found = replace(
        facts,
        width=width,
        height=height,
        orientation=exif_orientation(picture),
        has_orientation=states_orientation(picture),
        page=picture.tell() if picture.format == "TIFF" else 0,
        dates=capture_times(picture, name),
        reason=skipped_pages_note(picture),
    )
    opened = _OpenedPicture(picture.format or "", found.page)
    first = found.dates[0] if found.dates else None
    if first is None:
        return found, opened
    return replace(found, taken_at=first.at, taken_at_source=first.source, utc_offset=first.utc_offset), opened
