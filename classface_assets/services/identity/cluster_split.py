"""Splitting one cluster into people: its faces are clustered by themselves, more strictly than in the archive."""

import numpy as np
import polars as pl

from classface_assets.core.faces.embedders import EmbedderKind
from classface_assets.identity.clustering.splitting import split_into_people
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import unconstrained_input
from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.model.face_ref import FaceRef

MAX_NEIGHBOURS = 100


def split_cluster(faces: list[FaceRef], least: int, facts: FaceCatalog, embedder: EmbedderKind) -> list[list[FaceRef]]:
    """Split the faces of a cluster into people by the settings of an embedder.

    Args:
        faces: The cluster's faces; those that the catalog does not have are left out.
        least: The fewest faces a person.
        facts: The faces and vectors of the archive.
        embedder: The kind of embedder that made the vectors.

    Returns:
        The faces of each person, the largest group first.

    Raises:
        SplitError: The faces cannot be split into two groups of that size.
    """
    row_of = {face: row for row, face in enumerate(facts.faces["face_id"])}
    faces = [face for face in faces if face.face_id in row_of]
    rows = np.array([row_of[face.face_id] for face in faces], np.int64)
    groups = split_faces(facts.faces[rows], facts.vectors[rows], facts.vectors, least, settings_for(embedder))
    return [[faces[i] for i in group] for group in groups]


def split_faces(
    table: pl.DataFrame, vectors: np.ndarray, archive_vectors: np.ndarray, least: int, settings: AssignmentSettings
) -> list[np.ndarray]:
    """Split faces into people.

    Args:
        table: The n faces: face_id, asset_id, year and quality_score.
        vectors: (n, d) of unit length.
        archive_vectors: The vectors of the whole archive, of which a sample shows what all faces have in common.
        least: The fewest faces a person.
        settings: How faces are clustered.

    Returns:
        The row numbers of each person's faces, the largest group first; faces in none are left out.

    Raises:
        SplitError: The faces cannot be split into two groups of that size.
    """
    graph = build_graph(table["face_id"], vectors, min(MAX_NEIGHBOURS, max(1, len(vectors) - 1)))
    faces = unconstrained_input(table, vectors, graph, sample=stable_sample(archive_vectors))
    labels = split_into_people(faces, least, settings)
    return [np.flatnonzero(labels == group) for group in range(labels.max() + 1)]
