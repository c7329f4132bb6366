"""How a photo is searched, whatever the detector: one look at most; finer, bordered or turned where that look says so.

Detectors only look at the pixels that they are given.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.vision.faces import NO_FACES, Faces, join, suppressed
from classface_assets.vision.pose import roll
from classface_assets.vision.quality import outside_share
from classface_assets.vision.tiles import Detector, tiled
from classface_assets.vision.view import PhotoView

TILE, MOST_ZOOM, FINER_LOOKS = 1600, 3.0, 3
# Faces too small to be seen leave a trace: six of 5 pixels gave 0.17 and more, scenes without a face 0.10 (some, 0.20).
WEAK = 0.12
# A look at a turned photo finds some faces in nine of ten, but none as surely as upright: measured on 110 photos, the
# surest of each upright one was above 0.75 in all but 1 %, of the turned ones in less than 8 %.
UNSURE, TILTED = 0.75, 45
GREY = 127


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
    faces = _search(detector, view, settings.min_confidence)
    if turnable and _unsure(faces):
        rotation = _best_rotation(detector, view, settings.min_confidence, faces)
        if rotation:
            view.rotation = rotation
            faces = _search(detector, view, settings.min_confidence)
    return _within(faces, view, settings.min_face_px)


def _search(detector: Detector, view: PhotoView, min_confidence: float) -> Faces:
    """One look; then a finer one where faces are so small that others were missed, or a border where there is none.

    A tight portrait leaves the detector no room around the head.
    """
    side = look_side(detector, view)
    look = _looked(detector, view, side, min(WEAK, min_confidence))
    faces = look.take(look.scores >= min_confidence)
    if _many_small(faces, detector, side, view):
        return _finer(detector, view, faces, min_confidence)
    if not len(faces):
        faces = _bordered(detector, view, min_confidence)
    if not len(faces) and len(look):
        faces = _finer(detector, view, faces, min_confidence)
    return faces


def look_side(detector: Detector, view: PhotoView) -> int:
    """The long side of the one look that every photo gets; larger for a panorama, of no more pixels in all."""
    wide = max(view.width, view.height) / min(view.width, view.height)
    return detector.fixed_input or round(detector.look_side * max(1.0, (wide / 2) ** 0.5))


def _looked(detector: Detector, view: PhotoView, long_side: int, min_confidence: float) -> Faces:
    picture = view.at(long_side)
    return detector.find(picture, min_confidence).times(view.width / picture.shape[1])


def _finer(detector: Detector, view: PhotoView, faces: Faces, min_confidence: float) -> Faces:
    """Adds what tiles of the photo show at a finer scale, and at a still finer one as long as the faces stay small."""
    longest, side, found = max(view.width, view.height), look_side(detector, view), [faces]
    while longest > 1.25 * side and len(found) <= FINER_LOOKS:
        side = min(longest, round(side * _zoom(found[-1], detector, side, view)))
        picture = view.at(side)
        tiles = tiled(detector, picture, detector.fixed_input or TILE, min_confidence)
        found.append(tiles.times(view.width / picture.shape[1]))
        if not _many_small(found[-1], detector, side, view):
            break
    return suppressed(join(found)) if len(found) > 1 else faces


def _many_small(faces: Faces, detector: Detector, long_side: int, view: PhotoView) -> bool:
    """Whether a quarter of the faces are at the edge of what the detector sees, so that it must have missed others."""
    return len(faces) > 0 and _small_width(faces, long_side, view) < detector.reliable_px


def _zoom(faces: Faces, detector: Detector, long_side: int, view: PhotoView) -> float:
    """How much finer to look, so that the small faces are as wide as the detector needs them, and a quarter more."""
    if not len(faces):
        return MOST_ZOOM
    return float(np.clip(1.25 * detector.reliable_px / _small_width(faces, long_side, view), 1.25, MOST_ZOOM))


def _small_width(faces: Faces, long_side: int, view: PhotoView) -> float:
    """The width below which a quarter of the faces are, in pixels of the look."""
    return float(np.percentile(faces.boxes[:, 2], 25)) * min(1.0, long_side / max(view.width, view.height))


def _bordered(detector: Detector, view: PhotoView, min_confidence: float) -> Faces:
    """The look again, at half the size within a grey border of half its sides."""
    small = view.at(look_side(detector, view) // 2)
    dy, dx = small.shape[0] // 2, small.shape[1] // 2
    bordered = np.pad(small, ((dy, dy), (dx, dx), (0, 0)), constant_values=GREY)
    return detector.find(bordered, min_confidence).moved(-dx, -dy).times(view.width / small.shape[1])


def _unsure(faces: Faces) -> bool:
    return not len(faces) or float(faces.scores.max()) < UNSURE or float(np.median(np.abs(_rolls(faces)))) > TILTED


def _rolls(faces: Faces) -> np.ndarray:
    return np.array([roll(landmarks) for landmarks in faces.landmarks])


def _best_rotation(detector: Detector, view: PhotoView, min_confidence: float, as_it_is: Faces) -> int:
    """The rotation (0, 90, 180, 270) with the largest sum of confidences over the faces that it shows upright.

    None but 0 without a face that is sure: a cup on its side is a face of a confidence of 0.6.
    """
    sums = {0: _upright_sum(as_it_is)}
    for rotation in (90, 180, 270):
        view.rotation = rotation
        faces = _looked(detector, view, look_side(detector, view), min_confidence)
        faces = faces if len(faces) else _bordered(detector, view, min_confidence)
        sums[rotation] = 0.0 if _unsure(faces) else _upright_sum(faces)
    view.rotation = 0
    return max(sums, key=lambda rotation: sums[rotation])


def _upright_sum(faces: Faces) -> float:
    return float(faces.scores[np.abs(_rolls(faces)) < TILTED].sum()) if len(faces) else 0.0


def _within(faces: Faces, view: PhotoView, min_face_px: int) -> Found:
    if not len(faces):
        return Found(NO_FACES, np.empty(0, np.float32), view.rotation)
    size = [view.width, view.height]
    low = np.clip(faces.boxes[:, :2], 0, size)
    high = np.clip(faces.boxes[:, :2] + faces.boxes[:, 2:], 0, size)
    clipped = Faces(np.concatenate([low, high - low], axis=1).astype(np.float32), faces.landmarks, faces.scores)
    large = (high - low).min(axis=1) >= min_face_px
    return Found(clipped.take(large), outside_share(faces.boxes, *size)[large], view.rotation)
