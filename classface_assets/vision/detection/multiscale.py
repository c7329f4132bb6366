"""Searches an upright photo at several scales: whole at first, then finer or with a border, as the faces found suggest.

A photo that is too large for one pass is searched in overlapping tiles, whose faces are merged. Detectors only get the
pixels of a pass; which way the photo is up is decided in `search`.
"""

import numpy as np

from classface_assets.vision.detection.strips import (
    ENLARGEMENT,
    STRIP_RELIABLE_PX,
    first_strip_side,
    is_strip,
    needs_enlargement,
)
from classface_assets.vision.detection.tiles import detect_tiled
from classface_assets.vision.faces import FaceDetections, concat_detections, nms
from classface_assets.vision.photos.image_pyramid import ImagePyramid
from classface_assets.vision.protocols import Detector

TILE_SIDE, MAX_ZOOM, MAX_FINER_SCALES = 1600, 3.0, 3
# Times the width that the detector needs. Measured on photos of 6 to 18 megapixels: 1.25 takes an eighth longer and
# finds no more, 1.1 loses faces.
ZOOM_MARGIN = 1.15
# Faces too small to be detected leave a trace: six of 5 pixels scored 0.17 and more, scenes without a face 0.10 (some
# 0.20).
TRACE_CONFIDENCE = 0.12
BORDER_GREY = 127
# A crowd whose faces are 4 to 7 pixels wide in the first pass leaves no trace there. At 1.5 times that size 360 people
# in rows left 120 traces and more; twelve scenes without a face, at twice the size, 4 at most.
CROWD_SCALE, MIN_CROWD_TRACES = 1.5, 8


def multiscale_search(detector: Detector, pyramid: ImagePyramid, min_confidence: float) -> FaceDetections:
    """The faces of a photo in the rotation of the pyramid.

    One pass over the whole photo; then finer ones where faces are so small that others were missed, or one with a
    border where there is no face, because a tight portrait leaves the detector no room around the head.

    Returns:
        Faces in pixels of the photo.
    """
    side = base_side(detector, pyramid)
    candidates = detect_at_scale(detector, pyramid, side, min(TRACE_CONFIDENCE, min_confidence))
    faces = candidates.select(candidates.scores >= min_confidence)
    judged = candidates if is_strip(pyramid.width, pyramid.height) else faces
    if _has_many_small(judged, detector, side, pyramid):
        return _detect_finer(detector, pyramid, faces, min_confidence)
    if not len(faces):
        faces = detect_padded(detector, pyramid, min_confidence)
    if not len(faces) and (len(candidates) or _has_crowd(detector, pyramid, side)):
        faces = _detect_finer(detector, pyramid, faces, min_confidence)
    return faces


def base_side(detector: Detector, pyramid: ImagePyramid) -> int:
    """The long side, in pixels, of the first pass; larger for a panorama, of no more pixels in all.

    For a strip its short side becomes at least as long as that of an ordinary photo in the first pass.
    """
    longest = max(pyramid.width, pyramid.height)
    aspect = longest / min(pyramid.width, pyramid.height)
    if is_strip(pyramid.width, pyramid.height):
        return first_strip_side(_tile_side(detector), pyramid.width, pyramid.height)
    return detector.fixed_input or round(detector.base_side * max(1.0, (aspect / 2) ** 0.5))


def detect_at_scale(detector: Detector, pyramid: ImagePyramid, long_side: int, min_confidence: float) -> FaceDetections:
    """The faces of one pass with that long side, in pixels of the photo."""
    picture = pyramid.resized_to(long_side)
    if is_strip(*picture.shape[:2]):
        faces = detect_tiled(detector, picture, _tile_side(detector), min_confidence)
    else:
        faces = detector.detect(picture, min_confidence)
    return faces.scaled(pyramid.width / picture.shape[1])


