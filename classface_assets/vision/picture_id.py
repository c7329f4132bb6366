"""The identity of a picture: what its stored pixels are made of, and nothing that is only told about it.

Metadata (EXIF with its orientation, XMP, IPTC, colour profiles, comments, thumbnails) and what follows the picture can
change; the id stays. For each format a module of its own says which pieces of the file count.
"""

import hashlib
import uuid
from collections.abc import Callable

from classface_assets.vision.decode import decode
from classface_assets.vision.header import UnreadablePhoto
from classface_assets.vision.picture_hash import BadStructureError, PictureHash
from classface_assets.vision.picture_id_chunks import add_bmp, add_gif, add_png, add_webp
from classface_assets.vision.picture_id_heif import add_heif
from classface_assets.vision.picture_id_jpeg import add_jpeg
from classface_assets.vision.picture_id_jpeg2000 import add_jpeg2000
from classface_assets.vision.picture_id_tiff import add_tiff

Add = Callable[[PictureHash, memoryview], None]
# An MPO is a JPEG with further pictures behind it, which one that edits its metadata may cut off.
PIECES: dict[str, tuple[str, Add]] = {
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


def content_id(data: bytes) -> str:
    """The BLAKE2b hash of a file's bytes as a UUID: what older versions called a photo by."""
    return str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))


def picture_id(data: bytes, format_name: str, page: int = 0) -> str:
    """A UUID of the stored pixels of a picture file of that format (of Pillow), of a TIFF's those of one page.

    Where the pieces of the file cannot be told apart it is made of the decoded pixels, and where these cannot be had of
    all bytes; it never raises.
    """
    name, add = PIECES.get(format_name, (format_name, None))
    found = PictureHash(name)
    try:
        if format_name == "TIFF":
            add_tiff(found, memoryview(data), page)
        elif add is None:
            raise BadStructureError(f"{format_name} has no pieces that are known")
        else:
            add(found, memoryview(data))
    except (BadStructureError, IndexError):  # an IndexError: the file ends where a number was to be
        return _of_pixels(data)
    return found.id()


def _of_pixels(data: bytes) -> str:
    try:
        pixels = decode(data).pixels
    except (UnreadablePhoto, MemoryError):
        return content_id(data)
    found = PictureHash("pixels")
    found.add_numbers("size", *pixels.shape)
    found.add("pixels", memoryview(pixels.tobytes()))
    return found.id()
