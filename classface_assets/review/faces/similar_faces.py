"""Who looks like whom: the vectors of all faces of the view, and what is nearest in them."""

import threading
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import unit_mean
from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.archive_view.cache import file_version
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.catalog.faces import DetectionMissingError, load_catalog
from classface_assets.store.catalog.portraits import portrait_vectors
from classface_assets.store.model.decisions import Portrait
from classface_assets.vision.models.pack_info import PackInfo

REFERENCE_FACES = 64
MIN_SUGGESTION_SIMILARITY = 0.0


@dataclass(frozen=True)
class FaceVectors:
    """Faces (face_id and row number) and their vectors (n, d) float32 of unit length."""

    rows: pl.DataFrame
    vectors: np.ndarray


class VectorCache:
    """The vectors of an archive in memory, read again when another database is published."""

    def __init__(self, layout: ArchiveLayout, pack: PackInfo) -> None:
        self.layout, self.pack = layout, pack
        self._lock = threading.Lock()
        self._read: tuple[object, FaceVectors] | None = None

    def now(self) -> FaceVectors:
        version = file_version(self.layout.database)
        with self._lock:
            if self._read is None or self._read[0] != version:
                self._read = version, self._known()
            return self._read[1]

    def _known(self) -> FaceVectors:
        try:
            facts = load_catalog(self.layout, self.pack.detector_version, self.pack.key)
            ids = facts.faces["face_id"] if facts.faces.width else pl.Series([], dtype=pl.String)
            vectors = facts.vectors
        except DetectionMissingError:  # after an upgrade the faces that are shown have no vectors until the next run
            ids, vectors = pl.Series([], dtype=pl.String), np.zeros((0, 0), np.float32)
        return FaceVectors(pl.DataFrame({"face_id": ids}).with_row_index("row"), vectors)

    def forget(self) -> None:
        """Keep nothing: somebody was erased."""
        with self._lock:
            self._read = None

    def portraits(self, portraits: tuple[Portrait, ...]) -> np.ndarray:
        return portrait_vectors(self.layout, self.pack.key, portraits)


@dataclass(frozen=True)
class FaceSimilarity:
    """The faces of a view with their vectors; faces without a vector are left out."""

    view: ArchiveView
    known: FaceVectors
    vectors: VectorCache

    def of(self, face_id: str) -> np.ndarray | None:
        """The vector (d,) of a face."""
        rows = self.with_rows(self.view.pick([face_id]))
        return self.known.vectors[rows["row"][0]] if rows.height else None

    def nearest(self, vector: np.ndarray, k: int, least: float) -> pl.DataFrame:
        """The k likest faces of the view of at least that similarity, likest first, with `similarity`."""
        rows = self.with_rows(self.view.faces)
        scores = self.known.vectors[rows["row"].to_numpy()] @ vector if rows.height else np.zeros(0, np.float32)
        return _most_similar(rows, scores, k, least)

    def suggestions(self, person_id: str, limit: int) -> pl.DataFrame:
        """The likest faces that may be the person and that nobody confirmed or rejected, with `similarity`.

        Who is in a photo already is not in it twice, unless it was marked as a collage.
        """
        faces, said = self.view.faces, self.view.said
        mine = faces.filter(pl.col("confirmed") & (pl.col("person_id") == person_id))
        best = self.with_rows(mine.sort("quality_score", descending=True, nulls_last=True).head(REFERENCE_FACES))
        given = self.view.decisions.portraits.get(person_id, ())
        shown = [v for v in (self.vectors_of(best), self.vectors.portraits(given)) if len(v)]
        if not shown:
            return _most_similar(faces.clear(), np.zeros(0, np.float32), 0, 0)
        taken = set(mine["asset_id"]) - said.collages
        rejected = [face for face, person in said.rejected if person == person_id]
        rows = self.with_rows(
            faces.filter(
                ~pl.col("confirmed"),
                pl.col("person_id").is_null() | (pl.col("person_id") == person_id),
                ~pl.col("asset_id").is_in(list(taken)),
                ~pl.col("face_id").is_in(rejected),
            )
        )
        scores = (self.vectors_of(rows) @ np.concatenate(shown).T).max(axis=1, initial=-1.0)
        return _most_similar(rows, scores, limit, MIN_SUGGESTION_SIMILARITY)

    def portraits(self) -> dict[str, np.ndarray]:
        """Person → the vector (d,) of the portraits that they are enrolled with, if the pack in use has seen any."""
        given = self.view.decisions.portraits.items()
        found = {person: self.vectors.portraits(portraits) for person, portraits in given}
        return {person: unit_mean(vectors) for person, vectors in found.items() if len(vectors)}

    def with_rows(self, faces: pl.DataFrame) -> pl.DataFrame:
        return faces.join(self.known.rows, on="face_id", how="inner", maintain_order="left")

    def vectors_of(self, rows: pl.DataFrame) -> np.ndarray:
        return self.known.vectors[rows["row"].to_numpy()] if rows.height else self.known.vectors[:0]


def _most_similar(rows: pl.DataFrame, scores: np.ndarray, k: int, least: float) -> pl.DataFrame:
    scored = rows.with_columns(pl.Series("similarity", scores, pl.Float64))
    return scored.filter(pl.col("similarity") >= least).sort("similarity", "face_id", descending=[True, False]).head(k)