def detect_padded(detector: Detector, pyramid: ImagePyramid, min_confidence: float) -> FaceDetections:
    """The faces of the first pass at half its size, within a grey border of half its sides; in pixels of the photo."""
    small = pyramid.resized_to(min(base_side(detector, pyramid), 2 * _tile_side(detector)) // 2)
    dy, dx = small.shape[0] // 2, small.shape[1] // 2
    padded = np.pad(small, ((dy, dy), (dx, dx), (0, 0)), constant_values=BORDER_GREY)
    return detector.detect(padded, min_confidence).translated(-dx, -dy).scaled(pyramid.width / small.shape[1])


def _tile_side(detector: Detector) -> int:
    """The long side of the first pass over an ordinary photo, and the side of the tiles of a strip."""
    return detector.fixed_input or detector.base_side


def _detect_finer(
    detector: Detector, pyramid: ImagePyramid, faces: FaceDetections, min_confidence: float
) -> FaceDetections:
    """Adds the faces of tiles at a finer scale, and at still finer ones as long as the faces found are small.

    A strip whose faces are small at its full size too is also searched enlarged.
    """
    longest, side, found = max(pyramid.width, pyramid.height), base_side(detector, pyramid), [faces]
    while longest > 1.25 * side and len(found) <= MAX_FINER_SCALES:
        side = min(longest, round(side * _zoom(found[-1], detector, side, pyramid)))
        picture = pyramid.resized_to(side)
        tiles = detect_tiled(detector, picture, detector.fixed_input or TILE_SIDE, min_confidence)
        found.append(tiles.scaled(pyramid.width / picture.shape[1]))
        if not _has_many_small(found[-1], detector, side, pyramid):
            break
    if is_strip(pyramid.width, pyramid.height) and needs_enlargement(concat_detections(found)):
        whole = pyramid.resized_to(longest)
        found.append(detect_tiled(detector, whole, detector.fixed_input or TILE_SIDE, min_confidence, ENLARGEMENT))
    return nms(concat_detections(found)) if len(found) > 1 else faces


def _has_crowd(detector: Detector, pyramid: ImagePyramid, side: int) -> bool:
    """Whether a somewhat finer pass shows traces of many faces in a photo that seems to have none."""
    finer = round(CROWD_SCALE * side)
    if detector.fixed_input or is_strip(pyramid.width, pyramid.height) or finer > max(pyramid.width, pyramid.height):
        return False
    return len(detector.detect(pyramid.resized_to(finer), TRACE_CONFIDENCE)) >= MIN_CROWD_TRACES


def _has_many_small(faces: FaceDetections, detector: Detector, long_side: int, pyramid: ImagePyramid) -> bool:
    """Whether a quarter of the faces are at the limit of what the detector finds, so that it must have missed some."""
    return len(faces) > 0 and _lower_quartile_width(faces, long_side, pyramid) < _reliable_px(detector, pyramid)


def _zoom(faces: FaceDetections, detector: Detector, long_side: int, pyramid: ImagePyramid) -> float:
    """How much finer the next pass is: small faces become as wide as the detector needs them, and a little more."""
    if not len(faces):
        return MAX_ZOOM
    needed = ZOOM_MARGIN * _reliable_px(detector, pyramid)
    return float(np.clip(needed / _lower_quartile_width(faces, long_side, pyramid), 1.25, MAX_ZOOM))


def _reliable_px(detector: Detector, pyramid: ImagePyramid) -> int:
    """The width below which faces may be missed, in pixels of a pass."""
    return max(detector.reliable_px, STRIP_RELIABLE_PX if is_strip(pyramid.width, pyramid.height) else 0)


def _lower_quartile_width(faces: FaceDetections, long_side: int, pyramid: ImagePyramid) -> float:
    """The width below which a quarter of the faces are, in pixels of a pass with that long side."""
    scale = min(1.0, long_side / max(pyramid.width, pyramid.height))
    return float(np.percentile(faces.boxes[:, 2], 25)) * scale
