"""The facts of a photo file that need no decoding: id, size, orientation, dates; or why it is no readable photo.

`read_photo_facts` never raises for a bad file. Which files there are is listed by store/catalog/photo_folders; pixels
are decoded in photos/decoding.
"""

import hashlib
import threading
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

import polars as pl

from classface_assets.core.errors import as_storage_error
from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.core.locations import Location
from classface_assets.core.schemas import PhotoStatus
from classface_assets.vision.photos.files import (
    SpecialFileError,
    fetch_small,
    open_without_blocking,
)
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
MAX_BYTES = 1_000_000_000  # a photo is read whole before it is decoded
LARGE_BYTES = 100_000_000
_LARGE_FILE_LOCK = threading.Lock()  # several threads read files, each whole: of large ones one at a time
_READ_AGAIN = "^(?:cannot be opened|changed while it was read)"


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a file without decoding it.

    Attributes:
        asset_id: The id of the picture, whatever its metadata (`picture_id`); of other files, of their name.
        size: In bytes.
        mtime_ns: Time of the last change, in nanoseconds.
        width: Of the upright photo in pixels; 0 if unknown.
        height: Of the upright photo in pixels; 0 if unknown.
        orientation: The EXIF orientation, 1 to 8.
        has_orientation: Whether a camera recorded the orientation.
        page: The page that is searched, of a file with several.
        taken_at: The most reliable date.
        taken_at_source: Its source: `exif`, `xmp`, `iptc`, `file name`, `folder`, or "" if there is no date.
        utc_offset: Its offset in minutes east of Greenwich, if recorded.
        dates: All dates in the file and its names, the most reliable first.
        status: Whether it is a readable photo.
        reason: Why not, or what is left out; "" if there is nothing to say.
        file_digest: The hash of all bytes; None for a file that is no photo, which is not read.
        read_again: Whether the reason may be gone the next time though size and time of change are the same.
    """

    asset_id: str
    size: int
    mtime_ns: int
    width: int = 0
    height: int = 0
    orientation: int = 1
    has_orientation: bool = False
    page: int = 0
    taken_at: datetime | None = None
    taken_at_source: str = ""
    utc_offset: int | None = None
    dates: tuple[CaptureTime, ...] = ()
    status: PhotoStatus = PhotoStatus.OK
    reason: str = ""
    file_digest: str | None = None
    read_again: bool = False


class _OpenedPicture(NamedTuple):
    """The format of an opened picture, as Pillow names it ("" if it is none), and the page of it that is searched."""

    format: str = ""
    page: int = 0


def read_photo_facts(path: Location, name: str = "") -> PhotoFacts:
    """Read a file's header and hash a photo; whatever is wrong with it becomes its status and reason.

    Args:
        path: The file.
        name: Its path below the photos folder, for dates in names. The id of a file that is no photo or cannot be read
            is a hash of that name: a folder of videos takes no time.

    Raises:
        StorageError: A server cannot be reached, which is no fault of the file.
    """
    name_hash = hashlib.blake2b((name or str(path)).encode("utf-8", "surrogateescape"), digest_size=16)
    facts = PhotoFacts(str(uuid.UUID(bytes=name_hash.digest())), 0, 0)
    try:
        content = None if isinstance(path, Path) else fetch_small(path)
        if content is not None:  # one request had all of it: nothing can have changed in between
            return _read_facts(path, BytesIO(content), replace(facts, size=len(content)), name)
        before = path.stat()
        facts = replace(facts, size=before.st_size, mtime_ns=before.st_mtime_ns)
        with open_without_blocking(path) as file:
            found = _read_facts(path, file, facts, name)
        after = path.stat()
    except SpecialFileError:
        return replace(facts, status=PhotoStatus.NOT_A_PHOTO, reason=PhotoReason.SPECIAL_FILE.phrase())
    except Exception as error:
        lost = None if isinstance(path, Path) else as_storage_error(error, path)
        if lost or not isinstance(error, OSError):
            raise lost or error from None
        reason = PhotoReason.NOT_OPENED.phrase(why=(error.strerror or str(error)).lower())
        return replace(facts, status=PhotoStatus.UNREADABLE, reason=reason, read_again=True)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        reason = PhotoReason.CHANGED.phrase()
        return replace(facts, status=PhotoStatus.UNREADABLE, reason=reason, read_again=True)
    return found


def is_photo_name(name: str) -> bool:
    """Whether a file of this name or path may be a photo."""
    return PurePath(name).suffix.lower() in SUFFIXES | RAW_SUFFIXES


def to_read_again(rows: pl.DataFrame) -> pl.Series:
    """Which rows (IMAGES) are of files to be read again though size and time of change are the same, as a bool mask.

    Rows that an older version wrote have no `read_again`; there the beginning of the reason says so.
    """
    by_reason = rows["reason"].str.contains(_READ_AGAIN)
    if "read_again" not in rows.columns:
        return by_reason
    return rows.select(pl.coalesce("read_again", by_reason)).to_series()


def _read_facts(path: Location, file: BinaryIO, facts: PhotoFacts, name: str) -> PhotoFacts:
    found, opened = _read_header_facts(path, file, facts, name or path.name)
    return _add_ids(found, file, opened) if found.status == PhotoStatus.OK else found


def _add_ids(facts: PhotoFacts, file: BinaryIO, opened: _OpenedPicture) -> PhotoFacts:
    lock: AbstractContextManager[object] = _LARGE_FILE_LOCK if facts.size > LARGE_BYTES else nullcontext()
    with lock:
        file.seek(0)
        data, digest = read_with_id(file, facts.size)
        found = replace(facts, asset_id=picture_id(data, opened.format, opened.page), file_digest=digest)
        return replace(found, orientation=heif_orientation(data)) if opened.format == "HEIF" else found


def _read_header_facts(
    path: Location, file: BinaryIO, facts: PhotoFacts, name: str
) -> tuple[PhotoFacts, _OpenedPicture]:
    """The facts in the header, and the opened picture."""
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES and is_camera_raw(file):
        reason = PhotoReason.CAMERA_RAW.phrase()
        return replace(facts, status=PhotoStatus.NOT_A_PHOTO, reason=reason), _OpenedPicture()
    photo_suffix = suffix in SUFFIXES
    try:
        if facts.size == 0 and photo_suffix:
            raise UnreadablePhotoError(PhotoReason.EMPTY.phrase())
        if facts.size > MAX_BYTES and photo_suffix:
            raise UnreadablePhotoError(
                PhotoReason.FILE_TOO_LARGE.phrase(size=facts.size / 1e9, most=MAX_BYTES // 1_000_000_000)
            )
        picture = open_picture(file)
    except UnreadablePhotoError as error:
        if photo_suffix:
            return replace(facts, status=PhotoStatus.UNREADABLE, reason=error.reason), _OpenedPicture()
        reason = PhotoReason.OTHER_FILE.phrase(ending=suffix) if suffix else PhotoReason.NO_PHOTO.phrase()
        return replace(facts, status=PhotoStatus.NOT_A_PHOTO, reason=reason), _OpenedPicture()
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
