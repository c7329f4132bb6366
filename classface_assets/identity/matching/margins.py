"""The margin rule: how clear a person's lead over the next has to be, clearer between siblings and look-alikes."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.settings import AssignmentSettings


@dataclass(frozen=True)
class MarginRule:
    """The leads that are needed, and which people are siblings or look-alikes."""

    usual: float
    """Least lead over anybody."""
    lookalike: float
    """Least lead over a sibling or look-alike."""
    siblings: np.ndarray
    """(q,) keys lower * persons + higher of people who were declared siblings, sorted."""
    centres: np.ndarray
    """(persons, d) float32, unit mean of each person's prototypes."""
    lookalike_threshold: float
    """People whose means are at least this similar are look-alikes."""

    def between(self, persons: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The least lead of persons over others.

        Args:
            persons: (m,) int64.
            others: (m,) int64, -1 for nobody, over which the usual lead is needed.

        Returns:
            (m,) float64.
        """
        low, high = np.minimum(persons, others), np.maximum(persons, others)
        siblings = np.isin(low * len(self.centres) + high, self.siblings)
        similarity = np.einsum("ij,ij->i", self.centres[persons], self.centres[others])
        close = (others >= 0) & (siblings | (similarity >= self.lookalike_threshold))
        return np.where(close, self.lookalike, self.usual)


def margin_rule(prototypes: Prototypes, siblings: np.ndarray, settings: AssignmentSettings) -> MarginRule:
    """The margin rule of people with these prototypes. siblings: (q, 2) pairs of person numbers."""
    centres = np.zeros((max(1, prototypes.persons), prototypes.vectors.shape[1]), np.float32)
    np.add.at(centres, prototypes.owners, prototypes.vectors)
    pairs = np.sort(siblings.reshape(-1, 2), axis=1)
    return MarginRule(
        usual=settings.person_margin,
        lookalike=settings.lookalike_margin,
        siblings=np.unique(pairs[:, 0] * len(centres) + pairs[:, 1]),
        centres=l2_normalize(centres).astype(np.float32),
        lookalike_threshold=settings.lookalike_threshold,
    )
