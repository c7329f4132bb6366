"""Photo files: reading their facts and loading them upright.

`read_facts` never raises for a bad file. Which files there are is in photo_files, how a picture is decoded in decode.
"""

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from classface_assets.places import Place
from classface_assets.storage_errors import storage_error
from classface_assets.vision.dates import Dated, dates_of
from classface_assets.vision.decode import DecodedPhoto, decode
from classface_assets.vision.header import (
    UnreadablePhoto,
    is_raw,
    knows_up,
    open_picture,
    orientation_of,
    upright_size,
)
from classface_assets.vision.pages import pages_note
from classface_assets.vision.photo_files import NOT_A_FILE, NotAFile, open_file

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


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a file without decoding it; width and height are those of the upright photo (0 when unknown)."""

    asset_id: str
    size: int
    mtime_ns: int
    width: int = 0
    height: int = 0
    orientation: int = 1
    has_orientation: bool = False
    taken_at: datetime | None = None
    taken_at_source: str = ""  # that of the surest date: exif | xmp | iptc | file name | folder | "" when unknown
    utc_offset: int | None = None  # minutes east of Greenwich
    dates: tuple[Dated, ...] = ()  # all that the file and its names say, the surest first, which taken_at is
    status: str = "ok"  # ok | unreadable | not a photo
    reason: str = ""


def content_id(file: BinaryIO) -> str:
    """The asset id: a UUID made of the BLAKE2b hash of the bytes, the same wherever the file lies."""
    digest = hashlib.blake2b(digest_size=16)
    while block := file.read(1 << 20):
        digest.update(block)
    return str(uuid.UUID(bytes=digest.digest()))


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
            found = _header_facts(path, file, facts, name or path.name)
            if found.status == "ok":
                file.seek(0)
                found = replace(found, asset_id=content_id(file))
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


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _header_facts(path: Place, file: BinaryIO, facts: PhotoFacts, name: str) -> PhotoFacts:
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES and is_raw(file):
        return replace(facts, status="not a photo", reason="a camera raw file: export it as JPEG to have it searched")
    named = suffix in SUFFIXES
    try:
        if facts.size == 0 and named:
            raise UnreadablePhoto("the file is empty")
        if facts.size > MAX_BYTES and named:
            raise UnreadablePhoto(f"{facts.size / 1e9:.1f} GB are more than {MAX_BYTES / 1e9:.0f}: save it smaller")
        picture = open_picture(file)
    except UnreadablePhoto as error:
        kind = f"{suffix} files are not searched for faces" if suffix else "no photo, and no file ending that says more"
        return replace(facts, status="unreadable" if named else "not a photo", reason=error.reason if named else kind)
    width, height = upright_size(picture)
    found = replace(
        facts,
        width=width,
        height=height,
        orientation=orientation_of(picture),
        has_orientation=knows_up(picture),
        dates=dates_of(picture, name),
        reason=pages_note(picture),
    )
    first = found.dates[0] if found.dates else None
    if first is None:
        return found
    return replace(found, taken_at=first.at, taken_at_source=first.source, utc_offset=first.utc_offset)


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
