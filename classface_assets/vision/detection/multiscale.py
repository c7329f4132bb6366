"""The looks at a photo that is turned one way: one at first; then a finer one or a bordered one where that says so.

Detectors only look at the pixels that they are given. Which way a photo is up is tried in turning.

Pictures too large for one look: overlapping tiles, whose faces are merged.
"""

from threading import BoundedSemaphore
from typing import Protocol

import numpy as np

from classface_assets.vision.faces import FaceDetections, concat_detections, nms
from classface_assets.vision.photos.image_pyramid import ImagePyramid

# A network takes some 300 MB for a tile of 1600 pixels: two at a time, however many photos are searched side by side.
_TILE_SLOTS = BoundedSemaphore(2)


class Detector(Protocol):
    """Finds the faces of an (H, W, 3) RGB picture.

    `look_side` is the long side at which it is shown a photo first, `fixed_input` its side when it takes squares of one
    size only; faces narrower than `reliable_px` may be missed. `close_up` is the side of the small picture in which the
    landmarks of one face are best placed, and that of the face in it. `numbers`: float32 or bfloat16.
    """

    base_side: int
    fixed_input: int | None
    reliable_px: int
    landmark_crop: tuple[int, int]
    precision: str

    def detect(self, image: np.ndarray, min_confidence: float) -> FaceDetections: ...


def detect_tiled(detector: Detector, image: np.ndarray, side: int, min_confidence: float) -> FaceDetections:
    """Faces of the overlapping side×side tiles of a picture."""
    found = []
    for top in _tile_starts(image.shape[0], side):
        for left in _tile_starts(image.shape[1], side):
            with _TILE_SLOTS:
                faces = detector.detect(image[top : top + side, left : left + side], min_confidence)
            found.append(faces.translated(left, top))
    return nms(concat_detections(found))


