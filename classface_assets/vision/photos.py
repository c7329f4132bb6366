"""Photo files: reading their facts and loading them upright.

`read_facts` never raises for a bad file. Which files there are is in photo_files, how a picture is decoded in decode.
"""

import hashlib
import threading
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from classface_assets.places import Place
from classface_assets.storage_errors import storage_error
from classface_assets.vision.dates import taken
from classface_assets.vision.decode import DecodedPhoto, decode
from classface_assets.vision.header import (
    UnreadablePhoto,
    exif_of,
    knows_up,
    open_picture,
    orientation_of,
    upright_size,
)
from classface_assets.vision.photo_files import NOT_A_FILE, NotAFile, open_file
from classface_assets.vision.picture_id import content_id, picture_id

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "heic", "heif", "hif", "avif"),
        *("png", "tif", "tiff", "webp", "bmp", "gif"),
    )
)
RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".dng", ".pef", ".srw"})
# What such a reason begins with may be over the next time, though neither size nor time of change tells.
NOT_OPENED, CHANGED = "cannot be opened", "changed while it was read"
MAX_BYTES = 1_000_000_000  # a photo is read whole before it is decoded
LARGE_BYTES = 100_000_000
_one_large_file = threading.Lock()  # as many threads read files, each whole


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
    taken_at: datetime | None = None
    taken_at_source: str = ""  # exif | file name | "" when unknown
    utc_offset: int | None = None  # minutes east of Greenwich
    status: str = "ok"  # ok | unreadable | not a photo
    reason: str = ""
    file_digest: str | None = None  # of all bytes (content_id); of what is no photo it is not read


def read_facts(path: Place, name: str = "") -> PhotoFacts:
    """Read a file's header and hash a photo; whatever is wrong with it becomes its status and reason.

    The id of what is no photo or cannot be read is made of its `name`, such as its path below the photos folder: a
    folder of videos takes no time. Raises StorageError when a server cannot be reached: that is no fault of the file.
    """
    name_hash = hashlib.blake2b((name or str(path)).encode("utf-8", "surrogateescape"), digest_size=16)
    facts = PhotoFacts(str(uuid.UUID(bytes=name_hash.digest())), 0, 0)
    try:
        before = path.stat()
        facts = replace(facts, size=before.st_size, mtime_ns=before.st_mtime_ns)
        with open_file(path) as file:
            found, format_name = _header_facts(path, file, facts)
            if found.status == "ok":
                found = _with_ids(found, file, format_name)
        after = path.stat()
    except NotAFile:
        return replace(facts, status="not a photo", reason=NOT_A_FILE)
    except Exception as error:
        lost = None if isinstance(path, Path) else storage_error(error, path)
        if lost or not isinstance(error, OSError):
            raise lost or error from None
        return replace(facts, status="unreadable", reason=f"{NOT_OPENED}: {_why(error)}")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return replace(facts, status="unreadable", reason=f"{CHANGED}: the next run looks again")
    return found


def _with_ids(facts: PhotoFacts, file: BinaryIO, format_name: str) -> PhotoFacts:
    alone: AbstractContextManager[object] = _one_large_file if facts.size > LARGE_BYTES else nullcontext()
    with alone:
        file.seek(0)
        data = file.read()
        return replace(facts, asset_id=picture_id(data, format_name), file_digest=content_id(data))


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _header_facts(path: Place, file: BinaryIO, facts: PhotoFacts) -> tuple[PhotoFacts, str]:
    """What the header says, and the picture's format as Pillow calls it; "" of what is none."""
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES:
        reason = "a camera raw file: export it as JPEG to have it searched"
        return replace(facts, status="not a photo", reason=reason), ""
    named = suffix in SUFFIXES
    try:
        if facts.size == 0 and named:
            raise UnreadablePhoto("the file is empty")
        if facts.size > MAX_BYTES and named:
            raise UnreadablePhoto(f"{facts.size / 1e9:.1f} GB are more than {MAX_BYTES / 1e9:.0f}: save it smaller")
        picture = open_picture(file)
    except UnreadablePhoto as error:
        kind = f"{suffix} files are not searched for faces" if suffix else "no photo, and no file ending that says more"
        status = "unreadable" if named else "not a photo"
        return replace(facts, status=status, reason=error.reason if named else kind), ""
    width, height = upright_size(picture)
    when = taken(exif_of(picture), path.name)
    found = replace(
        facts,
        width=width,
        height=height,
        orientation=orientation_of(picture),
        has_orientation=knows_up(picture),
        taken_at=when.at,
        taken_at_source=when.source,
        utc_offset=when.utc_offset,
    )
    return found, picture.format or ""


def load_photo(path: Place, least_side: int | None = None) -> DecodedPhoto:
    """The upright pixels of a photo, reduced as `decode` says when the long side needs only `least_side` of them.

    Raises UnreadablePhoto, and OSError when the file cannot be opened now.
    """
    try:
        with open_file(path) as file:
            data = file.read()
    except NotAFile:
        raise UnreadablePhoto(NOT_A_FILE) from None
    return decode(data, least_side)
