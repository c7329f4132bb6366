"""How a photo is searched, whatever the detector: what counts as a face, and the faces of a photo that may lie turned.

How it is looked at is in looks, which way is up in turning.

Which way a photo is up that does not say so itself, told by the faces in it.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.vision.detection.attributes import estimate_rolls, outside_share
from classface_assets.vision.detection.multiscale import (
    Detector,
    base_side,
    detect_at_scale,
    detect_padded,
    multiscale_search,
)
from classface_assets.vision.faces import NO_DETECTIONS, FaceDetections
from classface_assets.vision.photos.image_pyramid import ImagePyramid

# A look at a turned photo finds some faces in nine of ten, but none as surely as upright: measured on 110 photos, the
# surest of each upright one was above 0.75 in all but 1 %, of the turned ones in less than 8 %.
MIN_SURE_CONFIDENCE, MAX_UPRIGHT_TILT = 0.75, 45


def is_uncertain(faces: FaceDetections) -> bool:
    """Whether these may be what a turned photo shows: no face, none that is sure, or half of them tilted."""
    if not len(faces) or float(faces.scores.max()) < MIN_SURE_CONFIDENCE:
        return True
    return float(np.median(np.abs(estimate_rolls(faces.landmarks)))) > MAX_UPRIGHT_TILT


def best_rotation(detector: Detector, view: ImagePyramid, min_confidence: float, as_it_is: FaceDetections) -> int:
    """The rotation (0, 90, 180, 270) with the largest sum of confidences over the faces that it shows upright.

    None but 0 without a face that is sure: a cup on its side is a face of a confidence of 0.6.
    """
    sums = {0: _upright_confidence(as_it_is)}
    for rotation in (90, 180, 270):
        view.rotation = rotation
        faces = detect_at_scale(detector, view, base_side(detector, view), min_confidence)
        faces = faces if len(faces) else detect_padded(detector, view, min_confidence)
        sums[rotation] = 0.0 if is_uncertain(faces) else _upright_confidence(faces)
    view.rotation = 0
    return max(sums, key=lambda rotation: sums[rotation])


def _upright_confidence(faces: FaceDetections) -> float:
    return float(faces.scores[np.abs(estimate_rolls(faces.landmarks)) < MAX_UPRIGHT_TILT].sum()) if len(faces) else 0.0


@dataclass(frozen=True)
class DetectionSettings:
    """Faces below either bound are left out; min_face_px is the shorter side of the box in the upright photo."""

    min_confidence: float = 0.5
    min_face_px: int = 20

    @property
    def name(self) -> str:
        """What the folder of the faces that were found with them is called."""
        return f"confidence-{self.min_confidence:g} size-{self.min_face_px}"

    @classmethod
    def named(cls, name: str) -> "DetectionSettings":
        """The settings of that name."""
        confidence, size = name.split()
        return cls(float(confidence.removeprefix("confidence-")), int(size.removeprefix("size-")))


@dataclass(frozen=True)
class OrientedDetections:
    """Faces in pixels of the photo turned clockwise by `rotation` degrees, and the share of each box outside of it."""

    faces: FaceDetections
    outside: np.ndarray
    rotation: int = 0


def detect_oriented(
    detector: Detector, view: ImagePyramid, settings: DetectionSettings, turnable: bool = False
) -> OrientedDetections:
    """All faces of a photo, best first, in its pixels, boxes clipped to it; the view is left turned as they were found.

    A `turnable` photo, one that does not say which way is up, is tried on its sides and on its head when what is found
    is unsure, and stays as the upright faces in it are most.
    """
    faces = multiscale_search(detector, view, settings.min_confidence)
    if turnable and is_uncertain(faces):
        rotation = best_rotation(detector, view, settings.min_confidence, faces)
        if rotation:
            view.rotation = rotation
            faces = multiscale_search(detector, view, settings.min_confidence)
    return _clip_to_photo(faces, view, settings.min_face_px)


def _clip_to_photo(faces: FaceDetections, view: ImagePyramid, min_face_px: int) -> OrientedDetections:
    if not len(faces):
        return OrientedDetections(NO_DETECTIONS, np.empty(0, np.float32), view.rotation)
    size = [view.width, view.height]
    low = np.clip(faces.boxes[:, :2], 0, size)
    high = np.clip(faces.boxes[:, :2] + faces.boxes[:, 2:], 0, size)
    clipped = FaceDetections(
        np.concatenate([low, high - low], axis=1).astype(np.float32), faces.landmarks, faces.scores
    )
    large = (high - low).min(axis=1) >= min_face_px
    return OrientedDetections(clipped.take(large), outside_share(faces.boxes, *size)[large], view.rotation)
