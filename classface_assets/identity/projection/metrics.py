"""How well vectors separate people: over all pairs, and person by person, which is what a paired test compares."""

from dataclasses import dataclass

import numpy as np

FALSE_MATCH_RATE = 1e-3
"""Share of the pairs of strangers that the threshold of a true match lets pass."""
RAREST = 1e-4
"""Pairs of faces that fewer pairs of strangers than this share resemble one another as much count alike …"""
MIN_STRANGERS = 20
"""… or fewer than so many pairs, where there are few."""


@dataclass(frozen=True)
class VerificationMetrics:
    """How well vectors separate some faces from all others."""

    rank1: float
    """Share of the faces whose nearest other face is of the same person."""
    auc: float
    """Chance that two faces of a person are nearer than two of different people."""
    tpr: float
    """Share of same-person pairs above the similarity that one in a thousand pairs of strangers reaches."""


@dataclass(frozen=True)
class PersonScores:
    """Scores of each person, (people,) float64; NaN of whoever was not measured."""

    separation: np.ndarray
    """How far the person's faces are from strangers', 0 to 1; pairs of faces of distant years weigh more."""
    rank1: np.ndarray
    """Share of the person's probes whose nearest other face is of the same person."""


def verification_metrics(vectors: np.ndarray, targets: np.ndarray, probes: np.ndarray) -> VerificationMetrics:
    """Rank-1, AUC (Mann-Whitney) and true positives at one false in a thousand.

    Args:
        vectors: (n, d) float32 of unit length.
        targets: (n,) int64, the person of each face.
        probes: (n,) bool, the faces that are compared with every other one.
    """
    pairs = _Pairs(vectors, targets, probes)
    own, strange = pairs.similarity[pairs.same], pairs.strangers()
    if not len(own) or not len(strange):
        return VerificationMetrics(rank1=1.0, auc=1.0, tpr=1.0)
    below = np.searchsorted(strange, own, "left") + np.searchsorted(strange, own, "right")
    return VerificationMetrics(
        rank1=float(np.mean(pairs.nearest_is_same())),
        auc=float(below.mean() / (2 * len(strange))),
        tpr=float(np.mean(own > strange[int((1 - FALSE_MATCH_RATE) * (len(strange) - 1))])),
    )


def person_scores(
    vectors: np.ndarray,
    targets: np.ndarray,
    probes: np.ndarray,
    years: np.ndarray,
    most_pairs: int | None = None,
) -> PersonScores:
    """Score each person whose faces are among the probes.

    The separation of a pair of faces is the logarithm of the share of the pairs of strangers that are as similar
    (the false match rate at its similarity), as a share of the logarithm of the rarest that counts: 0 where all
    strangers are as similar, 1 where next to none is. It weighs 1 + log(1 + years between).

    Args:
        vectors: (n, d) float32 of unit length.
        targets: (n,) int64 from 0, the person of each face.
        probes: (n,) bool, the faces that are compared with every other one.
        years: (n,) float64, NaN where unknown.
        most_pairs: Pairs of strangers that are sorted, evenly chosen of more; None: all.
    """
    people, pairs = int(targets.max(initial=-1)) + 1, _Pairs(vectors, targets, probes)
    strange, own_row = pairs.strangers(most_pairs), targets[pairs.rows]
    if not len(strange):
        return PersonScores(np.full(people, np.nan), np.full(people, np.nan))
    rarest = min(max(RAREST, MIN_STRANGERS / len(strange)), FALSE_MATCH_RATE)
    row, other = np.nonzero(pairs.same)
    as_similar = len(strange) - np.searchsorted(strange, pairs.similarity[row, other], "left")
    separation = np.log(np.maximum(as_similar / len(strange), rarest)) / np.log(rarest)
    weight = 1 + np.log1p(np.nan_to_num(np.abs(years[pairs.rows[row]] - years[other])))
    total = np.bincount(own_row[row], weights=weight, minlength=people)
    reached = np.bincount(own_row[row], weights=weight * separation, minlength=people)
    has_pair = pairs.same.any(axis=1)
    probed = np.bincount(own_row[has_pair], minlength=people)
    nearest = np.bincount(own_row[has_pair], weights=pairs.nearest_is_same()[has_pair], minlength=people)
    with np.errstate(invalid="ignore", divide="ignore"):
        return PersonScores(
            np.where(total > 0, reached / total, np.nan), np.where(probed > 0, nearest / probed, np.nan)
        )


class _Pairs:
    """Each probe with every other face."""

    def __init__(self, vectors: np.ndarray, targets: np.ndarray, probes: np.ndarray) -> None:
        self.rows = np.flatnonzero(probes)
        self.similarity = vectors[self.rows] @ vectors.T
        self.others = np.arange(len(vectors))[None, :] != self.rows[:, None]
        self.different = targets[self.rows][:, None] != targets[None, :]
        self.same = ~self.different & self.others

    def strangers(self, most: int | None = None) -> np.ndarray:
        """The similarities of pairs of different people, or of at most so many of them, ascending."""
        found = self.similarity[self.different]
        return np.sort(found[:: -(-len(found) // most)] if most and len(found) else found)

    def nearest_is_same(self) -> np.ndarray:
        """(probes,) bool."""
        nearest = np.where(self.others, self.similarity, -np.inf).argmax(axis=1)
        found: np.ndarray = self.same[np.arange(len(self.rows)), nearest]
        return found
