"""How well groups of unknown faces match known people, and the scores that the run before computed.

A score depends on the group's faces, on those that the person has in that round of propagation, and on what all scores
depend on, such as the similarity model. All of that is hashed into one number (`made_of`), by which scores are found
again: one more photo changes few groups and few people, and only those are compared.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import NO_ROSTER, RosterPresence
from classface_assets.identity.matching.tracklets import (
    TrackletSums,
    absent_share,
    mean_similarity,
    min_year_gap,
    tracklet_sums,
)
from classface_assets.identity.sampling import exact_vector_hashes, mixed
from classface_assets.identity.similarity.hubness import BLOCK_ROWS, hubness
from classface_assets.identity.similarity.rows import VectorRows
from classface_assets.identity.similarity.year_decay import YearDecay

PAIR_SCORES_VERSION = 1
"""Counts up when the same group and person have another score than before."""
PAIR_SCORES_SCHEMA = pl.Schema({"made_of": pl.UInt64(), "score": pl.Float64()})
_OWNED, _LABELLED, _LISTED, _PERSON = (np.uint64(number) for number in (1, 2, 3, 4))


@dataclass(frozen=True)
class PropagationThresholds:
    """What it takes for a group to be given to a person."""

    threshold: float
    """Least mean of the group's score for the person and its lead over the next."""
    gap_penalty: float
    """Taken off the score by the logarithm of 1 + the years to the nearest labelled face: whoever was labelled at five
    is in the photos of that year, and may have left before the next ones."""
    size_penalty: float
    """Taken off by the logarithm of the number of faces: of many faces of one person some would plainly match it."""
    min_lead: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """The least lead of persons (m,) over the next ones (m,), -1 for nobody."""
    decay: YearDecay
    """The weight of pairs of faces by the years between them."""


class ComparedFaces:
    """n faces in the space that groups are compared in, with their hubness; both are computed when they are needed.

    Mutable: what was computed stays.
    """

    def __init__(self, vectors: VectorRows, strangers: np.ndarray) -> None:
        """Take the vectors (n, d), and the rows (s,) of the faces against which hubness is measured."""
        self.vectors = np.empty(vectors.shape, np.float32)
        """(n, d) float32 of the faces that were prepared."""
        self.hubness = np.empty(len(vectors), np.float32)
        """(n,) float32 of these."""
        self._from, self._strangers = vectors, strangers
        self._is_there = np.zeros(len(vectors), bool)

    @cached_property
    def _cohort(self) -> np.ndarray:
        """(s, d) float32, the strangers in that space."""
        return self._from[self._strangers]

    def prepare(self, mask: np.ndarray) -> None:
        """Compute what is missing of the faces of a mask, (n,) bool."""
        missing = np.flatnonzero(mask & ~self._is_there)
        for start in range(0, len(missing), BLOCK_ROWS):
            rows = missing[start : start + BLOCK_ROWS]
            self.vectors[rows] = of_rows = self._from[rows]
            self.hubness[rows] = hubness(of_rows, self._cohort)
        self._is_there[missing] = True


@dataclass(frozen=True)
class PropagationProblem:
    """n faces, some of them of a person, others in a group of unknown ones."""

    faces: ComparedFaces
    made_of: np.ndarray
    """(n,) uint64, a hash of each face's vector and year."""
    years: np.ndarray
    """(n,) float64 calendar years, NaN where unknown."""
    photos: np.ndarray
    """(n,) int64; a person or group has each once."""
    owners: np.ndarray
    """(n,) int64, the person of each face, -1 for the others."""
    labelled: np.ndarray
    """(n,) int64, the person of each labelled face, -1 for the others."""
    groups: np.ndarray
    """(n,) int64, the group of each unknown face from 0, -1 for the others; no face has both person and group."""
    persons: int
    """Number of persons."""
    edges: np.ndarray
    """(m, 2) int64, which faces are near which."""
    forbidden: np.ndarray
    """(q, 2) int64, group and person that it may not be: those among them of whom a face is in a photo of the group."""
    key: bytes = b""
    """What the space and the hubness of all faces depend on."""
    presence: RosterPresence = NO_ROSTER
    """In which years rosters list the persons."""

    @property
    def group_count(self) -> int:
        """Number of groups."""
        return int(self.groups.max(initial=-1)) + 1

    def sums(self, of: np.ndarray, count: int) -> TrackletSums:
        """The faces added up by `of`, (n,) int64 from 0 to count - 1, negative for those left out."""
        self.faces.prepare(of >= 0)
        return tracklet_sums(of, count, self.faces.vectors, self.years, self.faces.hubness)


