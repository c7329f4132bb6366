"""Similarity search for the pages: the vectors of all faces of the view, and the nearest among them."""

import threading
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.archive_view.cache import file_version
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.face_matching import FaceVectors, read_face_vectors
from classface_assets.store.catalog.portraits import portrait_means, portrait_vectors
from classface_assets.store.model.decisions import Portrait
from classface_assets.vision.models.pack_info import PackInfo

MAX_REFERENCE_FACES = 64
"""How many confirmed faces of a person, the best first, a candidate is compared with."""
MIN_SUGGESTION_SIMILARITY = 0.0


class VectorCache:
    """The vectors of an archive in memory, read again when another database is published."""

    def __init__(self, layout: ArchiveLayout, pack: PackInfo) -> None:
        self.layout, self.pack = layout, pack
        self._lock = threading.Lock()
        self._cached: tuple[object, FaceVectors] | None = None

    def current(self) -> FaceVectors:
        """The vectors of the model pack in use."""
        version = file_version(self.layout.database)
        with self._lock:
            if self._cached is None or self._cached[0] != version:
                self._cached = version, read_face_vectors(self.layout, self.pack)
            return self._cached[1]

    def portraits(self, portraits: tuple[Portrait, ...]) -> np.ndarray:
        """The vectors (m, d) of those portraits that the pack in use has embedded."""
        return portrait_vectors(self.layout, self.pack.key, portraits)

    def clear(self) -> None:
        """Drop the vectors: somebody was erased."""
        with self._lock:
            self._cached = None


@dataclass(frozen=True)
class FaceSimilarity:
    """Similarity search over the faces of a view; faces without a vector are left out.

    Attributes:
        view: The faces, and what people decided about them.
        known: The vectors of the archive's faces.
        cache: Where the vectors of portraits are read.
    """

    view: ArchiveView
    known: FaceVectors
    cache: VectorCache

    def nearest(self, vector: np.ndarray, k: int, threshold: float) -> pl.DataFrame:
        """The faces of the view that are most similar to a vector.

        Args:
            vector: (d,) of unit length.
            k: The greatest number of them.
            threshold: The lowest cosine similarity.

        Returns:
            Rows of the view's faces with `similarity`, most similar first.
        """
        rows = self.join_vectors(self.view.faces)
        scores = self.known.vectors[rows["row"].to_numpy()] @ vector if rows.height else np.zeros(0, np.float32)
        return _most_similar(rows, scores, k, threshold)

    def suggestions(self, person_id: str, limit: int) -> pl.DataFrame:
        """The faces that are most likely a person and that nobody has confirmed or rejected.

        A person is once in a photo, unless it is marked as a collage.

        Returns:
            Rows of the view's faces with `similarity`, to the nearest of the person's best confirmed faces and
            portraits, most similar first.
        """
        faces, constraints = self.view.faces, self.view.constraints
        confirmed = faces.filter(pl.col("confirmed") & (pl.col("person_id") == person_id))
        best_first = confirmed.sort("quality_score", descending=True, nulls_last=True)
        best = self.join_vectors(best_first.head(MAX_REFERENCE_FACES))
        portraits = self.view.decisions.portraits.get(person_id, ())
        references = [v for v in (self.vectors_of(best), self.cache.portraits(portraits)) if len(v)]
        if not references:
            return _most_similar(faces.clear(), np.zeros(0, np.float32), 0, 0)
        own_photos = set(confirmed["asset_id"]) - constraints.collages
        rejected = [face for face, person in constraints.rejected if person == person_id]
        rows = self.join_vectors(
            faces.filter(
                ~pl.col("confirmed"),
                pl.col("person_id").is_null() | (pl.col("person_id") == person_id),
                ~pl.col("asset_id").is_in(list(own_photos)),
                ~pl.col("face_id").is_in(rejected),
            )
        )
        scores = (self.vectors_of(rows) @ np.concatenate(references).T).max(axis=1, initial=-1.0)
        return _most_similar(rows, scores, limit, MIN_SUGGESTION_SIMILARITY)

    def portraits(self) -> dict[str, np.ndarray]:
        """Person id → the mean vector (d,) of their portraits, of those that the pack in use has embedded."""
        return portrait_means(self.cache.layout, self.cache.pack.key, self.view.decisions.portraits)

    def join_vectors(self, faces: pl.DataFrame) -> pl.DataFrame:
        """Those of the faces that have a vector, with its `row`."""
        return self.known.join(faces)

    def vectors_of(self, rows: pl.DataFrame) -> np.ndarray:
        """The vectors (n, d) of rows of `join_vectors`."""
        return self.known.of(rows)


def _most_similar(rows: pl.DataFrame, scores: np.ndarray, k: int, threshold: float) -> pl.DataFrame:
    scored = rows.with_columns(pl.Series("similarity", scores, pl.Float64))
    best_first = scored.filter(pl.col("similarity") >= threshold).sort(
        "similarity", "face_id", descending=[True, False]
    )
    return best_first.head(k)
