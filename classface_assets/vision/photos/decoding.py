"""Decodes a picture to upright RGB pixels: any format and colour mode, reduced sizes, damaged files.

Ordinary JPEGs and WebPs are decoded by OpenCV, in half of Pillow's time; everything else by Pillow.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.core.locations import Location
from classface_assets.core.schemas import END_OF_JPEG
from classface_assets.vision.photos.files import SpecialFileError, open_without_blocking
from classface_assets.vision.photos.limits import ARCHIVE_LIMITS, PictureLimits
from classface_assets.vision.photos.metadata import (
    UnreadablePhotoError,
    exif_orientation,
    is_decoded_upright,
    open_picture,
    upright_size,
)

UPRIGHT_TRANSFORMS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored),
}
BAND_PIXELS = 1 << 20
PHOTOMETRIC = 262  # TIFF: 0 is WhiteIsZero, 1 BlackIsZero
TRUNCATED_NOTE = PhotoReason.TRUNCATED.value


class DecodedPhoto(NamedTuple):
    """The upright pixels of a photo, perhaps at reduced size.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        note: What was wrong with a photo that could only partly be read, else "".
        width: The width of the upright photo at full size, in pixels.
        height: Its height, likewise.
        factor: How many pixels of the photo, in each direction, one pixel here represents.
    """

    pixels: np.ndarray
    note: str
    width: int
    height: int
    factor: int


def load_photo(path: Location, min_side: int | None = None) -> DecodedPhoto:
    """Decode a photo file.

    Args:
        path: The file.
        min_side: As in `decode_photo`.

    Raises:
        UnreadablePhotoError: It cannot be decoded.
        OSError: The file cannot be opened now.
    """
    try:
        with open_without_blocking(path) as file:
            data = file.read()
    except SpecialFileError:
        raise UnreadablePhotoError(PhotoReason.SPECIAL_FILE.phrase()) from None
    return decode_photo(data, min_side)


def decode_photo(data: bytes, min_side: int | None = None, limits: PictureLimits = ARCHIVE_LIMITS) -> DecodedPhoto:
    """Decode a picture; of a truncated JPEG as much as there is.

    Args:
        data: The bytes of the file.
        min_side: If given, a JPEG is decoded at a half, a quarter or an eighth of its size if its long side still has
            that many pixels: libjpeg then skips most of the work.
        limits: How large the picture may be.

    Raises:
        UnreadablePhotoError: It cannot be decoded, or is too large.
    """
    picture, note = open_picture(BytesIO(data), limits), ""
    width, height = upright_size(picture)
    orientation = 1 if is_decoded_upright(picture) else exif_orientation(picture)
    factor = _reduction_factor(picture, min_side)
    pixels = decode_with_opencv(data, picture, factor)
    if pixels is None:
        pixels, note = _decode_with_pillow(picture, data, factor)
    factor = round(max(width, height) / max(pixels.shape[:2]))  # not every JPEG can be had smaller
    return DecodedPhoto(np.ascontiguousarray(UPRIGHT_TRANSFORMS[orientation](pixels)), note, width, height, factor)


def _reduction_factor(picture: Image.Image, min_side: int | None) -> int:
    """8, 4, 2 or 1: how much smaller a JPEG may be decoded with a long side of at least `min_side`."""
    if min_side is None or picture.format not in ("JPEG", "MPO"):
        return 1
    return next(factor for factor in (8, 4, 2, 1) if factor == 1 or max(picture.size) >= min_side * factor)


def _decode_with_pillow(picture: Image.Image, data: bytes, factor: int) -> tuple[np.ndarray, str]:
    """The (h, w, 3) RGB pixels as stored, and a note. Raises UnreadablePhotoError."""
    note = ""
    _draft_reduced(picture, factor)
    try:
        picture.load()
    except MemoryError:
        raise UnreadablePhotoError(PhotoReason.TOO_MUCH_MEMORY.phrase()) from None
    except Exception as error:
        if picture.format not in ("JPEG", "MPO"):
            raise UnreadablePhotoError(PhotoReason.DAMAGED.phrase(format=str(picture.format))) from error
        picture, note = _load_truncated(data, factor), TRUNCATED_NOTE
    try:
        return _rgb_pixels(picture), note
    except MemoryError:
        raise UnreadablePhotoError(PhotoReason.TOO_MUCH_MEMORY.phrase()) from None
    except Exception as error:
        raise UnreadablePhotoError(PhotoReason.UNKNOWN_COLOURS.phrase(mode=picture.mode)) from error


def _draft_reduced(picture: Image.Image, factor: int) -> None:
    if factor > 1:
        picture.draft(None, (max(1, picture.width // factor), max(1, picture.height // factor)))


def _load_truncated(data: bytes, factor: int) -> Image.Image:
    """Opens a JPEG without its end: with an end marker appended the decoder fills what is missing with grey."""
    try:
        picture = open_picture(BytesIO(data + END_OF_JPEG))
        _draft_reduced(picture, factor)
        picture.load()
    except MemoryError:
        raise UnreadablePhotoError(PhotoReason.TOO_MUCH_MEMORY.phrase()) from None
    except Exception as error:
        raise UnreadablePhotoError(PhotoReason.DAMAGED_JPEG.phrase()) from error
    return picture


def _rgb_pixels(picture: Image.Image) -> np.ndarray:
    """The (h, w, 3) uint8 RGB pixels, converted band by band: Pillow's copies of the whole took as much again."""
    to_rgb = _grey_scaling(picture) if picture.mode[0] in "IF" else _to_rgb
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, band in _bands(picture):
        pixels[top : top + band.height] = to_rgb(band)
    return pixels


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The first row, and the picture, of each band of about BAND_PIXELS."""
    rows = max(1, BAND_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _to_rgb(band: Image.Image) -> np.ndarray:
    """(h, w, 3) uint8 RGB, on white where it is transparent."""
    if band.has_transparency_data:
        band = band.convert("RGBA")
        band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
    return np.asarray(band.convert("RGB"))


def _grey_scaling(picture: Image.Image) -> Callable[[Image.Image], np.ndarray]:
    """How bands of grey of more than 8 bits, which Pillow would clip, are scaled to 8: (h, w, 1), by the largest."""
    largest = max(float(_exact_grey(band).max(initial=0)) for _, band in _bands(picture))
    white = 1 if picture.mode == "F" and largest <= 1 else 255 if largest <= 255 else max(65535, largest)
    inverted = _white_is_zero(picture)

    def scale(band: Image.Image) -> np.ndarray:
        exact = _exact_grey(band)
        scaled = (white - exact if inverted else exact) * (255 / white)
        return scaled.clip(0, 255).astype(np.uint8)[..., None]

    return scale


def _exact_grey(band: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(band).astype(np.float64))


def _white_is_zero(picture: Image.Image) -> bool:
    """Whether a TIFF stores grey inverted. Pillow inverts up to 8 bits itself, not more."""
    return getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == 0


def decode_with_opencv(data: bytes, picture: Image.Image, factor: int) -> np.ndarray | None:
    """Decode an ordinary JPEG or WebP.

    Args:
        data: The bytes of the file.
        picture: The same file, opened with Pillow.
        factor: 1, 2, 4 or 8: how much smaller a JPEG is decoded.

    Returns:
        The (h, w, 3) uint8 RGB pixels as stored, not rotated; None for all that Pillow does better: CMYK, transparency,
        truncated files, files with several pictures.

    Raises:
        UnreadablePhotoError: There is not enough memory.
    """
    if not _opencv_decodes(data, picture):
        return None
    import cv2

    # The names of the reduced sizes contain grey, but the flag of the colours overrides that.
    size = {1: 0, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4}
    flags = size.get(factor, cv2.IMREAD_REDUCED_GRAYSCALE_8) | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise UnreadablePhotoError(PhotoReason.TOO_MUCH_MEMORY.phrase()) from None
        return None


def _opencv_decodes(data: bytes, picture: Image.Image) -> bool:
    if picture.format == "WEBP":
        return picture.mode == "RGB" and not getattr(picture, "is_animated", False)
    complete = data.rstrip(b"\0").endswith(END_OF_JPEG)
    return picture.format == "JPEG" and picture.mode in ("RGB", "L") and complete
