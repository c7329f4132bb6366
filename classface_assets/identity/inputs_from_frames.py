"""From frames of faces to the arrays that matching and clustering work on."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import release_freed_memory
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.constraints.rules import IndexedConstraints, index_constraints, photo_numbers
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity


class AssignmentError(ValueError):
    """Faces and vectors that do not belong together."""


@dataclass(frozen=True)
class EmbeddedFaces:
    """Faces of an archive with their embeddings and the neighbour graph between them."""

    table: pl.DataFrame
    """One row per face: face_id, asset_id, school_year, year, quality_score; taken_at and path of its photo where the
    settings restrict clustering to a month or to events."""
    vectors: np.ndarray
    """(n, d) float32 of unit length, row by row with the table."""
    graph: KnnGraph
    """The neighbour graph of these faces; others in it are ignored."""

    def sorted_by_id(self) -> "EmbeddedFaces":
        """The same faces sorted by face id. Raises AssignmentError when faces and vectors differ in number."""
        return EmbeddedFaces(*sort_by_face_id(self.table, self.vectors), self.graph)


def load_or_fit_similarity(
    faces: EmbeddedFaces, settings: AssignmentSettings, cached: FittedSimilarity | None = None
) -> FittedSimilarity:
    """How the faces are compared: as fitted in an earlier run where that is still valid, otherwise fitted to them now.

    Labels and links have no part in it: naming somebody does not change how all others are compared.

    Args:
        faces: All faces of the archive.
        settings: The settings of clustering.
        cached: What an earlier run stored.

    Returns:
        `cached` itself where it is valid.

    Raises:
        AssignmentError: Faces and vectors differ in number.
    """
    if cached is not None and cached.is_valid_for(faces.vectors, settings):
        return cached
    release_freed_memory()  # of the graph that was built and written before
    ordered = faces.sorted_by_id()
    unconstrained = index_constraints(ordered.table["face_id"], ordered.table["asset_id"], FaceConstraints())
    fitted = fit_archive_similarity(clustering_input(ordered, unconstrained), settings)
    release_freed_memory()
    return fitted


def sort_by_face_id(table: pl.DataFrame, vectors: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """Faces and their vectors (n, d), both sorted by face id. Raises AssignmentError when they differ in number."""
    if len(table) != len(vectors):
        raise AssignmentError(f"There are {len(table)} faces but {len(vectors)} vectors: give one vector per face.")
    order = table["face_id"].arg_sort().to_numpy()
    ordered = np.asarray(vectors, np.float32)
    if (np.diff(order.astype(np.int64)) >= 0).all():  # most callers need no copy
        return table, ordered
    return table[order], ordered[order]


def clustering_input(faces: EmbeddedFaces, constraints: IndexedConstraints) -> ClusteringInput:
    """The input of clustering: these faces, sorted by face id, with the constraints on them."""
    pairs, similarities = faces.graph.of(faces.table["face_id"]).pairs()
    return ClusteringInput(
        vectors=faces.vectors,
        years=start_years(faces.table),
        photos=constraints.photos,
        quality=_quality(faces.table),
        pairs=pairs,
        similarities=similarities,
        must_link=constraints.must_link,
        cannot_link=constraints.cannot_link,
    )


def unconstrained_input(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    graph: KnnGraph,
    *,
    collages: Set[str] = frozenset(),
    sample: np.ndarray | None = None,
) -> ClusteringInput:
    """The clustering input of faces as if nobody had labelled any.

    Args:
        faces: face_id, asset_id, year (null where unknown) and quality_score, one row per face.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        graph: Of these faces; others in it are ignored.
        collages: Asset ids of photos that may show a person more than once.
        sample: (s, d) vectors of the whole archive, where `faces` are only a few of it.
    """
    pairs, similarities = graph.of(faces["face_id"]).pairs()
    return ClusteringInput(
        vectors=vectors,
        years=start_years(faces),
        photos=photo_numbers(faces["asset_id"], collages),
        quality=_quality(faces),
        pairs=pairs,
        similarities=similarities,
        sample=sample,
    )


def start_years(table: pl.DataFrame) -> np.ndarray:
    """The calendar year in which each face's school year begins (column `year`), (n,) float64; NaN where unknown."""
    return table["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _quality(table: pl.DataFrame) -> np.ndarray:
    """The column `quality_score`, (n,) float32, 0 where unknown."""
    return table["quality_score"].fill_null(0.0).cast(pl.Float32).to_numpy()
