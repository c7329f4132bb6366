"""The likest known people of each face, by its likeness to their prototypes, each face looked at by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from classface_assets.identity.constraints.conflicts import ragged_arange
from classface_assets.identity.constraints.enrolment import NO_ROSTER, RosterPresence
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.year_decay import YearDecay, year_gaps

MAX_CANDIDATES = 5
"""Persons remembered for each face: the likest."""
MAX_CELLS = 8_000_000
"""Similarities held at a time."""
SUPPORT_TOLERANCE = 0.1
"""Prototypes as near as this to the best are said to support it."""


@dataclass(frozen=True)
class CandidateList:
    """For each of n faces its likest persons, best first; -1 where there are no more.

    `persons` (n, s); `rank` (n, s) float32, by which they are ordered: a similarity, or a share of the votes, minus
    infinity beside -1; `scores` (n, s) the similarity; `support` (n, s) how many prototypes stand behind it.
    """

    persons: np.ndarray
    rank: np.ndarray
    scores: np.ndarray
    support: np.ndarray


def find_candidates(
    faces: np.ndarray,
    vectors: np.ndarray,
    years: np.ndarray,
    prototypes: Prototypes,
    forbidden: np.ndarray,
    settings: AssignmentSettings,
    enrolment: RosterPresence = NO_ROSTER,
) -> CandidateList:
    """The likest persons of each of the faces (row numbers) by the method in `settings.assign`, years apart counting
    less, and years in which a roster does not have the person. forbidden (q, 2): face row and person that may not be.

    prototype: the similarity to a person's nearest prototype; centroid: to the nearest mean of a year; vote: every
    prototype above the threshold has a vote; knn: the k nearest of all labelled faces, by votes or by the nearest.
    """
    size = min(MAX_CANDIDATES, prototypes.persons)
    shape = (len(faces), size)
    found = CandidateList(
        np.full(shape, -1), np.full(shape, -np.inf, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    )
    if not size or not len(faces) or not len(prototypes):
        return found
    position = np.full(len(vectors), -1, np.int64)
    position[faces] = np.arange(len(faces))
    barred = np.column_stack([position[forbidden[:, 0]], forbidden[:, 1]])
    barred = barred[barred[:, 0] >= 0]
    barred = barred[np.argsort(barred[:, 0], kind="stable")]
    for part, liking in _scores_by_person(faces, vectors, years, prototypes, settings):
        rank, score, each = liking.rank, liking.score, np.arange(len(liking.rank))
        if enrolment:
            away = enrolment.of_faces(years[faces[part]], prototypes.persons)
            rank, score = rank - away, score - away
        low, high = np.searchsorted(barred[:, 0], [part.start, part.stop])
        rank[barred[low:high, 0] - part.start, barred[low:high, 1]] = -np.inf
        for place in range(size):
            likest = rank.argmax(axis=1)  # of equals the first
            found.rank[part, place], found.scores[part, place] = rank[each, likest], score[each, likest]
            found.persons[part, place] = np.where(found.rank[part, place] > -np.inf, likest, -1)
            found.support[part, place] = liking.support(likest)
            rank[each, likest] = -np.inf
    return found


@dataclass(frozen=True)
class _CandidateScores:
    """Some faces beside all people: `rank`, `score` (f, persons), and of all m prototypes the `worth` (f, m), which
    supports the `owners` (m,), sorted, where it reaches `reach` (f, persons)."""

    rank: np.ndarray
    score: np.ndarray
    worth: np.ndarray
    reach: np.ndarray
    owners: np.ndarray

    def support(self, persons: np.ndarray) -> np.ndarray:
        """How many prototypes support one person for each face, (f,)."""
        first = np.searchsorted(self.owners, persons)
        face, place = ragged_arange(np.searchsorted(self.owners, persons, side="right") - first)
        enough = self.worth[face, first[face] + place] >= self.reach[face, persons[face]]
        return np.bincount(face[enough], minlength=len(persons))


def _scores_by_person(
    faces: np.ndarray, vectors: np.ndarray, years: np.ndarray, prototypes: Prototypes, settings: AssignmentSettings
) -> Iterator[tuple[slice, _CandidateScores]]:
    """Slice by slice of the faces."""
    gaps = YearDecay(settings.fade_years, settings.drift_per_year)
    if settings.assign == "centroid":
        prototypes = prototypes.only(prototypes.centroid | _is_only_face(prototypes))
    step = max(16, MAX_CELLS // max(len(prototypes), prototypes.persons))
    there = np.unique(prototypes.owners)
    starts = np.searchsorted(prototypes.owners, there)
    when, year = np.unique(years[faces], return_inverse=True)
    gap = year_gaps(when, prototypes.years)
    penalty, weights = gaps.penalty(gap).astype(np.float32), gaps.weights(gap)
    for start in range(0, len(faces), step):
        part = slice(start, min(start + step, len(faces)))
        worth = vectors[faces[part]] @ prototypes.vectors.T
        worth -= penalty[year[part]]
        rank = np.full((len(worth), prototypes.persons), -np.inf, np.float32)
        score = np.zeros_like(rank)
        score[:, there] = votes = np.maximum.reduceat(worth, starts, axis=1)
        reach = score - np.float32(SUPPORT_TOLERANCE)
        if settings.assign in ("vote", "knn"):
            least: np.ndarray | float = settings.person_threshold
            if settings.assign == "knn":
                least = np.maximum(settings.similarity_threshold, _kth_best(worth, settings.knn_neighbours))
            reach = np.broadcast_to(least, rank.shape)
            if settings.assign == "vote" or settings.use_voting:
                weight = np.where(worth >= least, weights[year[part]], 0.0)
                votes = np.add.reduceat(weight, starts, axis=1) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
            votes = np.where(votes > 0, votes, -np.inf)
        rank[:, there] = votes
        yield part, _CandidateScores(rank, score, worth, reach, prototypes.owners)


def _kth_best(worth: np.ndarray, k: int) -> np.ndarray:
    k = min(k, worth.shape[1])
    return np.partition(worth, worth.shape[1] - k, axis=1)[:, worth.shape[1] - k][:, None]


def _is_only_face(prototypes: Prototypes) -> np.ndarray:
    """Faces that are all there is of a person in a year."""
    years = np.nan_to_num(prototypes.years, nan=-1.0)
    _, of, counts = np.unique(
        np.column_stack([prototypes.owners, years]), axis=0, return_inverse=True, return_counts=True
    )
    return counts[of.ravel()] == 1
