"""The row of a detection: its columns, what is measured of the face itself, and the face's id."""

import uuid
from typing import Any

import numpy as np

from classface_assets.vision.alignment import align_face, encode_chip
from classface_assets.vision.detection.attributes import measure_blur, measure_brightness, quality_score

DetectionRow = dict[str, Any]
"""Column (DETECTION_ROWS) → value; columns that are missing are null."""
CHIP_FACE_PX = 80  # a face of that width fills an embedder's input without being enlarged


def face_columns(
    box: np.ndarray, landmarks: np.ndarray, score: float, picture: np.ndarray, scale: float
) -> DetectionRow:
    """The columns with what is measured of a face, and its chip.

    Args:
        box: (4,) x, y, w, h in pixels of the photo.
        landmarks: (5, 2) in pixels of the picture.
        score: The detector's confidence.
        picture: (H, W, 3) uint8 RGB, the photo at some scale.
        scale: Pixels of the picture for each pixel of the photo.
    """
    chip = align_face(picture, landmarks)
    return {
        **dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), map(float, box), strict=True)),
        "landmarks": (landmarks / np.float32(scale)).ravel().tolist(),
        "quality_score": quality_score(box, score),
        "blur": measure_blur(chip),
        "brightness": measure_brightness(chip),
        "chip": encode_chip(chip),
    }


def face_id_for(asset_id: str, box: np.ndarray) -> str:
    """The id of a face: a UUID5 of its photo and its box x, y, w, h rounded to whole pixels."""
    return str(uuid.uuid5(uuid.UUID(asset_id), ",".join(str(round(float(v))) for v in box)))
