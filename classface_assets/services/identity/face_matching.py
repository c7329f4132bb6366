"""Who faces of the archive are by the labelled faces, computed for these faces alone, without a run.

Strangers are refused as in a run: the most similar person must reach the threshold of the archive and lead the next one
by its margin, is once in a photo, and is nobody whom somebody rejected for the face.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.inputs_from_frames import start_years
from classface_assets.identity.matching.single_faces import LabelledFaces, match_single_faces
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.catalog.faces import DetectionMissingError, load_vectors
from classface_assets.vision.models.pack_info import PackInfo


@dataclass(frozen=True)
class FaceVectors:
    """The vectors of all faces of the archive.

    Attributes:
        rows: face_id, year (the first of its school year, null where unknown) and row, its number in `vectors`.
        vectors: (n, d) float32 of unit length.
    """

    rows: pl.DataFrame
    vectors: np.ndarray

    def join(self, faces: pl.DataFrame) -> pl.DataFrame:
        """Those of the faces that have a vector, with its `row`."""
        return faces.join(self.rows, on="face_id", how="inner", maintain_order="left")

    def of(self, rows: pl.DataFrame) -> np.ndarray:
        """The vectors (n, d) of rows of `join`."""
        return self.vectors[rows["row"].to_numpy()] if rows.height else self.vectors[:0]


@dataclass(frozen=True)
class FaceMatch:
    """The most similar person of a face.

    Attributes:
        face_id: The face.
        person_id: None where no person reaches the threshold and the margin.
        similarity: The score of the best person, whether or not it reaches the threshold.
        votes: How many faces or prototypes support the person.
    """

    face_id: str
    person_id: str | None
    similarity: float
    votes: int


def read_face_vectors(layout: ArchiveLayout, pack: PackInfo) -> FaceVectors:
    """The vectors of a pack; none while the published faces are those of another detector."""
    try:
        faces, vectors = load_vectors(layout, pack.detector_version, pack.key)
    except DetectionMissingError:  # after an upgrade the published faces have no vectors until the next run
        return FaceVectors(_no_faces(), np.zeros((0, 0), np.float32))
    return FaceVectors(faces.with_row_index("row"), vectors)


def knn_settings(settings: AssignmentSettings, k: int, threshold: float | None, use_voting: bool) -> AssignmentSettings:
    """The settings for matching by the k nearest labelled faces.

    Args:
        settings: Of the archive.
        k: Number of neighbours.
        threshold: The least similarity; None: that of the settings.
        use_voting: Whether the neighbours vote, or the nearest one decides.
    """
    least = settings.person_threshold if threshold is None else threshold
    return replace(
        settings,
        assign="knn",
        knn_neighbours=k,
        similarity_threshold=least,
        person_threshold=least,
        use_voting=use_voting,
    )


def match_faces(
    view: ArchiveView,
    vectors: FaceVectors,
    portraits: Mapping[str, np.ndarray],
    face_ids: Sequence[str],
    settings: AssignmentSettings,
) -> list[FaceMatch]:
    """Match faces against all other labelled faces and the portraits, as if these faces had no label.

    Args:
        view: The archive.
        vectors: Of its faces.
        portraits: Person id -> unit vector (d,) of those who were enrolled with one.
        face_ids: The faces to match.
        settings: How (`assign`), with how many neighbours, and from which threshold and lead on.

    Returns:
        A match a face, in their order; faces without a vector match nobody.
    """
    faces = vectors.join(view.pick(list(dict.fromkeys(face_ids))))
    labelled = vectors.join(
        view.faces.filter(pl.col("confirmed"), ~pl.col("face_id").is_in(faces["face_id"].implode()))
    )
    if not faces.height or not (labelled.height or portraits):
        return [FaceMatch(face, None, 0.0, 0) for face in face_ids]
    people = sorted({*labelled["person_id"], *portraits})
    number = {person: place for place, person in enumerate(people)}
    known = LabelledFaces(
        vectors=np.concatenate([vectors.of(labelled), *(vector[None] for vector in portraits.values())]),
        owners=np.array([number[person] for person in (*labelled["person_id"], *portraits)], np.int64),
        years=np.append(start_years(labelled), np.full(len(portraits), np.nan)),
        quality=np.append(labelled["quality_score"].fill_null(0.0).to_numpy(), np.ones(len(portraits))),
        people=len(people),
    )
    forbidden = [
        (row, number[person])
        for row, excluded in enumerate(_excluded_people(view, faces, labelled))
        for person in excluded
        if person in number
    ]
    pairs = np.array(forbidden, np.int64).reshape(-1, 2)
    match = match_single_faces(vectors.of(faces), start_years(faces), known, settings, pairs)
    sure = match.leads >= settings.person_margin
    found = {
        face: FaceMatch(face, people[int(person)] if person >= 0 and is_sure else None, float(similarity), int(votes))
        for face, person, similarity, votes, is_sure in zip(
            faces["face_id"], match.persons, match.similarities, match.votes, sure, strict=True
        )
    }
    once = _once_in_a_photo(view, found, dict(faces.select("face_id", "asset_id").iter_rows()))
    return [once.get(face, FaceMatch(face, None, 0.0, 0)) for face in face_ids]


def _once_in_a_photo(
    view: ArchiveView, found: Mapping[str, FaceMatch], photos: Mapping[str, str]
) -> dict[str, FaceMatch]:
    """Of two faces of a photo that match one person, only the more similar one does."""
    best: dict[tuple[str, str], FaceMatch] = {}
    for match in found.values():
        photo = photos[match.face_id]
        if match.person_id is not None and photo not in view.constraints.collages:
            key = photo, match.person_id
            best[key] = max(best.get(key, match), match, key=lambda one: (one.similarity, one.face_id))
    winners = {match.face_id for match in best.values()}
    return {
        face: match
        if match.person_id is None or face in winners or photos[face] in view.constraints.collages
        else replace(match, person_id=None, votes=0)
        for face, match in found.items()
    }


def _excluded_people(view: ArchiveView, faces: pl.DataFrame, labelled: pl.DataFrame) -> list[set[str]]:
    """Whom each face cannot be: people in its photo, unless it is a collage, and those it was rejected as."""
    rejected: dict[str, set[str]] = {}
    for face, person in view.constraints.rejected:
        rejected.setdefault(face, set()).add(person)
    in_photo: dict[str, set[str]] = {}
    for photo, person in labelled.select("asset_id", "person_id").iter_rows():
        if photo not in view.constraints.collages:
            in_photo.setdefault(photo, set()).add(person)
    rows = faces.select("face_id", "asset_id").iter_rows()
    return [rejected.get(face, set()) | in_photo.get(photo, set()) for face, photo in rows]


def _no_faces() -> pl.DataFrame:
    return pl.DataFrame(schema={"row": pl.UInt32, "face_id": pl.String, "year": pl.Int32})
