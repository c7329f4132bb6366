"""Thresholds carried to the vectors of a projection head, whose similarities lie on a scale of their own."""

from dataclasses import replace

import numpy as np

from classface_assets.core.arrays import evenly_spaced
from classface_assets.identity.settings import AssignmentSettings

SAMPLE_SIZE = 2000


def transfer_thresholds(settings: AssignmentSettings, before: np.ndarray, after: np.ndarray) -> AssignmentSettings:
    """Settings that let as many pairs of faces pass in `after` (n, d') as `settings` do in `before` (n, d).

    Quantile matching on the pairs of up to 2,000 evenly chosen faces; margins and drift are scaled by the spread.
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
        attach_threshold=_transfer(settings.attach_threshold, old, new),
        look_alike=_transfer(settings.look_alike, old, new),
        follow_group_threshold=_transfer(settings.follow_group_threshold, old, new),
        follow_threshold=settings.follow_threshold * scale,
        follow_far=settings.follow_far * scale,
        follow_size=settings.follow_size * scale,
        follow_margin=settings.follow_margin * scale,
        person_margin=settings.person_margin * scale,
        alike_margin=settings.alike_margin * scale,
        attach_margin=settings.attach_margin * scale,
        company=settings.company * scale,
        company_lift=settings.company_lift * scale,
        least_edge=_transfer(settings.least_edge, old, new),
        drift_per_year=settings.drift_per_year * scale,
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
