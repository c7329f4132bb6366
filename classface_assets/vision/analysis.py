"""Everything that a model pack finds in one picture: its faces with their quality, chip and embedding."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.geometry import Box
from classface_assets.core.schemas import DetectionStatus
from classface_assets.vision.alignment import decode_chip
from classface_assets.vision.detection.pipeline import detect_photo
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.image_pyramid import ImagePyramid


@dataclass(frozen=True)
class AnalyzedFace:
    """A face of a picture.

    Attributes:
        face_id: of its picture and its box.
        box: x, y, width, height in pixels of the upright picture.
        confidence: the detector's own, 0 to 1.
        quality: 0 to 1, from sharpness, size, pose and light.
        blur: sharpness measure of the chip; the larger, the sharper.
        chip: the aligned crop as JPEG, 192 × 192 pixels.
        vector: the embedding, (d,) float32 of unit length.
    """

    face_id: str
    box: Box
    confidence: float
    quality: float
    blur: float
    chip: bytes
    vector: np.ndarray


def analyze_picture(
    asset_id: str, view: ImagePyramid, pack: ModelPack, settings: DetectionSettings, turnable: bool = False
) -> list[AnalyzedFace]:
    """Find and embed the faces of a picture, by the functions that the assets use.

    Args:
        asset_id: a UUID of the picture, from which the ids of its faces are made.
        view: the upright picture.
        pack: the loaded detector and embedder.
        settings: what counts as a face.
        turnable: the file does not say which way is up, so that other orientations are tried where few faces are found.

    Returns:
        The faces, largest first.
    """
    found = detect_photo(asset_id, view, pack.detector, settings, turnable)
    rows = [row for row in found if row["status"] == DetectionStatus.FACE]
    if not rows:
        return []
    vectors = pack.embedder.embed(np.stack([decode_chip(row["chip"]) for row in rows]))
    faces = [
        AnalyzedFace(
            face_id=row["face_id"],
            box=(row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"]),
            confidence=row["detection_confidence"],
            quality=row["quality_score"],
            blur=row["blur"],
            chip=row["chip"],
            vector=vector,
        )
        for row, vector in zip(rows, vectors, strict=True)
    ]
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])