def _tile_starts(length: int, side: int) -> list[int]:
    """Where tiles start that cover a length, each overlapping the next by a quarter or more."""
    if length <= side:
        return [0]
    count = 1 + int(np.ceil((length - side) / (0.75 * side)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


TILE_SIDE, MAX_ZOOM, MAX_FINER_SCALES = 1600, 3.0, 3
# Of what the detector needs. Measured on photos of 6 to 18 megapixels: 1.25 takes an eighth longer and finds no more,
# 1.1 loses faces.
ZOOM_MARGIN = 1.15
# Faces too small to be seen leave a trace: six of 5 pixels gave 0.17 and more, scenes without a face 0.10 (some, 0.20).
TRACE_CONFIDENCE = 0.12
BORDER_GREY = 127
# A longer picture is looked at as a row of ordinary ones: in one look of so few pixels its faces would leave no trace.
STRIP_ASPECT, ORDINARY_ASPECT = 2.5, 4 / 3  # long side by short side, of a strip and of an ordinary photo
STRIP_RELIABLE_PX = 20  # pixels: strips are rare, and their faces small as a rule, so the finer looks come sooner
STRIP_SCALE = 0.2  # a face of 50 pixels is at least 10 wide in that look


def multiscale_search(detector: Detector, view: ImagePyramid, min_confidence: float) -> FaceDetections:
    """One look; then a finer one where faces are so small that others were missed, or a border where there is none.

    A tight portrait leaves the detector no room around the head.
    """
    side = base_side(detector, view)
    look = detect_at_scale(detector, view, side, min(TRACE_CONFIDENCE, min_confidence))
    faces = look.take(look.scores >= min_confidence)
    if _has_many_small(look if _is_strip(view.width, view.height) else faces, detector, side, view):
        return _detect_finer(detector, view, faces, min_confidence)
    if not len(faces):
        faces = detect_padded(detector, view, min_confidence)
    if not len(faces) and len(look):
        faces = _detect_finer(detector, view, faces, min_confidence)
    return faces


def base_side(detector: Detector, view: ImagePyramid) -> int:
    """The long side of the one look that every photo gets; larger for a panorama, of no more pixels in all.

    That of a strip makes its short side at least what it is in the look at an ordinary photo.
    """
    longest = max(view.width, view.height)
    wide = longest / min(view.width, view.height)
    if _is_strip(view.width, view.height):
        return round(max(_tile_side(detector) / ORDINARY_ASPECT * wide, STRIP_SCALE * longest))
    return detector.fixed_input or round(detector.base_side * max(1.0, (wide / 2) ** 0.5))


def _tile_side(detector: Detector) -> int:
    """The long side of the look at an ordinary photo, and the side of the tiles of the look at a strip."""
    return detector.fixed_input or detector.base_side


def _is_strip(width: int, height: int) -> bool:
    return max(width, height) > STRIP_ASPECT * min(width, height)


def detect_at_scale(detector: Detector, view: ImagePyramid, long_side: int, min_confidence: float) -> FaceDetections:
    """The faces of one look, in pixels of the photo."""
    picture = view.at(long_side)
    strip = _is_strip(*picture.shape[:2])
    found = (
        detect_tiled(detector, picture, _tile_side(detector), min_confidence)
        if strip
        else detector.detect(picture, min_confidence)
    )
    return found.scaled(view.width / picture.shape[1])


def detect_padded(detector: Detector, view: ImagePyramid, min_confidence: float) -> FaceDetections:
    """The look again, at half the size within a grey border of half its sides."""
    small = view.at(min(base_side(detector, view), 2 * _tile_side(detector)) // 2)
    dy, dx = small.shape[0] // 2, small.shape[1] // 2
    within = np.pad(small, ((dy, dy), (dx, dx), (0, 0)), constant_values=BORDER_GREY)
    return detector.detect(within, min_confidence).translated(-dx, -dy).scaled(view.width / small.shape[1])


def _detect_finer(
    detector: Detector, view: ImagePyramid, faces: FaceDetections, min_confidence: float
) -> FaceDetections:
    """Adds what tiles of the photo show at a finer scale, and at a still finer one as long as the faces stay small."""
    longest, side, found = max(view.width, view.height), base_side(detector, view), [faces]
    while longest > 1.25 * side and len(found) <= MAX_FINER_SCALES:
        side = min(longest, round(side * _zoom(found[-1], detector, side, view)))
        picture = view.at(side)
        tiles = detect_tiled(detector, picture, detector.fixed_input or TILE_SIDE, min_confidence)
        found.append(tiles.scaled(view.width / picture.shape[1]))
        if not _has_many_small(found[-1], detector, side, view):
            break
    return nms(concat_detections(found)) if len(found) > 1 else faces


def _has_many_small(faces: FaceDetections, detector: Detector, long_side: int, view: ImagePyramid) -> bool:
    """Whether a quarter of the faces are at the edge of what the detector sees, so that it must have missed others."""
    return len(faces) > 0 and _lower_quartile_width(faces, long_side, view) < _reliable_px(detector, view)


def _zoom(faces: FaceDetections, detector: Detector, long_side: int, view: ImagePyramid) -> float:
    """How much finer to look, so that the small faces are as wide as the detector needs them, and a little more."""
    if not len(faces):
        return MAX_ZOOM
    return float(
        np.clip(
            ZOOM_MARGIN * _reliable_px(detector, view) / _lower_quartile_width(faces, long_side, view), 1.25, MAX_ZOOM
        )
    )


def _reliable_px(detector: Detector, view: ImagePyramid) -> int:
    """The width below which faces may be missed, in pixels of a look."""
    return max(detector.reliable_px, STRIP_RELIABLE_PX if _is_strip(view.width, view.height) else 0)


def _lower_quartile_width(faces: FaceDetections, long_side: int, view: ImagePyramid) -> float:
    """The width below which a quarter of the faces are, in pixels of the look."""
    return float(np.percentile(faces.boxes[:, 2], 25)) * min(1.0, long_side / max(view.width, view.height))
