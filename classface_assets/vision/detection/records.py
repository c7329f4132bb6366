"""The row of a detection: its columns, what is measured of the face itself, and its id."""

import uuid
from typing import Any

import numpy as np

from classface_assets.vision.alignment import align_face, encode_chip
from classface_assets.vision.detection.attributes import measure_blur, measure_brightness, quality_score

CHIP_FACE_PX = 80  # a face of that width fills an embedder's input without being enlarged


def face_columns(box: np.ndarray, marks: np.ndarray, score: float, picture: np.ndarray, scale: float) -> dict[str, Any]:
    """What is measured of a face: box in pixels of the photo, landmarks (5, 2) in those of a picture of that scale."""
    landmarks, chip = marks / np.float32(scale), align_face(picture, marks)
    return {
        **dict(zip(("bbox_x", "bbox_y", "bbox_w", "bbox_h"), map(float, box), strict=True)),
        "landmarks": landmarks.ravel().tolist(),
        "quality_score": quality_score(box, score),
        "blur": measure_blur(chip),
        "brightness": measure_brightness(chip),
        "chip": encode_chip(chip),
    }


def face_id_for(asset_id: str, box: np.ndarray) -> str:
    """The id of a face: a UUID5 of its photo and its box x, y, w, h rounded to whole pixels."""
    return str(uuid.uuid5(uuid.UUID(asset_id), ",".join(str(round(float(v))) for v in box)))
