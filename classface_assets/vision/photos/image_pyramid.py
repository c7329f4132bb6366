"""One upright photo at any size and rotation, decoded no larger than the sizes asked for need."""

from collections.abc import Callable

import numpy as np

from classface_assets.core.locations import Location
from classface_assets.vision.photos.decoding import DecodedPhoto, load_photo

# A JPEG of twice that long side is first decoded at half its size. More reduction would not pay: whatever the size, its
# codes must be read, which takes most of the time (a half still takes .8, a quarter .7 of it), and small faces need it
# at full size after all.
INITIAL_SIDE = 2400
Decode = Callable[[int | None], DecodedPhoto]
"""Decodes the photo with a long side of at least that many pixels; None: at full size."""


class ImagePyramid:
    """The upright photo, rotated clockwise by `rotation` degrees (0, 90, 180, 270); one decoded copy is cached.

    Attributes:
        rotation: May be set; sizes and pixels are those of the rotated photo.
    """

    def __init__(self, decode: Decode, rotation: int = 0) -> None:
        """Decode the photo at about INITIAL_SIDE. Raises what `decode` raises: OSError, UnreadablePhotoError."""
        self._decode, self._photo, self.rotation = decode, decode(INITIAL_SIDE), rotation
        self._resized: dict[int, np.ndarray] = {}

    @property
    def width(self) -> int:
        """The width of the photo at full size, in pixels."""
        return self._photo.height if self.rotation % 180 else self._photo.width

    @property
    def height(self) -> int:
        """The height of the photo at full size, in pixels."""
        return self._photo.width if self.rotation % 180 else self._photo.height

    @property
    def note(self) -> str:
        """What was wrong with a photo that could only partly be read, else ""."""
        return self._photo.note

    def resized_to(self, long_side: int) -> np.ndarray:
        """The (h, w, 3) uint8 RGB picture with a long side of `long_side` pixels, or the photo's own if shorter."""
        if long_side > max(self._photo.pixels.shape[:2]):
            self._decode_again(None)
        if long_side not in self._resized:
            # One size is cached: the next pass over the photo often asks for the same.
            self._resized = {long_side: downscale(self._photo.pixels, long_side)}
        return _rotate(self._resized[long_side], self.rotation)

    def at_resolution(self, smallest_px: float, needed_px: int) -> tuple[np.ndarray, float]:
        """The photo at a size at which small things are large enough.

        Args:
            smallest_px: The width of the smallest thing, in pixels of the photo at full size.
            needed_px: The width that it should have in the picture, if the photo has that many pixels.

        Returns:
            The (h, w, 3) uint8 RGB picture, and its pixels for each pixel of the photo at full size.
        """
        if smallest_px / self._photo.factor < needed_px:
            self._decode_again(int(np.ceil(max(self.width, self.height) * needed_px / smallest_px)))
        pixels = _rotate(self._photo.pixels, self.rotation)
        return pixels, pixels.shape[1] / self.width

    def _decode_again(self, min_side: int | None) -> None:
        if self._photo.factor > 1:
            self._photo = self._decode(min_side)


def open_pyramid(path: Location) -> ImagePyramid:
    """The pyramid of a photo file.

    Raises:
        UnreadablePhotoError: It cannot be decoded.
        OSError: The file cannot be read now.
    """
    return ImagePyramid(lambda min_side: load_photo(path, min_side))


def pyramid_from_pixels(image: np.ndarray, note: str = "") -> ImagePyramid:
    """The pyramid of upright (H, W, 3) uint8 RGB pixels."""
    height, width = image.shape[:2]
    return ImagePyramid(lambda _: DecodedPhoto(image, note, width, height, 1))


def downscale(image: np.ndarray, long_side: int) -> np.ndarray:
    """The (H, W, 3) image with a long side of at most `long_side` pixels, by averaging pixels."""
    import cv2

    height, width = image.shape[:2]
    factor = long_side / max(height, width)
    if factor >= 1:
        return image
    while max(image.shape[:2]) >= 2 * long_side:  # linear at a half is the mean of four, in a fifth of the time
        half = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
        even = image[: image.shape[0] & ~1 or 1, : image.shape[1] & ~1 or 1]  # an exact half, in half of the time
        image = cv2.resize(even, half, interpolation=cv2.INTER_LINEAR)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _rotate(image: np.ndarray, rotation: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(image, -rotation // 90)) if rotation else image
