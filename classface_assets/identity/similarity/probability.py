"""The probability that a face belongs where it was put, from its similarity to the other faces there.

Calibration by logistic regression (Platt 1999; for scores of verification Brümmer and du Preez 2006), fitted without
labels: how similar faces are to the rest of their provisional group, against how similar faces that are alone are to
the group that is nearest to them. Some of these do belong there, so the probability is rather too low than too high.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import chunks_by_size
from classface_assets.identity.similarity.rows import VectorRows
from classface_assets.identity.similarity.year_decay import YearDecay, year_gaps

NEAR_YEARS = YearDecay(decay_years=2.0, penalty_per_year=0.0)
"""How much a face of another year counts for the similarity to a person."""
MAX_ROWS = 1_000
"""Faces compared with all others of their label at a time."""
MAX_FACES = 2_000
"""Faces alone that are compared with all groups."""
MIN_FACES = 20
"""Fewer faces in groups, or alone, show nothing."""
PENALTY = 1e-6
"""Of the square of the slope, so that it stays finite where similarity tells all faces apart."""
BLOCK_FACES = 2_048
"""Faces of whole groups whose vectors are taken at a time."""
GROUPS_AT_ONCE = 64
"""Groups whose similarities are computed at a time: few enough to stay in the cache."""


@dataclass(frozen=True)
class MatchCalibration:
    """The logistic function from mean similarity to probability."""

    slope: float
    """Log odds that one of similarity counts for."""
    intercept: float
    """Log odds at similarity 0."""

    def probability(self, similarity: np.ndarray) -> np.ndarray:
        """Of mean similarities, any shape; NaN stays NaN."""
        return 1.0 / (1.0 + np.exp(-(self.slope * similarity.astype(np.float64) + self.intercept)))


def fit_match_calibration(vectors: VectorRows, years: np.ndarray, groups: np.ndarray) -> MatchCalibration | None:
    """Fit the calibration to provisional groups.

    Args:
        vectors: (n, k) float32, whose inner product is similarity.
        years: (n,) calendar years, NaN where unknown.
        groups: (n,) int64, the group of each face, a face alone being a group of its own.

    Returns:
        None where too few faces are in groups, or too few are alone.
    """
    of, size = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    members, single = np.flatnonzero(size[of] > 1), np.flatnonzero(size[of] == 1)
    if min(len(members), len(single)) < MIN_FACES:
        return None
    single = single[np.linspace(0, len(single) - 1, min(len(single), MAX_FACES)).astype(np.int64)]
    place = np.cumsum(size > 1) - 1
    means = _group_means(vectors, members, place[of[members]], size[size > 1])
    own = similarity_in_near_years(vectors, years, np.where(size[of] > 1, of, -1))[members]
    strange = np.concatenate([(vectors[rows] @ means.T).max(axis=1) for rows in np.array_split(single, 20)])
    scores = np.concatenate([own, strange]).astype(np.float64)
    return fit_logistic(scores, np.arange(len(scores)) < len(own))


def _group_means(vectors: VectorRows, members: np.ndarray, group: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The mean of each group, (g, k) float32, from the rows of their members, (m,), and group of each; size: (g,)."""
    means = np.empty((len(size), vectors.shape[1]), np.float32)
    order = np.argsort(group, kind="stable")
    first = np.cumsum(size) - size
    for chunk in chunks_by_size(size, BLOCK_FACES):
        some = slice(first[chunk.start], first[chunk.stop - 1] + size[chunk.stop - 1])
        of_chunk = vectors[members[order[some]]].astype(np.float64)
        means[chunk] = np.add.reduceat(of_chunk, first[chunk] - some.start, axis=0) / size[chunk, None]
    return means


def fit_logistic(scores: np.ndarray, belongs: np.ndarray) -> MatchCalibration:
    """What scikit-learn's LogisticRegression(C=1e6) finds, which takes 0.1 GB of memory to import.

    Args:
        scores: (n,) float64.
        belongs: (n,) bool.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    count = len(scores)
    penalty = PENALTY / count

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = weights[0] * scores + weights[1]
        wrong = (expit(odds) - belongs) / count
        value = float((np.logaddexp(0.0, odds) - belongs * odds).sum()) / count + penalty / 2 * float(weights[0]) ** 2
        return value, np.array([wrong @ scores + penalty * weights[0], wrong.sum()])

    options = {"maxiter": 100, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    slope, intercept = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", options=options).x
    return MatchCalibration(float(slope), float(intercept))


def mean_similarity_to_others(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean cosine of each face with the other faces of its label.

    Args:
        vectors: (n, d) float32 of unit length.
        labels: (n,) int64, negative for none.

    Returns:
        (n,) float32; NaN for a face without others.
    """
    found = np.full(len(labels), np.nan, np.float32)
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    if not len(rows):
        return found
    first = np.flatnonzero(np.diff(labels[rows], prepend=-1))
    size = np.diff(np.append(first, len(rows)))
    for start in range(0, len(first), GROUPS_AT_ONCE):
        part = slice(start, start + GROUPS_AT_ONCE)
        own = rows[first[start] : first[start] + size[part].sum()]
        members, each = vectors[own], np.repeat(np.arange(len(size[part])), size[part])
        sums = np.add.reduceat(members, first[part] - first[start], axis=0)
        total, others = np.einsum("ij,ij->i", members, sums[each]) - 1.0, size[part][each] - 1
        found[own] = np.where(others > 0, total / np.maximum(others, 1), np.nan)
    return found


def similarity_in_near_years(vectors: VectorRows, years: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean inner product, in which faces of near years weigh more: a child is compared with itself at that age.

    Args:
        vectors: (n, k) float32.
        years: (n,) calendar years, NaN where unknown.
        labels: (n,) int64, negative for none.

    Returns:
        (n,) float32; NaN for a face without others.
    """
    found = np.full(len(labels), np.nan, np.float32)
    order = np.flatnonzero(labels >= 0)
    order = order[np.argsort(labels[order], kind="stable")]
    size = np.diff(np.append(np.flatnonzero(np.diff(labels[order], prepend=-1)), len(order)))
    order, size = order[np.repeat(size > 1, size)], size[size > 1]
    first = np.cumsum(size) - size
    for chunk in chunks_by_size(size, BLOCK_FACES):
        start = first[chunk.start]
        block = vectors[order[start : first[chunk.stop - 1] + size[chunk.stop - 1]]]
        for begin, count in zip(first[chunk].tolist(), size[chunk].tolist(), strict=True):
            rows, own = order[begin : begin + count], block[begin - start : begin - start + count]
            every = np.arange(count)
            for part in (every,) if count <= MAX_ROWS else np.array_split(every, -(-count // MAX_ROWS)):
                weights = NEAR_YEARS.weights(year_gaps(years[rows[part]], years[rows]))
                weights[np.arange(len(part)), part] = 0.0
                found[rows[part]] = (weights * (own[part] @ own.T)).sum(axis=1) / weights.sum(axis=1)
    return found
