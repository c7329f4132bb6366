"""Who a face is, and into which people a cluster falls, computed by the pipeline's own functions."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.clustering.splitting import SplitError
from classface_assets.identity.inputs_from_frames import start_years
from classface_assets.identity.matching.single_faces import LabelledFaces, match_single_faces
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.review.faces.similar_faces import FaceSimilarity
from classface_assets.services.cluster_split import split_faces


@dataclass(frozen=True)
class IdentitySuggestion:
    """The most similar person of a face.

    Attributes:
        person_id: None where no person reaches the threshold.
        similarity: The score of the best person, whether or not it reaches the threshold.
        votes: How many faces or prototypes support the person.
    """

    person_id: str | None
    similarity: float
    votes: int


def suggest_identity(face_similarity: FaceSimilarity, face_id: str, settings: AssignmentSettings) -> IdentitySuggestion:
    """Match a face against the labelled faces and the portraits, as if it had no label.

    Excluded are people who are in the same photo, and those that somebody rejected for the face.

    Args:
        face_similarity: The faces of the view and their vectors.
        face_id: The face; it must be in the view.
        settings: How it is matched (`assign`), with how many neighbours, and from which threshold on.
    """
    view = face_similarity.view
    labelled = face_similarity.join_vectors(view.faces.filter(pl.col("confirmed"), pl.col("face_id") != face_id))
    face = face_similarity.join_vectors(view.pick([face_id]))
    portraits = face_similarity.portraits()
    if not face.height or not (labelled.height or portraits):
        return IdentitySuggestion(None, 0.0, 0)
    people = sorted({*labelled["person_id"], *portraits})
    known = LabelledFaces(
        vectors=np.concatenate(
            [face_similarity.vectors_of(labelled), *(vector[None] for vector in portraits.values())]
        ),
        owners=np.searchsorted(people, [*labelled["person_id"], *portraits]),
        years=np.append(start_years(labelled), np.full(len(portraits), np.nan)),
        quality=np.append(labelled["quality_score"].fill_null(0.0).to_numpy(), np.ones(len(portraits))),
        people=len(people),
    )
    excluded = [
        (0, people.index(person)) for person in _excluded_people(face_similarity, face, labelled) if person in people
    ]
    forbidden = np.array(excluded, np.int64).reshape(-1, 2)
    match = match_single_faces(face_similarity.vectors_of(face), start_years(face), known, settings, forbidden)
    person = int(match.persons[0])
    return IdentitySuggestion(
        person_id=None if person < 0 else people[person],
        similarity=float(match.similarities[0]),
        votes=int(match.votes[0]),
    )


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


def _excluded_people(face_similarity: FaceSimilarity, face: pl.DataFrame, labelled: pl.DataFrame) -> set[str]:
    """Whom a face (one row) cannot be: people in its photo, unless it is a collage, and those it was rejected as."""
    constraints, face_id, photo = face_similarity.view.constraints, face["face_id"][0], face["asset_id"][0]
    rejected = {person for rejected_face, person in constraints.rejected if rejected_face == face_id}
    if photo in constraints.collages:
        return rejected
    return rejected | set(labelled.filter(pl.col("asset_id") == photo)["person_id"])
