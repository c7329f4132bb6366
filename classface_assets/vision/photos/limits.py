"""How large a picture may be, judged by its header before a pixel is decoded."""

from typing import NamedTuple

from classface_assets.core.faces.photo_reasons import PhotoReason

MAX_PIXELS = 250_000_000
MAX_SIDE = 200_000
"""A stitched panorama has some ten thousand pixels in a row; JPEG allows 65,535, a file of millions is an attack."""
MAX_DECODE_BYTES = 4 << 30
# Measured, rounded up: Pillow's own 1 to 4 bytes, the 3 of RGB and a band of it; and what decoders hold besides, like
# the coefficients of a progressive JPEG, the one strip of a TIFF of 16 bits, a frame in planes.
_BYTES_BY_MODE = {"1": 6, "L": 6, "P": 6}
_BYTES_BY_MODE |= dict.fromkeys(("RGB", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I;16B"), 9)
_BYTES_BY_FORMAT = {"JPEG": 8, "MPO": 8, "TIFF": 8, "JPEG2000": 13, "AVIF": 10, "HEIF": 10, "WEBP": 8, "GIF": 8}
_OTHER_MODES = 12


class PictureLimits(NamedTuple):
    """The limits that a picture is held to.

    Attributes:
        pixels: Width times height, at most.
        side: Of both sides, in pixels.
        decode_bytes: What decoding it may take, by `decode_bytes`.
    """

    pixels: int = MAX_PIXELS
    side: int = MAX_SIDE
    decode_bytes: int = MAX_DECODE_BYTES


ARCHIVE_LIMITS = PictureLimits()


def decode_bytes(width: int, height: int, mode: str, format_name: str) -> int:
    """The memory that decoding to RGB takes at most: the decoder's own, the picture and its conversion, in bytes.

    Args:
        width: In pixels.
        height: In pixels.
        mode: As Pillow names it.
        format_name: As Pillow names it.
    """
    return width * height * (_BYTES_BY_MODE.get(mode, _OTHER_MODES) + _BYTES_BY_FORMAT.get(format_name, 0))


def size_problem(
    size: tuple[int, int], mode: str, format_name: str, limits: PictureLimits = ARCHIVE_LIMITS
) -> str | None:
    """What is wrong with a picture of that size, as a phrase; None where it may be decoded.

    Args:
        size: Width and height in pixels.
        mode: As Pillow names it.
        format_name: As Pillow names it.
        limits: What is allowed.
    """
    width, height = size
    sides = {"width": str(width), "height": str(height)}
    if max(size) > limits.side:
        return PhotoReason.SIDE_TOO_LONG.phrase(**sides, most=limits.side)
    if width * height > limits.pixels:
        return PhotoReason.TOO_MANY_PIXELS.phrase(**sides, most=limits.pixels // 1_000_000)
    needed = decode_bytes(width, height, mode, format_name)
    if needed > limits.decode_bytes:
        return PhotoReason.TOO_MUCH_TO_DECODE.phrase(needed=needed / 1e9, allowed=limits.decode_bytes / 1e9)
    return None
