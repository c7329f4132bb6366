"""What it takes for two groups to join: a mean similarity that rises with their size and with the years they share."""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.similarity.year_decay import YearDecay

BITS = 64
"""School years in a word."""


@dataclass(frozen=True)
class LinkageRule:
    """What it takes for two groups to join."""

    threshold: float
    """Least mean similarity over all pairs of faces of two groups."""
    decay: YearDecay
    """The weight of pairs in that mean by the years between them."""
    size_penalty: float = 0.0
    """Times the logarithm of the smaller group's number of faces, added to the threshold: of two large groups of one
    person the mean is plainly high, while one face may have been caught badly."""
    overlap_penalty: float = 0.0
    """Times the logarithm of the number of school years in which both groups are seen, added to the threshold: who is
    seen year after year beside the other is the same person only where the similarity is that of one age."""

    @property
    def is_constant(self) -> bool:
        """Whether the threshold is the same for all groups."""
        return not self.size_penalty and not self.overlap_penalty

    def required(self, smaller: np.ndarray, shared_years: np.ndarray) -> np.ndarray:
        """The least mean of pairs of groups.

        Args:
            smaller: (m,) int64, the number of faces of the smaller group of each pair.
            shared_years: (m,) int64, the number of school years in which both are seen.
        """
        rise = self.size_penalty * np.log(smaller) + self.overlap_penalty * np.log(np.maximum(shared_years, 1))
        return self.threshold + rise


class GroupYears:
    """The school years in which each group is seen, as bits. Mutable: groups that join are put together in place."""

    def __init__(self, years: np.ndarray, groups: np.ndarray) -> None:
        """Take the years of n faces, (n,), NaN where unknown, and their groups, (n,) int64 from 0 to n - 1."""
        known = np.flatnonzero(np.isfinite(years))
        place = np.unique(years[known], return_inverse=True)[1]
        self._bits = np.zeros((len(groups), place.max(initial=0) // BITS + 1), np.uint64)
        word, bit = place // BITS, np.uint64(1) << (place % BITS).astype(np.uint64)
        np.bitwise_or.at(self._bits, (groups[known], word), bit)

    def join(self, a: np.ndarray, b: np.ndarray) -> None:
        """Put groups b into groups a, (m,) int64 each, no group twice."""
        self._bits[a] |= self._bits[b]

    def shared(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The number of school years in which both groups of each pair, (m,) int64, are seen, (m,) int64."""
        return np.bitwise_count(self._bits[a] & self._bits[b]).sum(axis=1, dtype=np.int64)
