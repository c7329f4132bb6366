"""Embedding service: faces of images as unit vectors, and the most similar of them."""

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classface_assets.api.arrays import ArrayError, as_unit_vector, as_unit_vectors
from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from classface_assets.vision.analysis import AnalyzedFace
    from classface_assets.vision.detection.search import DetectionSettings
    from classface_assets.vision.models.registry import ModelPack

Image = str | os.PathLike[str] | np.ndarray
"""A file, or (H, W, 3) uint8 RGB pixels of an upright picture."""
_CHIP_SHAPE = (192, 192, 3)


class ImageError(UserError):
    """An image that cannot be read."""


class NoFaceError(UserError):
    """An image without a face."""


@dataclass(frozen=True)
class Face:
    """A face that was found in an image.

    Attributes:
        box: x, y, width, height in pixels of the upright image.
        confidence: the detector's own, 0 to 1.
        quality: 0 to 1, from sharpness, size, pose and light.
        embedding: (d,) float32 of unit length.
        chip: the aligned crop as JPEG, 192 × 192 pixels.
    """

    box: tuple[float, float, float, float]
    confidence: float
    quality: float
    embedding: np.ndarray
    chip: bytes


@dataclass(frozen=True)
class Match:
    """A candidate, and how similar it is.

    Attributes:
        key: the candidate's key in a mapping, or its number in a sequence.
        similarity: the cosine, -1 to 1.
    """

    key: str | int
    similarity: float


class EmbeddingService:
    """Embeds faces with a model pack, as the pipeline does, and compares embeddings.

    The pack is loaded when it is first used, and may be used from many threads.

    Args:
        pack: a model pack's name or path, as for `classface run --pack`; by default CLASSFACE_PACK, or `builtin`.
        data: the data folder in which converted and downloaded models are stored; by default CLASSFACE_DATA, or `data`.

    Example:
        >>> from classface_assets.api import EmbeddingService
        >>> service = EmbeddingService()
        >>> anna, later = service.generate_embedding("anna-2016.jpg"), service.generate_embedding("anna-2019.jpg")
        >>> service.calculate_similarity(anna, later) > 0.5
        True
        >>> service.find_best_match(anna, {"Anna": later, "Ben": service.generate_embedding("ben.jpg")}).key
        'Anna'
    """

    def __init__(self, pack: str | None = None, data: str | os.PathLike[str] | None = None) -> None:
        self._pack_name, self._data = pack, data
        self._pack: ModelPack | None = None

    @property
    def pack(self) -> "ModelPack":
        """The loaded model pack. Raises PackError for one that is not there."""
        if self._pack is None:
            from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models

            archive = resolve_archive(data=None if self._data is None else os.fspath(self._data))
            self._pack = resolve_models(self._pack_name).load(archive.layout)
        return self._pack

    @property
    def dimension(self) -> int:
        """How many numbers an embedding has."""
        return self.pack.dim

    def detect_faces(self, image: Image, min_confidence: float = 0.5, min_face_px: int = 20) -> list[Face]:
        """Find and embed all faces of an image.

        Args:
            image: a file, or upright (H, W, 3) uint8 RGB pixels.
            min_confidence: the detector's own confidence, 0 to 1.
            min_face_px: shorter side of the smallest face box, in pixels.

        Returns:
            The faces, largest first.

        Raises:
            ImageError: the file or array is no picture that can be read.

        Example:
            >>> from classface_assets.api import EmbeddingService
            >>> [face.embedding.shape for face in EmbeddingService().detect_faces("anna-2016.jpg")]
            [(128,)]
        """
        from classface_assets.vision.detection.search import DetectionSettings

        found = _analyze(image, self.pack, DetectionSettings(min_confidence, min_face_px))
        return [Face(face.box, face.confidence, face.quality, face.vector, face.chip) for face in found]

    def generate_embedding(self, image: Image, aligned: bool = False) -> np.ndarray:
        """Embed the largest face of an image.

        Args:
            image: a file, or upright (H, W, 3) uint8 RGB pixels.
            aligned: the image is a chip already, (192, 192, 3) pixels as `Face.chip` holds them; nothing is detected.

        Returns:
            (d,) float32 of unit length.

        Raises:
            ImageError: the file or array is no picture that can be read.
            NoFaceError: no face was found in it.
        """
        if aligned:
            return np.asarray(self.pack.embedder.embed(_chip(image)[None])[0])
        faces = self.detect_faces(image)
        if not faces:
            raise NoFaceError(f"No face was found in {_name_of(image)}: choose a larger or sharper picture.")
        return faces[0].embedding

    def calculate_similarity(self, a: Image, b: Image) -> float:
        """Compare two faces.

        Args:
            a: an embedding (d,), or an image, whose largest face is embedded.
            b: the same.

        Returns:
            The cosine of the two embeddings, -1 to 1. What counts as similar depends on the pack: `person_threshold` of
            its settings, which is far higher for `dlib` than for others.

        Raises:
            ArrayError: the embeddings cannot be compared.
            NoFaceError: an image has no face.
        """
        first, second = self._embedding(a), self._embedding(b)
        _require_same_length(first, second[None])
        return float(first @ second)

    def find_best_match(
        self,
        query: Image,
        candidates: Mapping[str, np.ndarray] | Sequence[np.ndarray] | np.ndarray,
        threshold: float = -1.0,
    ) -> Match | None:
        """Find the candidate that is most similar to a face; None if none is at least as similar as the threshold.

        Args:
            query: an embedding (d,), or an image.
            candidates: embeddings by key, or (n, d).
            threshold: least similarity, -1 to 1.
        """
        found = self.find_top_k_matches(query, candidates, 1, threshold)
        return found[0] if found else None

    def find_top_k_matches(
        self,
        query: Image,
        candidates: Mapping[str, np.ndarray] | Sequence[np.ndarray] | np.ndarray,
        k: int = 5,
        threshold: float = -1.0,
    ) -> list[Match]:
        """Find the candidates that are most similar to a face, by the exact search of the graph of neighbours.

        Args:
            query: an embedding (d,), or an image.
            candidates: embeddings by key, or (n, d).
            k: the greatest number of matches.
            threshold: least similarity, -1 to 1.

        Returns:
            The matches, most similar first, equally similar ones in the order of the candidates.

        Raises:
            ArrayError: the embeddings cannot be compared.

        Example:
            >>> import numpy as np
            >>> from classface_assets.api import EmbeddingService
            >>> candidates = {"same": np.array([1.0, 0.0]), "near": np.array([0.8, 0.6]), "far": np.array([0.0, 1.0])}
            >>> for match in EmbeddingService().find_top_k_matches(np.array([1.0, 0.0]), candidates, threshold=0.5):
            ...     print(match.key, round(match.similarity, 2))
            same 1.0
            near 0.8
        """
        from classface_assets.identity.graph.exact import exact_knn
        from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR

        keys = list(candidates) if isinstance(candidates, Mapping) else list(range(len(candidates)))
        if not keys or k < 1:
            return []
        vectors = as_unit_vectors(list(candidates.values()) if isinstance(candidates, Mapping) else candidates)
        vector = self._embedding(query)
        _require_same_length(vector, vectors)
        rows, similarities = exact_knn(
            np.vstack([vector, vectors]), np.zeros(1, np.int64), min(k, len(keys)), threshold
        )
        there = rows[0] != NO_NEIGHBOUR
        found = zip(rows[0][there].tolist(), similarities[0][there].tolist(), strict=True)
        return [Match(keys[row - 1], similarity) for row, similarity in found]

    def _embedding(self, face: Image) -> np.ndarray:
        """An embedding as it is, an image's largest face embedded."""
        if isinstance(face, np.ndarray) and face.ndim == 1:
            return as_unit_vector(face)
        return self.generate_embedding(face)


