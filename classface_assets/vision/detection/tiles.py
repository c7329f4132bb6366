"""Searches a picture that is too large for one pass in overlapping tiles, whose faces are merged."""

from threading import BoundedSemaphore

import numpy as np

from classface_assets.vision.faces import FaceDetections, concat_detections, nms
from classface_assets.vision.protocols import Detector

# A network takes some 300 MB for a tile of 1600 pixels: two at a time, however many photos are searched in parallel.
_TILE_SLOTS = BoundedSemaphore(2)


def detect_tiled(
    detector: Detector, image: np.ndarray, side: int, min_confidence: float, enlargement: float = 1.0
) -> FaceDetections:
    """The faces of overlapping tiles of a picture.

    Args:
        detector: The detector.
        image: (H, W, 3) uint8 RGB.
        side: Of the tiles that the detector gets, in pixels.
        min_confidence: The least confidence of a face.
        enlargement: How many times larger than in the picture the detector sees everything.

    Returns:
        Faces in pixels of the picture, best first.
    """
    found, cut = [], round(side / enlargement)
    for top in _tile_starts(image.shape[0], cut):
        for left in _tile_starts(image.shape[1], cut):
            with _TILE_SLOTS:
                tile = _enlarge(image[top : top + cut, left : left + cut], enlargement)
                faces = detector.detect(tile, min_confidence)
            found.append((faces if enlargement == 1 else faces.scaled(1 / enlargement)).translated(left, top))
    return nms(concat_detections(found))


def _tile_starts(length: int, side: int) -> list[int]:
    """Where tiles start that cover a length, each overlapping the next by a quarter or more."""
    if length <= side:
        return [0]
    count = 1 + int(np.ceil((length - side) / (0.75 * side)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _enlarge(image: np.ndarray, factor: float) -> np.ndarray:
    if factor == 1:
        return image
    import cv2

    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
