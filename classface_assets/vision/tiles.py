"""Pictures too large for one look: overlapping tiles, whose faces are merged."""

from threading import BoundedSemaphore
from typing import Protocol

import numpy as np

from classface_assets.vision.faces import Faces, join, suppressed

# A network takes some 300 MB for a tile of 1600 pixels: two at a time, however many photos are searched side by side.
_AT_ONCE = BoundedSemaphore(2)


class Detector(Protocol):
    """Finds the faces of an (H, W, 3) RGB picture.

    `look_side` is the long side at which it is shown a photo first, `fixed_input` its side when it takes squares of one
    size only; faces narrower than `reliable_px` may be missed. `close_up` is the side of the small picture in which the
    landmarks of one face are best placed, and that of the face in it. `numbers`: float32 or bfloat16.
    """

    look_side: int
    fixed_input: int | None
    reliable_px: int
    close_up: tuple[int, int]
    numbers: str

    def find(self, image: np.ndarray, min_confidence: float) -> Faces: ...


def tiled(detector: Detector, image: np.ndarray, side: int, min_confidence: float) -> Faces:
    """Faces of the overlapping side×side tiles of a picture."""
    found = []
    for top in _starts(image.shape[0], side):
        for left in _starts(image.shape[1], side):
            with _AT_ONCE:
                faces = detector.find(image[top : top + side, left : left + side], min_confidence)
            found.append(faces.moved(left, top))
    return suppressed(join(found))


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start that cover a length, each overlapping the next by a quarter or more."""
    if length <= side:
        return [0]
    count = 1 + int(np.ceil((length - side) / (0.75 * side)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
