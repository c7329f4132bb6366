"""Who single faces are by labelled ones, each by itself: no groups, no other faces of the photo, no margin."""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.matching.candidates import QueryFaces, find_candidates
from classface_assets.identity.matching.prototypes import build_prototypes
from classface_assets.identity.settings import AssignmentSettings

ALL_FACES = 1_000_000
NO_PAIRS = np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class LabelledFaces:
    """n faces whose person is known.

    Attributes:
        vectors: (n, d) float32 of unit length.
        owners: (n,) int64, the person of each, from 0 to people - 1.
        years: (n,) float64, the first calendar year of the school year, NaN where it is unknown.
        quality: (n,) float32, 0 to 1; the best faces of a year are its prototypes.
        people: how many people there are.
    """

    vectors: np.ndarray
    owners: np.ndarray
    years: np.ndarray
    quality: np.ndarray
    people: int


@dataclass(frozen=True)
class BestMatches:
    """The most similar person of each of m faces.

    Attributes:
        persons: (m,) int64, -1 where nobody is similar enough.
        similarities: (m,) float32, of that person or of the most similar one that is not similar enough.
        votes: (m,) int64, how many labelled faces or prototypes support the person.
        leads: (m,) float32, how much more similar that person is than the next one; infinite where there is no other.
    """

    persons: np.ndarray
    similarities: np.ndarray
    votes: np.ndarray
    leads: np.ndarray


def match_single_faces(
    vectors: np.ndarray,
    years: np.ndarray,
    labelled: LabelledFaces,
    settings: AssignmentSettings,
    forbidden: np.ndarray = NO_PAIRS,
) -> BestMatches:
    """Find the most similar known person of each face by `settings.assign`, at least as similar as `person_threshold`.

    Args:
        vectors: (m, d) float32 of unit length, the faces to match.
        years: (m,) float64, NaN where the school year is unknown.
        labelled: the faces to match with.
        settings: method, threshold, and for `knn` the number of neighbours and whether they vote.
        forbidden: (q, 2) int64, a face's row and a person that it may not be.
    """
    m = len(vectors)
    if not m or not len(labelled.owners):
        return BestMatches(
            np.full(m, -1), np.zeros(m, np.float32), np.zeros(m, np.int64), np.full(m, np.inf, np.float32)
        )
    known = build_prototypes(
        vectors=np.concatenate([vectors, labelled.vectors]),
        years=np.concatenate([years, labelled.years]),
        quality=np.concatenate([np.zeros(m), labelled.quality]),
        owners=np.concatenate([np.full(m, -1), labelled.owners]),
        persons=labelled.people,
        exemplars=ALL_FACES if settings.assign == "knn" else settings.person_exemplars,
    )
    known = known.only(~known.centroid) if settings.assign == "knn" else known
    found = find_candidates(QueryFaces(np.arange(m), vectors, years), known, forbidden, settings)
    others = np.where(found.persons[:, 1:] >= 0, found.scores[:, 1:], -np.inf)
    leads = found.scores[:, 0] - others.max(axis=1, initial=-np.inf)
    near = (found.persons[:, 0] >= 0) & (found.scores[:, 0] >= settings.person_threshold)
    return BestMatches(
        np.where(near, found.persons[:, 0], -1), found.scores[:, 0], np.where(near, found.support[:, 0], 0), leads
    )
