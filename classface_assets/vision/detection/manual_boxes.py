"""Faces that people drew where the detector saw none: it is asked once more, in a close look at each box.

Which boxes are to become faces is the caller's business.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from classface_assets.vision.alignment import warp_square
from classface_assets.vision.detection.records import CHIP_FACE_PX, face_columns
from classface_assets.vision.photos.image_pyramid import ImagePyramid
from classface_assets.vision.protocols import Detector

Box = tuple[float, float, float, float]
CLOSE_UPS = (
    (128, 64),
    (256, 144),
)  # side of a close look, and of the box in it; the second where the first finds nothing
MIN_CLOSE_UP_CONFIDENCE = 0.1
ESTIMATED_LANDMARKS_REASON = "landmarks estimated from the box"
# Eyes, nose and mouth of a face from the front, as shares of its box: the mean over 2,700 faces of either detector.
MEAN_LANDMARKS = np.array([[0.27, 0.38], [0.73, 0.38], [0.50, 0.57], [0.31, 0.745], [0.69, 0.74]], np.float32)


def manual_face_rows(
    asset_id: str, view: ImagePyramid, boxes: Mapping[str, Box], detector: Detector
) -> list[dict[str, Any]]:
    """Detection rows of boxes (face id → x, y, w, h in pixels of the photo as the view is turned), cut to the photo.

    `detection_confidence` is that of the close look that found the landmarks, 0 where none did: then they lie where
    they usually do in a box, and the reason says so. A box outside of the photo has no row.
    """
    inside = {face_id: cut for face_id, box in boxes.items() if (cut := _clip_to_photo(box, view)) is not None}
    if not inside:
        return []
    picture, scale = view.at_resolution(float(min(box[2] for box in inside.values())), CHIP_FACE_PX)
    rows = []
    for face_id, box in inside.items():
        found = _detect_close_up(detector, picture, box * np.float32(scale))
        marks, score = found if found else ((box[:2] + MEAN_LANDMARKS * box[2:]) * np.float32(scale), 0.0)
        of_face = {
            "asset_id": asset_id,
            "face_id": face_id,
            "status": "ok",
            "reason": "" if found else ESTIMATED_LANDMARKS_REASON,
        }
        measured = {"detection_confidence": score, "outside": 0.0, "rotation": view.rotation}
        rows.append({**of_face, **measured, **face_columns(box, marks, score, picture, scale)})
    return rows


def _clip_to_photo(box: Box, view: ImagePyramid) -> np.ndarray | None:
    low = np.clip([box[0], box[1]], 0, [view.width, view.height])
    high = np.clip([box[0] + box[2], box[1] + box[3]], 0, [view.width, view.height])
    return np.concatenate([low, high - low]).astype(np.float32) if (high - low).min() >= 1 else None


def _detect_close_up(detector: Detector, picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Landmarks (5, 2) in pixels of the picture and the confidence of the surest face that the box may mean."""
    for side, face in CLOSE_UPS:
        factor = face / float(box[2:].max())
        shift = side / 2 - factor * (box[:2] + box[2:] / 2)
        found = detector.detect(
            warp_square(picture, np.column_stack([np.eye(2) * factor, shift]), side), MIN_CLOSE_UP_CONFIDENCE
        )
        off = np.linalg.norm(found.boxes[:, :2] + found.boxes[:, 2:] / 2 - side / 2, axis=1)
        sizes = found.boxes[:, 2:].max(axis=1) / face
        likely = np.flatnonzero((off <= face / 3) & (sizes > 0.5) & (sizes < 1.6))
        if len(likely):
            surest = likely[found.scores[likely].argmax()]
            return (found.landmarks[surest] - shift) / factor, float(found.scores[surest])
    return None
