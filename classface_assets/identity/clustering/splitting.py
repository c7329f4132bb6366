"""One cluster looked at again, by itself: the people that it may be made of."""

from dataclasses import replace

import numpy as np

from classface_assets.core.errors import UserError
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

THRESHOLD_STEPS = 40


class SplitError(UserError):
    """A cluster that does not fall apart."""


def split_into_people(material: ClusteringInput, least: int, settings: AssignmentSettings) -> np.ndarray:
    """Group of each face, (n,) from 0, largest first, -1 for a face of none, at the lowest threshold above that of the
    settings at which there are two groups of `least` faces. Raises SplitError when there is no such threshold."""
    for threshold in np.linspace(settings.cluster_threshold, 1.0, THRESHOLD_STEPS + 1)[1:-1]:
        strict = replace(
            settings,
            method="temporal",
            cluster_threshold=float(threshold),
            attach_threshold=2.0,
            min_cluster_size=max(2, least),
        )
        labels = cluster(material, strict)
        sizes = np.bincount(labels[labels >= 0])
        large = np.flatnonzero(sizes >= least)
        if len(large) >= 2:
            rank = np.full(len(sizes) + 1, -1)  # the last one is where -1 leads
            rank[large[np.lexsort((large, -sizes[large]))]] = np.arange(len(large))
            return rank[labels]
    raise SplitError(
        f"These {len(material)} faces do not fall apart into two groups of {least} or more; give a smaller "
        "--min-cluster-size, or name the faces one by one."
    )
