"""Analysing uploaded pictures with the archive's model pack: their faces, the quality and the vectors of these."""

import hashlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import polars as pl

from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.review.problems import ProblemError
from classface_assets.vision.alignment import decode_chip
from classface_assets.vision.detection.pipeline import detect_photo
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.decoding import decode_photo
from classface_assets.vision.photos.image_pyramid import ImagePyramid, pyramid_from_pixels
from classface_assets.vision.photos.metadata import UnreadablePhotoError, open_picture

MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class UploadedFace:
    """A face of an uploaded picture.

    Attributes:
        face_id: The id, the same for the same picture.
        box: x, y, width and height in pixels of the upright picture.
        confidence: The detector's, 0 to 1.
        quality: The quality score, 0 to 1.
        blur: Variance of the Laplacian of the chip; low values are blurred.
        chip: The aligned crop, a JPEG.
        vector: (d,) float32 of unit length.
    """

    face_id: str
    box: tuple[float, float, float, float]
    confidence: float
    quality: float
    blur: float
    chip: bytes
    vector: np.ndarray


class UploadAnalyzer:
    """Detects and embeds faces; the model pack is loaded when first needed, and used by one request at a time."""

    def __init__(self, load: Callable[[], ModelPack]) -> None:
        self._load, self._lock = load, threading.Lock()

    def detect(self, asset_id: str, photo: ImagePyramid, settings: DetectionSettings) -> pl.DataFrame:
        """The faces of a photo of the archive, as rows of DETECTION_ROWS."""
        with self._lock:
            rows = detect_photo(asset_id, photo, self._load().detector, settings)
        return pl.DataFrame(rows, schema=DETECTION_ROWS).filter(pl.col("status") == "ok")

    def analyze(self, data: bytes, settings: DetectionSettings) -> list[UploadedFace]:
        """Detect and embed the faces of a picture file.

        Args:
            data: The file's bytes, of any format that the pipeline reads.
            settings: The thresholds of the detector.

        Returns:
            The faces, largest first.

        Raises:
            ProblemError: The file is no picture, or has too many pixels.
        """
        try:
            picture = open_picture(BytesIO(data))
            if picture.width * picture.height > MAX_PIXELS:
                raise ProblemError(
                    422, f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels; send a smaller one."
                )
            photo = pyramid_from_pixels(decode_photo(data).pixels)
        except UnreadablePhotoError as error:
            raise ProblemError(422, f"The picture cannot be used: {error.reason}.") from None
        asset_id = str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))
        with self._lock:
            pack = self._load()
            rows = [row for row in detect_photo(asset_id, photo, pack.detector, settings) if row["status"] == "ok"]
            if not rows:
                return []
            vectors = pack.embedder.embed(np.stack([decode_chip(row["chip"]) for row in rows]))
        faces = [
            UploadedFace(
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
