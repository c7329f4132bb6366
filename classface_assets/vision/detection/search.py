"""How a photo is searched, whatever the detector: what counts as a face, and the faces of a photo that may lie turned.

How it is looked at is in looks, which way is up in turning.

Which way a photo is up that does not say so itself, told by the faces in it.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.vision.detection.attributes import outside_share, rolls
from classface_assets.vision.detection.multiscale import Detector, bordered, look_side, looked, search
from classface_assets.vision.faces import NO_FACES, Faces
from classface_assets.vision.photos.image_pyramid import PhotoView

# A look at a turned photo finds some faces in nine of ten, but none as surely as upright: measured on 110 photos, the
# surest of each upright one was above 0.75 in all but 1 %, of the turned ones in less than 8 %.
UNSURE, TILTED = 0.75, 45


def unsure(faces: Faces) -> bool:
    """Whether these may be what a turned photo shows: no face, none that is sure, or half of them tilted."""
    if not len(faces) or float(faces.scores.max()) < UNSURE:
        return True
    return float(np.median(np.abs(rolls(faces.landmarks)))) > TILTED


def best_rotation(detector: Detector, view: PhotoView, min_confidence: float, as_it_is: Faces) -> int:
    """The rotation (0, 90, 180, 270) with the largest sum of confidences over the faces that it shows upright.

    None but 0 without a face that is sure: a cup on its side is a face of a confidence of 0.6.
    """
    sums = {0: _upright_sum(as_it_is)}
    for rotation in (90, 180, 270):
        view.rotation = rotation
        faces = looked(detector, view, look_side(detector, view), min_confidence)
        faces = faces if len(faces) else bordered(detector, view, min_confidence)
        sums[rotation] = 0.0 if unsure(faces) else _upright_sum(faces)
    view.rotation = 0
    return max(sums, key=lambda rotation: sums[rotation])


def _upright_sum(faces: Faces) -> float:
    return float(faces.scores[np.abs(rolls(faces.landmarks)) < TILTED].sum()) if len(faces) else 0.0


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
class Found:
    """Faces in pixels of the photo turned clockwise by `rotation` degrees, and the share of each box outside of it."""

    faces: Faces
    outside: np.ndarray
    rotation: int = 0


def find_faces(detector: Detector, view: PhotoView, settings: DetectionSettings, turnable: bool = False) -> Found:
    """All faces of a photo, best first, in its pixels, boxes clipped to it; the view is left turned as they were found.

    A `turnable` photo, one that does not say which way is up, is tried on its sides and on its head when what is found
    is unsure, and stays as the upright faces in it are most.
    """
    faces = search(detector, view, settings.min_confidence)
    if turnable and unsure(faces):
        rotation = best_rotation(detector, view, settings.min_confidence, faces)
        if rotation:
            view.rotation = rotation
            faces = search(detector, view, settings.min_confidence)
    return _within(faces, view, settings.min_face_px)


def _within(faces: Faces, view: PhotoView, min_face_px: int) -> Found:
    if not len(faces):
        return Found(NO_FACES, np.empty(0, np.float32), view.rotation)
    size = [view.width, view.height]
    low = np.clip(faces.boxes[:, :2], 0, size)
    high = np.clip(faces.boxes[:, :2] + faces.boxes[:, 2:], 0, size)
    clipped = Faces(np.concatenate([low, high - low], axis=1).astype(np.float32), faces.landmarks, faces.scores)
    large = (high - low).min(axis=1) >= min_face_px
    return Found(clipped.take(large), outside_share(faces.boxes, *size)[large], view.rotation)
