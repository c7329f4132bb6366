"""What the years between two faces change: the weight of the pair in a mean, and a penalty on its similarity."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class YearDecay:
    """How a pair of faces counts by the years between them."""

    decay_years: float = 6.0
    """A pair of faces weighs exp(-gap / decay_years) in a mean."""
    penalty_per_year: float = 0.01
    """Similarity taken off for each year of gap beyond the first."""

    def weights(self, gap: np.ndarray) -> np.ndarray:
        """Weights of pairs with these gaps in years, of any shape; from 0 to 1."""
        return np.exp(-gap / self.decay_years)

    def penalty(self, gap: np.ndarray) -> np.ndarray:
        """What is taken off the similarity of pairs with these gaps in years, of any shape."""
        return self.penalty_per_year * np.maximum(gap - 1, 0)


def year_gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Years between each of two sets of faces.

    Args:
        a: (n,) calendar years, NaN where unknown.
        b: (m,) the same.

    Returns:
        (n, m) float64; 0 where one of the two is unknown.
    """
    gaps = np.abs(a[:, None] - b[None, :])
    gaps[np.isnan(gaps)] = 0  # np.nan_to_num takes ten times as long for the few faces of a person
    return gaps