def _analyze(image: Image, pack: "ModelPack", settings: "DetectionSettings") -> "list[AnalyzedFace]":
    """The faces of a file as the pipeline finds them, or of an array of pixels."""
    from classface_assets.core.schemas import PhotoStatus
    from classface_assets.vision.analysis import analyze_picture
    from classface_assets.vision.photo_facts import read_photo_facts
    from classface_assets.vision.photos.image_pyramid import open_pyramid, pyramid_from_pixels
    from classface_assets.vision.photos.metadata import UnreadablePhotoError

    if isinstance(image, np.ndarray):
        return analyze_picture(str(uuid.uuid4()), pyramid_from_pixels(_pixels(image)), pack, settings)
    path = Path(image)
    facts = read_photo_facts(path)
    if facts.status != PhotoStatus.OK:
        raise ImageError(f"{path} cannot be used: {facts.reason}.")
    try:
        return analyze_picture(facts.asset_id, open_pyramid(path), pack, settings, not facts.has_orientation)
    except UnreadablePhotoError as error:
        raise ImageError(f"{path} cannot be used: {error.reason}.") from None


def _pixels(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f"An array of the shape {image.shape} and type {image.dtype} is no picture: "
            "give (H, W, 3) uint8 pixels, RGB."
        )
    return image


def _chip(image: Image) -> np.ndarray:
    """The pixels of a chip, from a file or an array."""
    from classface_assets.vision.photos.decoding import load_photo
    from classface_assets.vision.photos.metadata import UnreadablePhotoError

    try:
        pixels = image if isinstance(image, np.ndarray) else load_photo(Path(image)).pixels
    except (UnreadablePhotoError, OSError) as error:
        raise ImageError(f"{_name_of(image)} cannot be read: {getattr(error, 'reason', error)}.") from None
    if pixels.shape != _CHIP_SHAPE:
        raise ImageError(f"An aligned chip has 192 × 192 pixels; {_name_of(image)} has the shape {pixels.shape}.")
    return _pixels(pixels)


def _name_of(image: Image) -> str:
    return "the picture" if isinstance(image, np.ndarray) else os.fspath(image)


def _require_same_length(vector: np.ndarray, vectors: np.ndarray) -> None:
    if len(vector) != vectors.shape[1]:
        raise ArrayError(
            f"An embedding of {len(vector)} numbers cannot be compared with one of {vectors.shape[1]}: "
            "embed both with one model pack."
        )
