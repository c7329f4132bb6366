"""How clear a person's lead over the next has to be: clearer between siblings, and between look-alikes."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.matching.prototypes import Prototypes
from classface_assets.identity.settings import AssignmentSettings


@dataclass(frozen=True)
class MarginRule:
    """The leads that are needed, and who is whose sibling or look-alike."""

    usual: float
    alike: float
    siblings: np.ndarray
    """(q,) keys lower·persons + higher of people who were declared siblings, sorted."""
    centres: np.ndarray
    """(persons, d) unit mean of each person's prototypes."""
    look_alike: float
    """People whose means are as similar as this are look-alikes."""

    def between(self, persons: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The least lead of each of these over each of those (-1: over nobody, the usual one)."""
        low, high = np.minimum(persons, others), np.maximum(persons, others)
        siblings = np.isin(low * len(self.centres) + high, self.siblings)
        likeness = np.einsum("ij,ij->i", self.centres[persons], self.centres[others])
        return np.where((others >= 0) & (siblings | (likeness >= self.look_alike)), self.alike, self.usual)


def margin_rule(prototypes: Prototypes, siblings: np.ndarray, settings: AssignmentSettings) -> MarginRule:
    """siblings (q, 2): pairs of person numbers."""
    centres = np.zeros((max(1, prototypes.persons), prototypes.vectors.shape[1]), np.float32)
    np.add.at(centres, prototypes.owners, prototypes.vectors)
    pairs = np.sort(siblings.reshape(-1, 2), axis=1)
    keys = np.unique(pairs[:, 0] * len(centres) + pairs[:, 1])
    return MarginRule(
        settings.person_margin,
        settings.alike_margin,
        keys,
        l2_normalize(centres).astype(np.float32),
        settings.look_alike,
    )
