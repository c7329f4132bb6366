"""Opening and decoding one picture with Pillow: formats, orientation, colour modes, damaged files.

Working with files and folders belongs in photos.
"""

from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "HEIF")
MAX_PIXELS = 250_000_000  # 750 MB decoded; larger files are decompression bombs or need to be scaled down first
ORIENTATION, DATE, DATE_ORIGINAL, EXIF_IFD = 0x0112, 0x0132, 0x9003, 0x8769
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRUNCATED = "truncated: only the part that could be read was searched"
END_OF_JPEG = b"\xff\xd9"


class UnreadablePhoto(Exception):  # noqa: N818
    """A picture that cannot be decoded; `reason` is one clear phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@cache
def _formats() -> tuple[str, ...]:
    """Registers HEIF, and takes the size check into our own hands: Pillow's raises before the size can be told."""
    import pillow_heif

    Image.init()  # Pillow knows only five formats before
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None
    return FORMATS


def open_picture(file: BinaryIO) -> Image.Image:
    """Parse the header only. Raises UnreadablePhoto when there is no picture inside or it is too large."""
    formats = _formats()
    try:
        picture = Image.open(file, formats=formats)
    except Exception as error:  # the parsers of ten formats raise all kinds of errors on damaged headers
        raise UnreadablePhoto("no picture inside that can be opened: the file is damaged or something else") from error
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.width} × {picture.height} pixels"
        raise UnreadablePhoto(f"{size} are more than {MAX_PIXELS // 1_000_000} million: save it smaller")
    return picture


def _exif(picture: Image.Image) -> Any:
    try:
        return Image.Image.getexif(picture)  # the PNG plugin's own would decode the whole picture
    except Exception:  # damaged EXIF is as good as none
        return Image.Exif()


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8 (1 when missing or damaged)."""
    value = _exif(picture).get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _already_turned(picture: Image.Image) -> bool:
    return picture.format in ("TIFF", "HEIF")  # their plugins give upright size and pixels by themselves


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height once the orientation is applied."""
    turned = orientation_of(picture) >= 5 and not _already_turned(picture)
    return (picture.height, picture.width) if turned else picture.size


def taken_at(picture: Image.Image) -> datetime | None:
    """EXIF DateTimeOriginal, else DateTime; the camera's own clock, without a zone."""
    exif = _exif(picture)
    for value in (exif.get_ifd(EXIF_IFD).get(DATE_ORIGINAL), exif.get(DATE)):
        text = str(value or "").strip("\0 ")
        try:
            return datetime.fromisoformat(f"{text[:10].replace(':', '-')} {text[11:19]}")
        except ValueError:
            continue
    return None


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off instead of scaling
        values = np.asarray(picture).astype(np.int64)
        return Image.fromarray((values >> 8 if values.max(initial=0) > 255 else values).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def decode(data: bytes) -> tuple[np.ndarray, str]:
    """The upright (H, W, 3) uint8 RGB pixels of a picture file's bytes, and a note ("" or TRUNCATED).

    A truncated JPEG is decoded as far as it goes. Raises UnreadablePhoto.
    """
    picture, note = open_picture(BytesIO(data)), ""
    turn = None if _already_turned(picture) else UPRIGHT.get(orientation_of(picture))
    try:
        picture.load()
    except Exception as error:
        if picture.format not in ("JPEG", "MPO"):
            raise UnreadablePhoto(f"damaged {picture.format} file: its pixels cannot be decoded") from error
        picture, note = _load_truncated(data), TRUNCATED
    try:
        picture = _rgb(picture)
    except Exception as error:
        raise UnreadablePhoto(f"its colours ({picture.mode}) cannot be converted to RGB") from error
    return np.asarray(picture.transpose(turn) if turn is not None else picture), note


def _load_truncated(data: bytes) -> Image.Image:
    """With an end marker behind it, the JPEG decoder fills what is missing with grey, progressive files included."""
    try:
        picture = open_picture(BytesIO(data + END_OF_JPEG))
        picture.load()
    except Exception as error:
        raise UnreadablePhoto("truncated or damaged JPEG: nothing of it can be decoded") from error
    return picture
