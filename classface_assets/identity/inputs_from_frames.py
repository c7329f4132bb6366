"""From frames of faces to the arrays that matching and clustering work on."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.constraints.rules import IndexedConstraints, index_constraints, photo_numbers
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity

MAX_CLUSTER_NEIGHBOURS = 100
"""Neighbours of each face in the graph of a single cluster."""


class AssignmentError(ValueError):
    """Faces and vectors that do not belong together."""


@dataclass(frozen=True)
class EmbeddedFaces:
    """Faces of an archive with their embeddings and the neighbour graph between them."""

    table: pl.DataFrame
    """One row a face: face_id, asset_id, school_year, year, quality_score; taken_at and path of its photo where the
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
    ordered = faces.sorted_by_id()
    unconstrained = index_constraints(ordered.table["face_id"], ordered.table["asset_id"], FaceConstraints())
    return fit_archive_similarity(clustering_input(ordered, unconstrained), settings)


def sort_by_face_id(table: pl.DataFrame, vectors: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """Faces and their vectors (n, d), both sorted by face id. Raises AssignmentError when they differ in number."""
    if len(table) != len(vectors):
        raise AssignmentError(f"There are {len(table)} faces but {len(vectors)} vectors: give one vector a face.")
    order = table["face_id"].arg_sort().to_numpy()
    ordered = np.asarray(vectors, np.float32)
    if (np.diff(order.astype(np.int64)) < 0).any():  # a copy of all vectors that most callers need not pay for
        ordered = ordered[order]
    return table[order], ordered


def clustering_input(faces: EmbeddedFaces, constraints: IndexedConstraints) -> ClusteringInput:
    """The input of clustering: these faces, sorted by face id, with the constraints on them."""
    pairs, similarities = faces.graph.of(faces.table["face_id"]).pairs()
    return ClusteringInput(
        vectors=faces.vectors,
        years=years_of(faces.table),
        photos=constraints.photos,
        quality=quality_of(faces.table),
        pairs=pairs,
        similarities=similarities,
        must_link=constraints.must_link,
        cannot_link=constraints.cannot_link,
    )


def unconstrained_input(
    faces: EmbeddedFaces, collages: Set[str] = frozenset(), sample: np.ndarray | None = None
) -> ClusteringInput:
    """The input of clustering as if nothing but the photos were known of the faces.

    Args:
        faces: In any order.
        collages: asset_id of photos that may show a person twice.
        sample: (s, d) vectors of the whole archive, where these faces are a part of it.
    """
    pairs, similarities = faces.graph.of(faces.table["face_id"]).pairs()
    return ClusteringInput(
        vectors=faces.vectors,
        years=years_of(faces.table),
        photos=photo_numbers(faces.table["asset_id"], collages),
        quality=quality_of(faces.table),
        pairs=pairs,
        similarities=similarities,
        sample=sample,
    )


def cluster_input(table: pl.DataFrame, vectors: np.ndarray, sample: np.ndarray) -> ClusteringInput:
    """The input for clustering the faces of one cluster again by themselves, on a graph of their own.

    Args:
        table: face_id, asset_id, year and quality_score of the cluster's faces.
        vectors: (n, d) float32 of unit length, row by row with the table.
        sample: (s, d) vectors of the whole archive.
    """
    neighbours = min(MAX_CLUSTER_NEIGHBOURS, max(1, len(vectors) - 1))
    return unconstrained_input(
        EmbeddedFaces(table, vectors, build_graph(table["face_id"], vectors, neighbours)), sample=sample
    )


def years_of(table: pl.DataFrame) -> np.ndarray:
    """The column `year` as (n,) float64, NaN where it is null."""
    return table["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def quality_of(table: pl.DataFrame) -> np.ndarray:
    """The column `quality_score` as (n,) float32, 0 where it is null."""
    return table["quality_score"].fill_null(0.0).cast(pl.Float32).to_numpy()
