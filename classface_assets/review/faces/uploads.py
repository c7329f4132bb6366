"""Analysing uploaded pictures with the archive's model pack: their faces, the quality and the vectors of these."""

import hashlib
import threading
import uuid
from collections.abc import Callable

import polars as pl

from classface_assets.core.faces.photo_reasons import reason_sentence
from classface_assets.core.languages import gettext
from classface_assets.core.schemas import DETECTION_ROWS, DetectionStatus
from classface_assets.review.faces.decoding_worker import DecodingWorker
from classface_assets.review.problems import ProblemError
from classface_assets.vision.analysis import AnalyzedFace, analyze_picture
from classface_assets.vision.detection.pipeline import detect_photo
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.image_pyramid import ImagePyramid, pyramid_from_pixels
from classface_assets.vision.photos.metadata import UnreadablePhotoError


class UploadAnalyzer:
    """Detects and embeds faces; the model pack is loaded when first needed, and used by one request at a time."""

    def __init__(self, load: Callable[[], ModelPack]) -> None:
        self._load, self._lock, self._decoder = load, threading.Lock(), DecodingWorker()

    def detect(self, asset_id: str, photo: ImagePyramid, settings: DetectionSettings) -> pl.DataFrame:
        """The faces of a photo of the archive, as rows of DETECTION_ROWS."""
        with self._lock:
            rows = detect_photo(asset_id, photo, self._load().detector, settings)
        return pl.DataFrame(rows, schema=DETECTION_ROWS).filter(pl.col("status") == DetectionStatus.FACE)

    def analyze(self, data: bytes, settings: DetectionSettings) -> list[AnalyzedFace]:
        """Detect and embed the faces of a picture file.

        Args:
            data: The file's bytes, of any format that the pipeline reads.
            settings: The thresholds of the detector.

        Returns:
            The faces, largest first.

        Raises:
            ProblemError: The file is no picture, or too large.
        """
        asset_id = str(uuid.UUID(bytes=hashlib.blake2b(data, digest_size=16).digest()))
        try:
            with self._lock:  # decoding too: only one picture at a time is in memory
                photo = pyramid_from_pixels(self._decoder.decode(data))
                return analyze_picture(asset_id, photo, self._load(), settings)
        except UnreadablePhotoError as error:
            raise ProblemError(
                422, gettext("The picture cannot be used: %(why)s.", why=reason_sentence(error.reason))
            ) from None
