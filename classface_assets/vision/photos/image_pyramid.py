"""One photo at whatever size is asked for, decoded no larger than that needs."""

from collections.abc import Callable

import numpy as np

from classface_assets.core.locations import Location
from classface_assets.vision.photos.decoding import DecodedPhoto, load_photo

# A JPEG of twice that long side is first decoded at half its size. More often would not pay: whatever the size, its
# codes must be read, which takes most of the time (a half still takes .8, a quarter .7 of it), and small faces need it
# whole after all.
INITIAL_SIDE = 2400
Decode = Callable[[int | None], DecodedPhoto]


class ImagePyramid:
    """The upright photo, width × height pixels, turned clockwise by `rotation` degrees; one decoded copy is kept."""

    def __init__(self, decode: Decode, rotation: int = 0) -> None:
        """Raises what `decode` raises: OSError, UnreadablePhoto."""
        self._decode, self._photo, self.rotation = decode, decode(INITIAL_SIDE), rotation
        self._shrunk: dict[int, np.ndarray] = {}

    @property
    def width(self) -> int:
        return self._photo.height if self.rotation % 180 else self._photo.width

    @property
    def height(self) -> int:
        return self._photo.width if self.rotation % 180 else self._photo.height

    @property
    def note(self) -> str:
        return self._photo.note

    def at(self, long_side: int) -> np.ndarray:
        """The (h, w, 3) RGB picture with a long side of `long_side`, or of the photo's own where that is shorter."""
        if long_side > max(self._photo.pixels.shape[:2]):
            self._decoded(None)
        if long_side not in self._shrunk:
            self._shrunk = {long_side: downscale(self._photo.pixels, long_side)}  # asked for again by the next look
        return _rotate(self._shrunk[long_side], self.rotation)

    def at_resolution(self, smallest_px: float, needed_px: int) -> tuple[np.ndarray, float]:
        """A picture in which `smallest_px` of the photo are `needed_px` if the photo has so many, and its scale."""
        if smallest_px / self._photo.factor < needed_px:
            self._decoded(int(np.ceil(max(self.width, self.height) * needed_px / smallest_px)))
        pixels = _rotate(self._photo.pixels, self.rotation)
        return pixels, pixels.shape[1] / self.width

    def _decoded(self, least_side: int | None) -> None:
        if self._photo.factor > 1:
            self._photo = self._decode(least_side)


def open_pyramid(path: Location) -> ImagePyramid:
    """Raises UnreadablePhoto, and OSError when the file cannot be read now."""
    return ImagePyramid(lambda least_side: load_photo(path, least_side))


def pyramid_from_pixels(image: np.ndarray, note: str = "") -> ImagePyramid:
    """A view of upright (H, W, 3) RGB pixels."""
    height, width = image.shape[:2]
    return ImagePyramid(lambda _: DecodedPhoto(image, note, width, height, 1))


def downscale(image: np.ndarray, long_side: int) -> np.ndarray:
    """The image with a long side of at most that, its pixels averaged."""
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
