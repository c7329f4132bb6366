"""The id of a picture: a hash of its stored pixels, whatever its metadata.

Metadata (EXIF with its orientation, XMP, IPTC, colour profiles, comments, thumbnails) and what follows the picture in
the file may change; the id stays the same. For each format a module of this folder selects the pieces that count.
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
# An MPO is a JPEG followed by further pictures, which a metadata editor may cut off.
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
    """The BLAKE2b hash of a file's bytes as a UUID: the id of a photo in older versions."""
    return str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))


class _ReusedBuffer(threading.local):
    """A buffer for each thread to read files into: new memory takes as long as reading a file from the cache."""

    memory = bytearray()

    def of_size(self, size: int) -> memoryview:
        """The buffer, valid until the next call; a large one is not reused."""
        if size > MAX_REUSED_BYTES:
            return memoryview(bytearray(size))
        if size > len(self.memory):
            self.memory = bytearray(size)
        return memoryview(self.memory)[:size]


_buffer = _ReusedBuffer()


def read_with_id(file: BinaryIO, size: int) -> tuple[memoryview, str]:
    """Read a file and hash it block by block.

    Args:
        file: Opened for reading.
        size: Its expected size in bytes.

    Returns:
        All its bytes, valid until this thread reads the next file; and their `content_id`.
    """
    digest, data, end = hashlib.blake2b(digest_size=16), _buffer.of_size(size), 0
    while count := file.readinto(data[end : end + BLOCK_BYTES]):  # type: ignore[attr-defined]
        digest.update(data[end : end + count])
        end += count
    data = data[:end]
    if rest := file.read():  # it has grown
        digest.update(rest)
        data = memoryview(bytes(data) + rest)
    return data, str(uuid.UUID(bytes=digest.digest()))


def picture_id(data: bytes | memoryview, format_name: str, page: int = 0) -> str:
    """The id of a picture, a UUID; never raises.

    It is a hash of the coded pixels. If the file's structure cannot be read it is one of the decoded pixels; if they
    cannot be decoded either, of all bytes.

    Args:
        data: The bytes of the file.
        format_name: Its format, as Pillow names it.
        page: The page of a TIFF, from 0.
    """
    name, add_pieces = PIECE_READERS.get(format_name, (format_name, None))
    hasher = PictureHasher(name)
    try:
        if format_name == "TIFF":
            add_tiff(hasher, memoryview(data), page)
        elif add_pieces is None:
            raise BadStructureError(f"{format_name} has no known structure")
        else:
            add_pieces(hasher, memoryview(data))
    except (BadStructureError, IndexError):  # an IndexError: the file ends where a number is expected
        return _pixel_id(data)
    return hasher.id()


def _pixel_id(data: bytes | memoryview) -> str:
    try:
        pixels = decode_photo(bytes(data)).pixels
    except (UnreadablePhotoError, MemoryError):
        return content_id(data)
    hasher = PictureHasher("pixels")
    hasher.add_numbers("size", *pixels.shape)
    hasher.add("pixels", memoryview(pixels.tobytes()))
    return hasher.id()
