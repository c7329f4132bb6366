"""Thresholds transferred to the vectors of a projection head, whose similarities have a scale of their own."""

from dataclasses import replace

import numpy as np

from classface_assets.core.arrays import evenly_spaced
from classface_assets.identity.settings import AssignmentSettings

SAMPLE_SIZE = 2000
"""Faces whose pairs are compared."""


def transfer_thresholds(settings: AssignmentSettings, before: np.ndarray, after: np.ndarray) -> AssignmentSettings:
    """Settings that let as many pairs of faces pass in another space.

    By quantile matching on the pairs of evenly chosen faces; margins and penalties are scaled by the spread.

    Args:
        settings: Of the space before.
        before: (n, d) float32 of unit length, vectors in the space before.
        after: (n, e) float32 of unit length, vectors of the same faces in the other space.
    """
    rows = evenly_spaced(np.arange(len(before)), SAMPLE_SIZE)
    old, new = _pairwise_similarities(before[rows]), _pairwise_similarities(after[rows])
    if len(old) < 2:
        return settings
    scale = float(new.std() / old.std()) if old.std() > 0 else 1.0
    return replace(
        settings,
        person_threshold=_transfer(settings.person_threshold, old, new),
        cluster_threshold=_transfer(settings.cluster_threshold, old, new),
        cluster_reference=_transfer(settings.cluster_reference, old, new),
        attach_threshold=_transfer(settings.attach_threshold, old, new),
        lookalike_threshold=_transfer(settings.lookalike_threshold, old, new),
        propagation_group_threshold=_transfer(settings.propagation_group_threshold, old, new),
        propagation_threshold=settings.propagation_threshold * scale,
        propagation_gap_penalty=settings.propagation_gap_penalty * scale,
        propagation_size_penalty=settings.propagation_size_penalty * scale,
        propagation_margin=settings.propagation_margin * scale,
        person_margin=settings.person_margin * scale,
        lookalike_margin=settings.lookalike_margin * scale,
        attach_margin=settings.attach_margin * scale,
        shared_neighbour_weight=settings.shared_neighbour_weight * scale,
        shared_neighbour_offset=settings.shared_neighbour_offset * scale,
        min_edge_similarity=_transfer(settings.min_edge_similarity, old, new),
        year_penalty=settings.year_penalty * scale,
    )


def _pairwise_similarities(vectors: np.ndarray) -> np.ndarray:
    """The sorted cosine similarities of all pairs of rows."""
    upper = np.triu_indices(len(vectors), 1)
    return np.sort((vectors @ vectors.T)[upper])


def _transfer(threshold: float, old: np.ndarray, new: np.ndarray) -> float:
    """The value that lies between the same two ranks of `new`, as far along, as the threshold lies in `old`."""
    above = int(np.clip(np.searchsorted(old, threshold), 1, len(old) - 1))
    low, high = float(old[above - 1]), float(old[above])
    share = float(np.clip((threshold - low) / (high - low), 0, 1)) if high > low else 0.5
    return float(new[above - 1] + share * (new[above] - new[above - 1]))
