"""Who a face is, and into which people a cluster falls, computed by the pipeline's own functions."""

import polars as pl

from classface_assets.identity.clustering.splitting import SplitError
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.review.faces.similar_faces import FaceSimilarity
from classface_assets.services.identity.cluster_split import split_faces
from classface_assets.services.identity.face_matching import FaceMatch, match_faces


def suggest_identity(face_similarity: FaceSimilarity, face_id: str, settings: AssignmentSettings) -> FaceMatch:
    """Match a face against the labelled faces and the portraits, as if it had no label; see `match_faces`.

    Args:
        face_similarity: The faces of the view and their vectors.
        face_id: The face; it must be in the view.
        settings: How it is matched (`assign`), with how many neighbours, and from which threshold on.
    """
    portraits = face_similarity.portraits()
    return match_faces(face_similarity.view, face_similarity.known, portraits, [face_id], settings)[0]


def find_subclusters(
    face_similarity: FaceSimilarity, faces: pl.DataFrame, least: int, settings: AssignmentSettings
) -> list[list[str]]:
    """Split a cluster into people.

    Args:
        face_similarity: The faces of the view and their vectors.
        faces: The rows of the cluster's faces.
        least: The fewest faces a person.
        settings: How faces are clustered.

    Returns:
        The face ids of each person, the largest group first; empty where the cluster is one person.
    """
    table = face_similarity.join_vectors(faces.sort("face_id"))
    if table.height < 2 * least:
        return []
    vectors = face_similarity.vectors_of(table)
    try:
        groups = split_faces(table, vectors, face_similarity.known.vectors, least, settings)
    except SplitError:
        return []
    return [table["face_id"].gather(rows).to_list() for rows in groups]
