"""Opening and decoding one picture with Pillow: formats, orientation, colour modes, damaged files.

Working with files and folders belongs in photos.
"""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from classface_assets.vision.plain import END_OF_JPEG, decode_plain

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "AVIF", "HEIF")
MAX_PIXELS = 250_000_000  # 750 MB decoded; larger files are decompression bombs or need to be scaled down first
ORIENTATION = 0x0112
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored),
}
TRUNCATED = "truncated: only the part that could be read was searched"


class UnreadablePhoto(Exception):  # noqa: N818
    """A picture that cannot be decoded; `reason` is one clear phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DecodedPhoto(NamedTuple):
    """Upright (H, W, 3) uint8 RGB pixels, each `factor`×`factor` pixels of the photo, whose size is width × height.

    `note` is "" or what was wrong with a photo that could partly be read.
    """

    pixels: np.ndarray
    note: str
    width: int
    height: int
    factor: int


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


def exif_of(picture: Image.Image) -> Image.Exif:
    """The EXIF of an opened picture; empty where it has none."""
    try:
        return Image.Image.getexif(picture)  # the PNG plugin's own would decode the whole picture
    except Exception:  # damaged EXIF is as good as none
        return Image.Exif()


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8 (1 when missing or damaged)."""
    return _stated_orientation(picture) or 1


def knows_up(picture: Image.Image) -> bool:
    """Whether a camera has said which way is up. Every scanner's TIFF says 1, which says nothing."""
    stated = _stated_orientation(picture)
    return stated is not None and (stated > 1 or picture.format != "TIFF")


def _stated_orientation(picture: Image.Image) -> int | None:
    value = exif_of(picture).get(ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def _already_turned(picture: Image.Image) -> bool:
    return picture.format in ("TIFF", "HEIF")  # their plugins give upright size and pixels by themselves


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height once the orientation is applied."""
    turned = orientation_of(picture) >= 5 and not _already_turned(picture)
    return (picture.height, picture.width) if turned else picture.size


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode[0] in "IF":  # more than 8 bits of grey, which Pillow would cut off instead of scaling
        values = np.nan_to_num(np.asarray(picture).astype(np.float64))
        most = values.max(initial=0)
        whole = 1 if picture.mode == "F" and most <= 1 else 255 if most <= 255 else max(65535, most)
        return Image.fromarray((values * (255 / whole)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def decode(data: bytes, least_side: int | None = None) -> DecodedPhoto:
    """The upright pixels of a picture file's bytes; a truncated JPEG is decoded as far as it goes.

    With `least_side` a JPEG is decoded at a half, a quarter or an eighth of its size where its long side still has that
    many pixels: libjpeg then skips most of the work. Raises UnreadablePhoto.
    """
    picture, note = open_picture(BytesIO(data)), ""
    width, height = upright_size(picture)
    turn = 1 if _already_turned(picture) else orientation_of(picture)
    factor = _factor(picture, least_side)
    pixels = decode_plain(data, picture, factor)
    if pixels is None:
        pixels, note = _with_pillow(picture, data, factor)
    factor = round(max(width, height) / max(pixels.shape[:2]))  # not every JPEG can be had smaller
    return DecodedPhoto(np.ascontiguousarray(UPRIGHT[turn](pixels)), note, width, height, factor)


def _factor(picture: Image.Image, least_side: int | None) -> int:
    """8, 4, 2 or 1: how much smaller a JPEG may be decoded, its long side no shorter than that."""
    if least_side is None or picture.format not in ("JPEG", "MPO"):
        return 1
    return next(factor for factor in (8, 4, 2, 1) if factor == 1 or max(picture.size) >= least_side * factor)


def _with_pillow(picture: Image.Image, data: bytes, factor: int) -> tuple[np.ndarray, str]:
    """The RGB pixels as stored, and a note. Raises UnreadablePhoto."""
    note = ""
    _reduce(picture, factor)
    try:
        picture.load()
    except Exception as error:
        if picture.format not in ("JPEG", "MPO"):
            raise UnreadablePhoto(f"damaged {picture.format} file: its pixels cannot be decoded") from error
        picture, note = _load_truncated(data, factor), TRUNCATED
    try:
        return np.asarray(_rgb(picture)), note
    except Exception as error:
        raise UnreadablePhoto(f"its colours ({picture.mode}) cannot be converted to RGB") from error


def _reduce(picture: Image.Image, factor: int) -> None:
    if factor > 1:
        picture.draft(None, (max(1, picture.width // factor), max(1, picture.height // factor)))


def _load_truncated(data: bytes, factor: int) -> Image.Image:
    """With an end marker behind it, the JPEG decoder fills what is missing with grey, progressive files included."""
    try:
        picture = open_picture(BytesIO(data + END_OF_JPEG))
        _reduce(picture, factor)
        picture.load()
    except Exception as error:
        raise UnreadablePhoto("truncated or damaged JPEG: nothing of it can be decoded") from error
    return picture
