"""Looking at an uploaded picture with the archive's own models: its faces, how good they are, and their vectors."""

import hashlib
import threading
import uuid
from collections.abc import Callable
from io import BytesIO

import polars as pl

from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.review.problems import ProblemError
from classface_assets.vision.analysis import AnalyzedFace, analyze_picture
from classface_assets.vision.detection.pipeline import detect_photo
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.decoding import decode_photo
from classface_assets.vision.photos.image_pyramid import ImagePyramid, pyramid_from_pixels
from classface_assets.vision.photos.metadata import UnreadablePhotoError, open_picture

MAX_PIXELS = 64_000_000


class UploadAnalyzer:
    """The model pack, loaded when first needed; one picture is looked at at a time."""

    def __init__(self, load: Callable[[], ModelPack]) -> None:
        self._load, self._lock = load, threading.Lock()

    def faces_of_photo(self, asset_id: str, view: ImagePyramid, settings: DetectionSettings) -> pl.DataFrame:
        """The faces of a photo of the archive, as detection rows."""
        with self._lock:
            rows = detect_photo(asset_id, view, self._load().detector, settings)
        return pl.DataFrame(rows, schema=DETECTION_ROWS).filter(pl.col("status") == "ok")

    def look(self, data: bytes, settings: DetectionSettings) -> list[AnalyzedFace]:
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
            return analyze_picture(asset_id, pyramid_from_pixels(pixels), self._load(), settings)
