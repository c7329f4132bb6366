"""Faces and vectors in the order of their ids, and what the grouping of faces works on, made of these."""

from collections.abc import Set

import numpy as np
import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.constraints.rules import IndexedConstraints, index_constraints
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity


class AssignmentError(ValueError):
    """Faces and vectors that do not belong together."""


def load_or_fit_similarity(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    graph: KnnGraph,
    settings: AssignmentSettings,
    kept: FittedSimilarity | None = None,
) -> FittedSimilarity:
    """What was kept of an earlier run where that still holds; otherwise what is measured of these faces now.

    What people said has no part in it: naming somebody does not change how all others are compared.
    Raises AssignmentError when faces and vectors differ in number.
    """
    if kept is not None and kept.is_valid_for(vectors, settings):
        return kept
    table, held = sort_by_face_id(faces, vectors)
    nothing_said = index_constraints(table["face_id"], table["asset_id"], FaceConstraints())
    return fit_archive_similarity(clustering_input(table, held, graph, nothing_said), settings)


def sort_by_face_id(faces: pl.DataFrame, vectors: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """Both sorted by face id."""
    if len(faces) != len(vectors):
        raise AssignmentError(f"There are {len(faces)} faces but {len(vectors)} vectors: give one vector a face.")
    order = faces["face_id"].arg_sort().to_numpy()
    held = np.asarray(vectors, np.float32)
    if (np.diff(order.astype(np.int64)) < 0).any():  # a copy of all vectors that most callers need not pay for
        held = held[order]
    return faces[order], held


def clustering_input(
    table: pl.DataFrame, vectors: np.ndarray, graph: KnnGraph, rules: IndexedConstraints
) -> ClusteringInput:
    """table, vectors: as `in_order` gives them; graph: of these faces, and perhaps of others."""
    pairs, similarities = graph.of(table["face_id"]).pairs()
    return ClusteringInput(
        vectors=vectors,
        years=start_years(table),
        photos=rules.photos,
        quality=_quality(table),
        pairs=pairs,
        similarities=similarities,
        must_link=rules.must_link,
        cannot_link=rules.cannot_link,
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
        faces: asset_id, year (null where unknown) and quality_score, one row a face.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        graph: The graph of exactly these faces, in their order.
        collages: Asset ids of photos that may show a person more than once.
        sample: (s, d) vectors of the whole archive, where `faces` are only a few of it.
    """
    pairs, similarities = graph.pairs()
    photos = faces["asset_id"].rank("dense").to_numpy().astype(np.int64)
    in_collage = faces["asset_id"].is_in(list(collages)).to_numpy()
    return ClusteringInput(
        vectors=vectors,
        years=start_years(faces),
        photos=np.where(in_collage, len(photos) + np.arange(len(photos)), photos),
        quality=_quality(faces),
        pairs=pairs,
        similarities=similarities,
        sample=sample,
    )


def start_years(faces: pl.DataFrame) -> np.ndarray:
    """(n,) float64: the calendar year in which each face's school year begins (column `year`); NaN where unknown."""
    return faces["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _quality(faces: pl.DataFrame) -> np.ndarray:
    """(n,) float32, 0 where the quality is unknown."""
    return faces["quality_score"].fill_null(0.0).cast(pl.Float32).to_numpy()
