"""The most similar known people of each face, by its similarity to their prototypes, each face by itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from classface_assets.identity.constraints.conflicts import ragged_arange
from classface_assets.identity.constraints.enrolment import NO_ROSTER, RosterPresence
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.year_decay import YearDecay, year_gaps

MAX_CANDIDATES = 5
"""Persons stored for each face: the most similar ones."""
MAX_CELLS = 8_000_000
"""Similarities in memory at a time."""
SUPPORT_TOLERANCE = 0.1
"""Prototypes as near as this to the best support it."""


@dataclass(frozen=True)
class QueryFaces:
    """The faces that candidates are looked for."""

    rows: np.ndarray
    """(f,) int64, their rows in the following."""
    vectors: np.ndarray
    """(n, d) float32 of unit length."""
    years: np.ndarray
    """(n,) float64 calendar years, NaN where unknown."""


@dataclass(frozen=True)
class CandidateList:
    """For each of f faces its most similar persons, best first."""

    faces: np.ndarray
    """(f,) int64, rows of the faces."""
    persons: np.ndarray
    """(f, s) int64, -1 where there are no more."""
    rank: np.ndarray
    """(f, s) float32, by which they are ordered: a similarity, or a share of the votes; minus infinity beside -1."""
    scores: np.ndarray
    """(f, s) float32, the similarity."""
    support: np.ndarray
    """(f, s) int32, number of prototypes that support the person."""

    def of(self, mask: np.ndarray) -> "CandidateList":
        """Those of the faces of a mask, (f,) bool."""
        return CandidateList(
            self.faces[mask], self.persons[mask], self.rank[mask], self.scores[mask], self.support[mask]
        )

    def updated(self, mask: np.ndarray, new: "CandidateList") -> "CandidateList":
        """The same, but the faces of a mask, (f,) bool, have the candidates `new`."""
        columns = {name: getattr(self, name).copy() for name in ("persons", "rank", "scores", "support")}
        for name, column in columns.items():
            column[mask] = getattr(new, name)
        return CandidateList(faces=self.faces, **columns)


def find_candidates(
    queries: QueryFaces,
    prototypes: Prototypes,
    forbidden: np.ndarray,
    settings: AssignmentSettings,
    presence: RosterPresence = NO_ROSTER,
) -> CandidateList:
    """The most similar persons of each face by the strategy in `settings.assign`.

    prototype: the similarity to a person's nearest prototype; centroid: to the nearest mean of a year; vote: every
    prototype above the threshold has a vote; knn: the k nearest of all labelled faces, by votes or by the nearest.
    Years apart count less, and years in which a roster does not list the person.

    Args:
        queries: The faces.
        prototypes: Of all persons.
        forbidden: (q, 2) int64, face row and person that it may not be.
        settings: Strategy and thresholds.
        presence: In which years rosters list the persons.
    """
    count, size = len(queries.rows), min(MAX_CANDIDATES, prototypes.persons)
    persons, rank = np.full((count, size), -1), np.full((count, size), -np.inf, np.float32)
    scores, support = np.zeros((count, size), np.float32), np.zeros((count, size), np.int32)
    if size and count and len(prototypes):
        position = np.full(len(queries.vectors), -1, np.int64)
        position[queries.rows] = np.arange(count)
        never = np.column_stack([position[forbidden[:, 0]], forbidden[:, 1]])
        never = never[never[:, 0] >= 0]
        never = never[np.argsort(never[:, 0], kind="stable")]
        when, year = np.unique(queries.years[queries.rows], return_inverse=True)
        by_year = presence.penalties(when, prototypes.persons) if presence else None
        for part, found in _scores_by_person(queries, prototypes, settings):
            open_rank, score, each = found.rank.copy(), found.score, np.arange(len(found.rank))
            if by_year is not None:
                penalties = by_year[year[part]]
                open_rank, score = open_rank - penalties, score - penalties
            low, high = np.searchsorted(never[:, 0], [part.start, part.stop])
            open_rank[never[low:high, 0] - part.start, never[low:high, 1]] = -np.inf
            for place in range(size):
                best = open_rank.argmax(axis=1)  # of equals the first
                rank[part, place], scores[part, place] = open_rank[each, best], score[each, best]
                persons[part, place] = np.where(rank[part, place] > -np.inf, best, -1)
                support[part, place] = found.support(best)
                open_rank[each, best] = -np.inf
    return CandidateList(faces=queries.rows, persons=persons, rank=rank, scores=scores, support=support)


def find_candidates_among(
    people: np.ndarray,
    queries: QueryFaces,
    prototypes: Prototypes,
    forbidden: np.ndarray,
    settings: AssignmentSettings,
    presence: RosterPresence,
) -> CandidateList:
    """The most similar of a few persons, a mask (persons,), for each face; the rest is as in `find_candidates`."""
    count, order = int(people.sum()), np.argsort(~people, kind="stable")
    number = np.argsort(order)  # the few are the first
    few = prototypes.only(people[prototypes.owners])
    few = replace(few, persons=count, owners=number[few.owners])
    rows, persons = forbidden[people[forbidden[:, 1]]].T
    listed = np.column_stack([number[presence.listed[:, 0]], presence.listed[:, 1]])
    not_these = np.column_stack([rows, number[persons]])
    found = find_candidates(queries, few, not_these, settings, replace(presence, listed=listed))
    return replace(found, persons=np.where(found.persons < 0, -1, order[found.persons]))


@dataclass(frozen=True)
class _CandidateScores:
    """b faces beside all p persons and m prototypes."""

    rank: np.ndarray
    """(b, p) float32, minus infinity for a person without prototypes."""
    score: np.ndarray
    """(b, p) float32."""
    similarity: np.ndarray
    """(b, m) float32, to each prototype."""
    needed: np.ndarray
    """(b, p), least similarity of a prototype that supports its person."""
    owners: np.ndarray
    """(m,) int64, the person of each prototype, sorted."""

    def support(self, persons: np.ndarray) -> np.ndarray:
        """Number of prototypes that support one person (b,) for each face, (b,)."""
        first = np.searchsorted(self.owners, persons)
        face, place = ragged_arange(np.searchsorted(self.owners, persons, side="right") - first)
        enough = self.similarity[face, first[face] + place] >= self.needed[face, persons[face]]
        return np.bincount(face[enough], minlength=len(persons))


def _scores_by_person(
    queries: QueryFaces, prototypes: Prototypes, settings: AssignmentSettings
) -> Iterator[tuple[slice, _CandidateScores]]:
    """Block by block of the faces."""
    rows, strategy = queries.rows, settings.assign
    decay = YearDecay(settings.fade_years, settings.year_penalty)
    if strategy == "centroid":
        prototypes = prototypes.only(prototypes.centroid | _is_only_face(prototypes))
    step = max(16, MAX_CELLS // max(len(prototypes), prototypes.persons))
    present = np.unique(prototypes.owners)
    starts = np.searchsorted(prototypes.owners, present)
    when, year = np.unique(queries.years[rows], return_inverse=True)
    gap = year_gaps(when, prototypes.years)
    penalty, weights = decay.penalty(gap).astype(np.float32), decay.weights(gap)
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        similarity = queries.vectors[rows[part]] @ prototypes.vectors.T
        similarity -= penalty[year[part]]
        rank = np.full((len(similarity), prototypes.persons), -np.inf, np.float32)
        score = np.zeros_like(rank)
        score[:, present] = votes = np.maximum.reduceat(similarity, starts, axis=1)
        needed = score - np.float32(SUPPORT_TOLERANCE)
        if strategy in ("vote", "knn"):
            least: np.ndarray | float = settings.person_threshold
            if strategy == "knn":
                least = np.maximum(settings.similarity_threshold, _kth_best(similarity, settings.knn_neighbours))
            needed = np.broadcast_to(least, rank.shape)
            if strategy == "vote" or settings.use_voting:
                weight = np.where(similarity >= least, weights[year[part]], 0.0)
                votes = np.add.reduceat(weight, starts, axis=1) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
            votes = np.where(votes > 0, votes, -np.inf)
        rank[:, present] = votes
        yield part, _CandidateScores(rank, score, similarity, needed, prototypes.owners)


def _kth_best(similarity: np.ndarray, k: int) -> np.ndarray:
    """The k-th greatest similarity of each face, (b, 1)."""
    k = min(k, similarity.shape[1])
    return np.partition(similarity, similarity.shape[1] - k, axis=1)[:, similarity.shape[1] - k][:, None]


def _is_only_face(prototypes: Prototypes) -> np.ndarray:
    """Faces that are all there is of a person in a year, (m,) bool."""
    years = np.nan_to_num(prototypes.years, nan=-1.0)
    _, of, counts = np.unique(
        np.column_stack([prototypes.owners, years]), axis=0, return_inverse=True, return_counts=True
    )
    return counts[of.ravel()] == 1