@dataclass(frozen=True)
class PairScores:
    """Scores of m pairs of a group and a person."""

    made_of: np.ndarray
    """(m,) uint64, ascending, what each score was made of."""
    scores: np.ndarray
    """(m,) float64."""

    @staticmethod
    def of(made_of: np.ndarray, scores: np.ndarray) -> "PairScores":
        """These scores (m,), each once."""
        keys, first = np.unique(made_of, return_index=True)
        return PairScores(keys, scores[first])

    def to_frame(self) -> pl.DataFrame:
        """Rows of PAIR_SCORES_SCHEMA."""
        return pl.DataFrame({"made_of": self.made_of, "score": self.scores}, schema=PAIR_SCORES_SCHEMA)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "PairScores | None":
        """What `to_frame` made; None of an empty frame."""
        if frame.schema != PAIR_SCORES_SCHEMA or frame.is_empty():
            return None
        return PairScores(frame["made_of"].to_numpy(), frame["score"].to_numpy())

    def look_up(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The score of each key (q,) uint64, any number where there is none, and which there are, (q,) bool."""
        place = np.minimum(np.searchsorted(self.made_of, keys), len(self.made_of) - 1)
        return self.scores[place], self.made_of[place] == keys


class PairScorer:
    """Computes the scores of groups for persons, round by round, where they are not known. Mutable."""

    def __init__(
        self, problem: PropagationProblem, thresholds: PropagationThresholds, known: PairScores | None
    ) -> None:
        """Hash the groups of a problem; `known` are the scores of an earlier run."""
        self._problem, self._thresholds, self._known = problem, thresholds, known
        self._groups = _summed(problem.made_of, problem.groups, problem.group_count, _OWNED)
        self._labelled = _summed(problem.made_of, problem.labelled, problem.persons, _LABELLED)
        if problem.presence:
            listed = problem.presence.listed
            self._labelled += _summed(listed[:, 1].astype(np.uint64), listed[:, 0], problem.persons, _LISTED)
        self._key = _search_key(problem, thresholds)
        self._added_up = np.zeros(problem.group_count, bool)
        self._unknown: TrackletSums | None = None
        self._made_of: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def scores(self, pairs: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """How well each group matches the person, on the scale of similarity, (m,) float64.

        Args:
            pairs: (m, 2) int64, group and person.
            owners: (n,) int64, the person of each face now, -1 for none or for one who is in no pair.
        """
        persons = _summed(self._problem.made_of, owners, self._problem.persons, _OWNED)
        of_persons = mixed(mixed(persons + self._labelled) + _PERSON)
        keys = mixed(mixed(self._groups)[pairs[:, 0]] ^ of_persons[pairs[:, 1]]) ^ self._key
        if self._known is None:
            scores = self._computed(pairs, owners)
        else:
            scores, is_known = self._known.look_up(keys)
            if not is_known.all():
                scores[~is_known] = self._computed(pairs[~is_known], owners)
        self._made_of.append(keys)
        self._scores.append(scores)
        return scores

    def all_scores(self) -> PairScores:
        """The scores of all pairs so far."""
        return PairScores.of(np.concatenate(self._made_of), np.concatenate(self._scores))

    def _computed(self, pairs: np.ndarray, owners: np.ndarray) -> np.ndarray:
        problem, thresholds = self._problem, self._thresholds
        is_compared = np.zeros(problem.persons, bool)
        is_compared[pairs[:, 1]] = True
        compared = np.where((owners >= 0) & is_compared[owners], owners, -1)
        unknown, known = self._sums_of_groups(pairs[:, 0], compared >= 0), problem.sums(compared, problem.persons)
        scores = mean_similarity(unknown, known, pairs, thresholds.decay)
        scores -= thresholds.gap_penalty * np.log1p(min_year_gap(unknown, self._years_of_labels, pairs))
        scores -= thresholds.size_penalty * np.log(unknown.faces[pairs[:, 0]])
        presence = problem.presence
        return scores - presence.penalty * absent_share(unknown, pairs, presence) if presence else scores

    def _sums_of_groups(self, groups: np.ndarray, known: np.ndarray) -> TrackletSums:
        """The sums of these groups (m,) and of all before; faces of the mask `known`, (n,), are prepared with them."""
        if self._unknown is None or not self._added_up[groups].all():
            self._added_up[groups] = True
            of = self._problem.groups
            inside = (of >= 0) & self._added_up[of]
            self._problem.faces.prepare(inside | known)
            self._unknown = self._problem.sums(np.where(inside, of, -1), self._problem.group_count)
        return self._unknown

    @cached_property
    def _years_of_labels(self) -> TrackletSums:
        """The years of the labelled faces of each person, without vectors."""
        problem, none = self._problem, np.zeros(len(self._problem.years), np.float32)
        return tracklet_sums(problem.labelled, problem.persons, none[:, None][:, :0], problem.years, none)


def face_hashes(vectors: np.ndarray, years: np.ndarray) -> np.ndarray:
    """A hash of the very bits of each face's vector (n, d) and year (n,), (n,) uint64."""
    return mixed(mixed(exact_vector_hashes(vectors)) ^ np.nan_to_num(years, nan=-1.0).view(np.uint64))


def _summed(numbers: np.ndarray, of: np.ndarray, count: int, salt: np.uint64) -> np.ndarray:
    """The sum of the hashes of the numbers (n,) uint64 that belong together, by `of` (n,), negative for none."""
    found, inside = np.zeros(count, np.uint64), of >= 0
    np.add.at(found, of[inside], mixed(numbers[inside] + salt))
    return found


def _search_key(problem: PropagationProblem, thresholds: PropagationThresholds) -> np.uint64:
    """What the scores of all pairs depend on, as a number."""
    presence, decay = problem.presence, thresholds.decay
    numbers = (thresholds.gap_penalty, thresholds.size_penalty, decay.decay_years, decay.penalty_per_year)
    roster = (presence.penalty, presence.years_with_roster().tolist()) if presence else ()
    digest = hashlib.blake2b(problem.key, digest_size=8)
    digest.update(repr((PAIR_SCORES_VERSION, numbers, roster)).encode())
    return np.uint64(int.from_bytes(digest.digest()))
