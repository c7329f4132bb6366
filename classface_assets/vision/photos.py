"""Photo files: finding them below a folder, reading their facts, loading them upright.

`read_facts` never raises for a bad file. How a picture is decoded is in decode.
"""

import hashlib
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from classface_assets.places import Place
from classface_assets.vision.decode import (
    DecodedPhoto,
    UnreadablePhoto,
    decode,
    open_picture,
    orientation_of,
    taken_at,
    upright_size,
)

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "heic", "heif", "hif", "avif"),
        *("png", "tif", "tiff", "webp", "bmp", "gif"),
    )
)
RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".dng", ".pef", ".srw"})
# Left behind by systems and photo programs, never put there as photos (@eaDir holds a NAS's thumbnails of each photo).
LEFT_OUT = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a file without decoding it; width and height are those of the upright photo (0 when unknown)."""

    asset_id: str
    size: int
    mtime_ns: int
    width: int = 0
    height: int = 0
    orientation: int = 1
    taken_at: datetime | None = None
    status: str = "ok"  # ok | unreadable | not a photo
    reason: str = ""


def photo_files(folder: Path) -> list[Path]:
    """Every file below the folder in sorted order, photo or not, but for dot-files and the names in LEFT_OUT.

    Links are followed, each folder once. What cannot be opened (a folder without permission, a link to nowhere, a
    socket) is in the list too, so that read_facts accounts for it.
    """
    return sorted(_files(folder, set()))


def _files(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        here = folder.stat()
        if (here.st_dev, here.st_ino) in seen:
            return
        seen.add((here.st_dev, here.st_ino))
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in LEFT_OUT:
            continue
        if entry.is_dir():
            yield from _files(entry, seen)
        else:
            yield entry


def content_id(file: BinaryIO) -> str:
    """The asset id: a UUID made of the BLAKE2b hash of the bytes, the same wherever the file lies."""
    digest = hashlib.blake2b(digest_size=16)
    while block := file.read(1 << 20):
        digest.update(block)
    return str(uuid.UUID(bytes=digest.digest()))


def read_facts(path: Place) -> PhotoFacts:
    """Hash a file and read its header; whatever is wrong with it becomes its status and reason.

    A file that cannot be opened has no content to hash, so its id is made of its path.
    """
    name_hash = hashlib.blake2b(str(path).encode("utf-8", "surrogateescape"), digest_size=16)
    facts = PhotoFacts(str(uuid.UUID(bytes=name_hash.digest())), 0, 0)
    try:
        info = path.stat()
        facts = replace(facts, size=info.st_size, mtime_ns=info.st_mtime_ns)
        if not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
            return replace(facts, status="not a photo", reason="a socket, pipe or device, not a file")
        with path.open("rb") as file:
            facts = replace(facts, asset_id=content_id(file))
            file.seek(0)
            return _header_facts(path, file, facts)
    except OSError as error:
        return replace(facts, status="unreadable", reason=f"cannot be opened: {_why(error)}")


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _header_facts(path: Place, file: BinaryIO, facts: PhotoFacts) -> PhotoFacts:
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES:
        return replace(facts, status="not a photo", reason="a camera raw file: export it as JPEG to have it searched")
    named = suffix in SUFFIXES
    try:
        if facts.size == 0 and named:
            raise UnreadablePhoto("the file is empty")
        picture = open_picture(file)
    except UnreadablePhoto as error:
        kind = f"{suffix} files are not searched for faces" if suffix else "no photo, and no file ending that says more"
        return replace(facts, status="unreadable" if named else "not a photo", reason=error.reason if named else kind)
    width, height = upright_size(picture)
    orientation = orientation_of(picture)
    return replace(facts, width=width, height=height, orientation=orientation, taken_at=taken_at(picture))


def load_photo(path: Place, least_side: int | None = None) -> DecodedPhoto:
    """The upright pixels of a photo, reduced as `decode` says when the long side needs only `least_side` of them.

    Raises UnreadablePhoto.
    """
    try:
        return decode(path.read_bytes(), least_side)
    except OSError as error:
        raise UnreadablePhoto(f"cannot be opened: {_why(error)}") from error
