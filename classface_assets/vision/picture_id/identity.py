"""The identity of a picture: what its stored pixels are made of, and nothing that is only told about it.

Metadata (EXIF with its orientation, XMP, IPTC, colour profiles, comments, thumbnails) and what follows the picture can
change; the id stays. For each format a module of its own says which pieces of the file count.
"""

import hashlib
import threading
import uuid
from collections.abc import Callable
from typing import BinaryIO

from classface_assets.vision.photos.decoding import decode_photo
from classface_assets.vision.photos.metadata import UnreadablePhotoError
from classface_assets.vision.picture_id.chunks import add_bmp, add_gif, add_png, add_webp
from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher
from classface_assets.vision.picture_id.heif import add_heif
from classface_assets.vision.picture_id.jpeg import add_jpeg
from classface_assets.vision.picture_id.jpeg2000 import add_jpeg2000
from classface_assets.vision.picture_id.tiff import add_tiff

BLOCK_BYTES = 1 << 18
MAX_REUSED_BYTES = 32 << 20
AddPieces = Callable[[PictureHasher, memoryview], None]
# An MPO is a JPEG with further pictures behind it, which one that edits its metadata may cut off.
PIECE_READERS: dict[str, tuple[str, AddPieces]] = {
    "JPEG": ("JPEG", add_jpeg),
    "MPO": ("JPEG", add_jpeg),
    "PNG": ("PNG", add_png),
    "WEBP": ("WEBP", add_webp),
    "GIF": ("GIF", add_gif),
    "BMP": ("BMP", add_bmp),
    "JPEG2000": ("JPEG2000", add_jpeg2000),
    "HEIF": ("HEIF", add_heif),
    "AVIF": ("AVIF", add_heif),
}


def content_id(data: bytes | memoryview) -> str:
    """The BLAKE2b hash of a file's bytes as a UUID: what older versions called a photo by."""
    return str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))


class _ReusedBuffer(threading.local):
    """Memory that files are read into, one for each thread: new memory takes as long as reading what is cached."""

    held = bytearray()

    def of(self, size: int) -> memoryview:
        if size > MAX_REUSED_BYTES:
            return memoryview(bytearray(size))
        if size > len(self.held):
            self.held = bytearray(size)
        return memoryview(self.held)[:size]


_buffer = _ReusedBuffer()


def read_with_id(file: BinaryIO, size: int) -> tuple[memoryview, str]:
    """All bytes of a file of about that size, and their `content_id`, made of each block while it is at hand.

    The bytes are there until this thread reads the next file.
    """
    digest, data, end = hashlib.blake2b(digest_size=16), _buffer.of(size), 0
    while count := file.readinto(data[end : end + BLOCK_BYTES]):  # type: ignore[attr-defined]
        digest.update(data[end : end + count])
        end += count
    data = data[:end]
    if more := file.read():  # it has grown
        digest.update(more)
        data = memoryview(bytes(data) + more)
    return data, str(uuid.UUID(bytes=digest.digest()))


def picture_id(data: bytes | memoryview, format_name: str, page: int = 0) -> str:
    """A UUID of the stored pixels of a picture file of that format (of Pillow), of a TIFF's those of one page.

    Where the pieces of the file cannot be told apart it is made of the decoded pixels, and where these cannot be had of
    all bytes; it never raises.
    """
    name, add = PIECE_READERS.get(format_name, (format_name, None))
    found = PictureHasher(name)
    try:
        if format_name == "TIFF":
            add_tiff(found, memoryview(data), page)
        elif add is None:
            raise BadStructureError(f"{format_name} has no pieces that are known")
        else:
            add(found, memoryview(data))
    except (BadStructureError, IndexError):  # an IndexError: the file ends where a number was to be
        return _pixel_id(data)
    return found.id()


def _pixel_id(data: bytes | memoryview) -> str:
    try:
        pixels = decode_photo(bytes(data)).pixels
    except (UnreadablePhotoError, MemoryError):
        return content_id(data)
    found = PictureHasher("pixels")
    found.add_numbers("size", *pixels.shape)
    found.add("pixels", memoryview(pixels.tobytes()))
    return found.id()
