"""Looking at an uploaded picture with the archive's own models: its faces, how good they are, and their vectors."""

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
    """A face of an uploaded picture. Box x, y, width, height in its upright pixels; vector (d,) of unit length."""

    face_id: str
    box: tuple[float, float, float, float]
    confidence: float
    quality: float
    blur: float
    chip: bytes
    vector: np.ndarray


class UploadAnalyzer:
    """The model pack, loaded when first needed; one picture is looked at at a time."""

    def __init__(self, load: Callable[[], ModelPack]) -> None:
        self._load, self._lock = load, threading.Lock()

    def faces_of_photo(self, asset_id: str, view: ImagePyramid, settings: DetectionSettings) -> pl.DataFrame:
        """The faces of a photo of the archive, as detection rows."""
        with self._lock:
            rows = detect_photo(asset_id, view, self._load().detector, settings)
        return pl.DataFrame(rows, schema=DETECTION_ROWS).filter(pl.col("status") == "ok")

    def look(self, data: bytes, settings: DetectionSettings) -> list[UploadedFace]:
        """The faces of a picture file, largest first. Raises ProblemError for one that is none or too large."""
        try:
            picture = open_picture(BytesIO(data))
            if picture.width * picture.height > MAX_PIXELS:
                raise ProblemError(
                    422, f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels; send a smaller one."
                )
            pixels = decode_photo(data).pixels
        except UnreadablePhotoError as error:
            raise ProblemError(422, f"The picture cannot be used: {error.reason}.") from None
        asset_id = str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))
        with self._lock:
            pack = self._load()
            rows = [
                r
                for r in detect_photo(asset_id, pyramid_from_pixels(pixels), pack.detector, settings)
                if r["status"] == "ok"
            ]
            if not rows:
                return []
            vectors = pack.embedder.embed(np.stack([decode_chip(row["chip"]) for row in rows]))
        seen = [
            UploadedFace(
                row["face_id"],
                (row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"]),
                row["detection_confidence"],
                row["quality_score"],
                row["blur"],
                row["chip"],
                vector,
            )
            for row, vector in zip(rows, vectors, strict=True)
        ]
        return sorted(seen, key=lambda face: -face.box[2] * face.box[3])
