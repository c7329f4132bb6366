"""What the years between two faces change."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class YearDecay:
    """How the years between two faces change what their similarity is worth."""

    fade_years: float = 6.0
    """A pair of faces weighs exp(-gap / fade_years) in the average."""
    drift: float = 0.01
    """Similarity taken off for each year of gap beyond the first."""

    def weights(self, gap: np.ndarray) -> np.ndarray:
        return np.exp(-gap / self.fade_years)

    def penalty(self, gap: np.ndarray) -> np.ndarray:
        return self.drift * np.maximum(gap - 1, 0)


def year_gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Years between each of a and each of b, (len(a), len(b)); 0 where one is NaN, for then nothing is known."""
    return np.nan_to_num(np.abs(a[:, None] - b[None, :]))
