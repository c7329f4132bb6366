"""Detects the faces in boxes that people drew by hand where the detector had found none, in a close-up of each box."""

from collections.abc import Mapping

import numpy as np

from classface_assets.core.geometry import Box
from classface_assets.core.schemas import DetectionStatus
from classface_assets.vision.alignment import warp_square
from classface_assets.vision.detection.records import CHIP_FACE_PX, DetectionRow, face_columns
from classface_assets.vision.photos.image_pyramid import ImagePyramid
from classface_assets.vision.protocols import Detector

CLOSE_UPS = ((128, 64), (256, 144))  # the side of a close-up and of the box in it; the second if the first finds none
MIN_CLOSE_UP_CONFIDENCE = 0.1
ESTIMATED_LANDMARKS_REASON = "landmarks estimated from the box"
# Eyes, nose and mouth of a face from the front, as shares of its box: the mean over 2,700 faces of either detector.
MEAN_LANDMARKS = np.array([[0.27, 0.38], [0.73, 0.38], [0.50, 0.57], [0.31, 0.745], [0.69, 0.74]], np.float32)


def manual_face_rows(
    asset_id: str, pyramid: ImagePyramid, boxes: Mapping[str, Box], detector: Detector
) -> list[DetectionRow]:
    """Detection rows of boxes drawn by hand, clipped to the photo.

    Args:
        asset_id: The id of the photo.
        pyramid: The photo, in the rotation in which the boxes were drawn.
        boxes: Face id → x, y, w, h in pixels of the photo.
        detector: Finds the landmarks.

    Returns:
        A row for each box that lies inside the photo. `detection_confidence` is that of the close-up in which the
        landmarks were found; 0 if in none, and then they lie at their mean places in a box, and the reason says so.
    """
    inside = {
        face_id: clipped for face_id, box in boxes.items() if (clipped := _clip_to_photo(box, pyramid)) is not None
    }
    if not inside:
        return []
    picture, scale = pyramid.at_resolution(float(min(box[2] for box in inside.values())), CHIP_FACE_PX)
    rows = []
    for face_id, box in inside.items():
        found = _detect_close_up(detector, picture, box * np.float32(scale))
        landmarks, score = found if found else ((box[:2] + MEAN_LANDMARKS * box[2:]) * np.float32(scale), 0.0)
        rows.append(
            {
                "asset_id": asset_id,
                "face_id": face_id,
                "status": DetectionStatus.FACE.value,
                "reason": "" if found else ESTIMATED_LANDMARKS_REASON,
                "detection_confidence": score,
                "outside": 0.0,
                "rotation": pyramid.rotation,
                **face_columns(box, landmarks, score, picture, scale),
            }
        )
    return rows


def _clip_to_photo(box: Box, pyramid: ImagePyramid) -> np.ndarray | None:
    low = np.clip([box[0], box[1]], 0, [pyramid.width, pyramid.height])
    high = np.clip([box[0] + box[2], box[1] + box[3]], 0, [pyramid.width, pyramid.height])
    return np.concatenate([low, high - low]).astype(np.float32) if (high - low).min() >= 1 else None


def _detect_close_up(detector: Detector, picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Landmarks (5, 2) in pixels of the picture, and confidence, of the most confident face that fits the box."""
    for side, face in CLOSE_UPS:
        factor = face / float(box[2:].max())
        shift = side / 2 - factor * (box[:2] + box[2:] / 2)
        close_up = warp_square(picture, np.column_stack([np.eye(2) * factor, shift]), side)
        found = detector.detect(close_up, MIN_CLOSE_UP_CONFIDENCE)
        distances = np.linalg.norm(found.boxes[:, :2] + found.boxes[:, 2:] / 2 - side / 2, axis=1)
        sizes = found.boxes[:, 2:].max(axis=1) / face
        fitting = np.flatnonzero((distances <= face / 3) & (sizes > 0.5) & (sizes < 1.6))
        if len(fitting):
            best = fitting[found.scores[fitting].argmax()]
            return (found.landmarks[best] - shift) / factor, float(found.scores[best])
    return None
