"""The quick road for ordinary JPEGs and WebPs: OpenCV decodes them straight into an array, in half of Pillow's time."""

import numpy as np
from PIL import Image

END_OF_JPEG = b"\xff\xd9"


def decode_plain(data: bytes, picture: Image.Image, factor: int) -> np.ndarray | None:
    """The (h, w, 3) uint8 RGB pixels as stored, a JPEG's at 1/factor of the size (1, 2, 4 or 8).

    None for all that Pillow does better: CMYK, transparency, truncated files, those that hold several pictures.
    """
    if not _is_plain(data, picture):
        return None
    import cv2

    # The names of the reduced sizes say grey, but the flag of the colours has the last word.
    size = {1: 0, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4}
    flags = size.get(factor, cv2.IMREAD_REDUCED_GRAYSCALE_8) | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def _is_plain(data: bytes, picture: Image.Image) -> bool:
    if picture.format == "WEBP":
        return picture.mode == "RGB" and not getattr(picture, "is_animated", False)
    whole = data.rstrip(b"\0").endswith(END_OF_JPEG)
    return picture.format == "JPEG" and picture.mode in ("RGB", "L") and whole
