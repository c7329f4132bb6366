"""How a picture is searched, whatever the detector: at which scales, in which tiles, and again with a border.

Detectors only look at the pixels that they are given.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from classface_assets.vision.faces import NO_FACES, Faces, join, suppressed

COARSE_SIDE = 640  # the long side at which large faces are found
FINE_SIDES = (1600, 3200, 6400)  # for small ones: each further one only where the one before shows a small crowd
CROWD, CROWD_FACE_PX = 12, 24
GREY = 127


@dataclass(frozen=True)
class DetectionSettings:
    """Faces below either bound are left out; min_face_px is the shorter side of the box in the upright photo."""

    min_confidence: float = 0.5
    min_face_px: int = 20


class Detector(Protocol):
    """Finds the faces of an (H, W, 3) RGB picture. `fixed_input` is its side when it takes squares of one size only."""

    fixed_input: int | None

    def find(self, image: np.ndarray, min_confidence: float) -> Faces: ...


def find_faces(detector: Detector, image: np.ndarray, settings: DetectionSettings) -> Faces:
    """All faces of an upright RGB photo, best first, in its pixels, boxes clipped to it.

    A tight portrait leaves the detector no room around the head: when nothing is found, the photo is searched again
    within a grey border of half its size.
    """
    faces = _search(detector, image, settings.min_confidence)
    if not len(faces):
        faces = _search_with_border(detector, image, settings.min_confidence)
    return _within(faces, image.shape[1], image.shape[0], settings.min_face_px)


def _search(detector: Detector, image: np.ndarray, min_confidence: float) -> Faces:
    coarse, longest = detector.fixed_input or COARSE_SIDE, max(image.shape[:2])
    found = [_scaled(detector, image, coarse, min_confidence)]
    for long_side in FINE_SIDES if longest > 1.25 * coarse else ():
        small = _shrunk(image, long_side)
        tiles = _tiles(detector, small, detector.fixed_input or FINE_SIDES[0], min_confidence)
        found.append(_times(tiles, image.shape[1] / small.shape[1]))
        if longest <= 1.25 * long_side or not _small_crowd(tiles):
            break
    return suppressed(join(found)) if len(found) > 1 else found[0]


def _small_crowd(faces: Faces) -> bool:
    """A picture of a whole school: many faces, so small at this scale that others must have been missed."""
    return len(faces) >= CROWD and float(np.median(faces.boxes[:, 2])) < CROWD_FACE_PX


def _shrunk(image: np.ndarray, long_side: int) -> np.ndarray:
    import cv2

    height, width = image.shape[:2]
    factor = long_side / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _scaled(detector: Detector, image: np.ndarray, long_side: int, min_confidence: float) -> Faces:
    small = _shrunk(image, long_side)
    return _times(detector.find(small, min_confidence), image.shape[1] / small.shape[1])


def _times(faces: Faces, factor: float) -> Faces:
    return Faces(faces.boxes * np.float32(factor), faces.landmarks * np.float32(factor), faces.scores)


def _tiles(detector: Detector, image: np.ndarray, side: int, min_confidence: float) -> Faces:
    """Faces of the overlapping side×side tiles of a picture."""
    found = []
    for top in _starts(image.shape[0], side):
        for left in _starts(image.shape[1], side):
            faces = detector.find(image[top : top + side, left : left + side], min_confidence)
            found.append(faces.moved(left, top))
    return suppressed(join(found))


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start that cover a length, each overlapping the next by a quarter or more."""
    if length <= side:
        return [0]
    count = 1 + int(np.ceil((length - side) / (0.75 * side)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _search_with_border(detector: Detector, image: np.ndarray, min_confidence: float) -> Faces:
    small = _shrunk(image, FINE_SIDES[0] // 2)
    dy, dx = small.shape[0] // 2, small.shape[1] // 2
    bordered = np.pad(small, ((dy, dy), (dx, dx), (0, 0)), constant_values=GREY)
    faces = _scaled(detector, bordered, detector.fixed_input or FINE_SIDES[0], min_confidence)
    return _times(faces.moved(-dx, -dy), image.shape[1] / small.shape[1])


def _within(faces: Faces, width: int, height: int, min_face_px: int) -> Faces:
    if not len(faces):
        return NO_FACES
    low = np.clip(faces.boxes[:, :2], 0, [width, height])
    high = np.clip(faces.boxes[:, :2] + faces.boxes[:, 2:], 0, [width, height])
    clipped = Faces(np.concatenate([low, high - low], axis=1).astype(np.float32), faces.landmarks, faces.scores)
    return clipped.take((high - low).min(axis=1) >= min_face_px)
