"""Tracklets: groups of faces compared with groups of faces, by all pairs of their faces.

Faces are added up by group and school year, so the cost does not depend on the number of faces of one year.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.clustering.linkage.links import rowwise_dot
from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.similarity.year_decay import YearDecay

UNDATED_PORTRAIT_GAP = 3.0
"""Years to a person who is known by a portrait alone. Measured with one portrait of half of the people of two archives:
0 named .93 of their other faces rightly and .96 to .98 of the names were right, 3 .88 and .99, 8 .83 and .99."""
CHUNK_PAIRS = 1 << 10


@dataclass(frozen=True)
class TrackletSums:
    """Faces added up by group and school year: all that a mean over pairs of faces needs to know."""

    starts: np.ndarray
    """(groups + 1,) int64, where the rows of each group begin."""
    years: np.ndarray
    """(rows,) float64, NaN where unknown."""
    vectors: np.ndarray
    """(rows, d) float32, sums."""
    hubness: np.ndarray
    """(rows,) float32, sums."""
    counts: np.ndarray
    """(rows,) float32, number of faces."""

    @property
    def faces(self) -> np.ndarray:
        """Number of faces of each group, (groups,) float64."""
        total = np.append(0.0, np.cumsum(self.counts, dtype=np.float64))
        return np.diff(total[self.starts])


def tracklet_sums(
    groups: np.ndarray, count: int, vectors: np.ndarray, years: np.ndarray, hubness: np.ndarray
) -> TrackletSums:
    """Add faces up by group and school year.

    Args:
        groups: (n,) int64, 0 to count - 1, or negative for a face that is left out.
        count: Number of groups.
        vectors: (n, d) float32.
        years: (n,) float64, NaN where unknown.
        hubness: (n,) float32.
    """
    rows = np.flatnonzero(groups >= 0)
    when = np.nan_to_num(years[rows], nan=-1.0)
    rows = rows[np.lexsort((when, groups[rows]))]
    when = np.nan_to_num(years[rows], nan=-1.0)
    if not len(rows):
        empty = np.zeros(0, np.float32)
        starts, no_vectors = np.zeros(count + 1, np.int64), np.zeros((0, vectors.shape[1]), np.float32)
        return TrackletSums(starts=starts, years=empty, vectors=no_vectors, hubness=empty, counts=empty)
    new = np.concatenate([[True], (np.diff(groups[rows]) != 0) | (np.diff(when) != 0)])
    first = np.flatnonzero(new)
    return TrackletSums(
        starts=np.searchsorted(groups[rows][first], np.arange(count + 1)),
        years=years[rows][first],
        vectors=np.add.reduceat(vectors[rows], first, axis=0),
        hubness=np.add.reduceat(hubness[rows], first),
        counts=np.diff(np.append(first, len(rows))).astype(np.float32),
    )


def mean_similarity(a: TrackletSums, b: TrackletSums, pairs: np.ndarray, decay: YearDecay) -> np.ndarray:
    """The mean over all pairs of faces of two groups of their similarity, less half of the hubness of both.

    Args:
        a: Groups.
        b: Groups.
        pairs: (m, 2) int64, group of a and group of b.
        decay: The weight of pairs by the years between them, and what is taken off.

    Returns:
        (m,) float64.
    """
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), CHUNK_PAIRS):
        part = pairs[start : start + CHUNK_PAIRS]
        of, left, right = row_pairs(a.starts, b.starts, part)
        gap = np.nan_to_num(np.abs(a.years[left] - b.years[right]))
        both, weight = a.counts[left] * b.counts[right], decay.weights(gap)
        similarity = rowwise_dot(a.vectors, left, right, b.vectors) - decay.penalty(gap) * both
        similarity -= (a.hubness[left] * b.counts[right] + b.hubness[right] * a.counts[left]) / 2
        total = np.bincount(of, weight * similarity, len(part))
        found[start : start + CHUNK_PAIRS] = total / np.bincount(of, weight * both, len(part))
    return found


def row_pairs(
    starts_a: np.ndarray, starts_b: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of rows of pairs of groups.

    Args:
        starts_a: (groups + 1,) where the rows of each group of a begin.
        starts_b: The same of b.
        pairs: (m, 2) int64, group of a and group of b.

    Returns:
        Number of the pair, row of a, and row of b, (r,) each.
    """
    rows_a = np.diff(starts_a)[pairs[:, 0]]
    rows_b = np.diff(starts_b)[pairs[:, 1]]
    each = rows_a * rows_b
    of = np.repeat(np.arange(len(pairs)), each)
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    width = rows_b[of]
    return of, starts_a[pairs[of, 0]] + within // width, starts_b[pairs[of, 1]] + within % width


def min_year_gap(a: TrackletSums, b: TrackletSums, pairs: np.ndarray) -> np.ndarray:
    """The years between the nearest faces of two groups.

    Args:
        a: Groups.
        b: Groups; one without a face is a person known by a portrait alone, of whatever year.
        pairs: (m, 2) int64, group of a and group of b.

    Returns:
        (m,) float64; 0 where unknown, and UNDATED_PORTRAIT_GAP where b has no face.
    """
    of, left, right = row_pairs(a.starts, b.starts, pairs)
    found = np.full(len(pairs), np.inf)
    np.minimum.at(found, of, np.nan_to_num(np.abs(a.years[left] - b.years[right])))
    return np.where(np.isinf(found), UNDATED_PORTRAIT_GAP, found)


def absent_share(a: TrackletSums, pairs: np.ndarray, presence: RosterPresence) -> np.ndarray:
    """Of pairs (m, 2) of group and person the share of faces in years in which rosters do not list the person, (m,)."""
    of, rows, _ = row_pairs(a.starts, np.array([0, 1]), np.column_stack([pairs[:, 0], np.zeros_like(pairs[:, 0])]))
    absent = a.counts[rows] * presence.absent(pairs[of, 1], a.years[rows])
    return np.bincount(of, absent, len(pairs)) / np.bincount(of, a.counts[rows], len(pairs))
