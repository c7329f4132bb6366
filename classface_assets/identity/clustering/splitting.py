"""Splitting one cluster into the people that it may be made of."""

from dataclasses import replace

import numpy as np

from classface_assets.core.errors import UserError
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

THRESHOLD_STEPS = 40
"""Thresholds that are tried between that of the settings and 1."""


class SplitError(UserError):
    """A cluster that does not fall apart."""


def split_into_people(inputs: ClusteringInput, min_size: int, settings: AssignmentSettings) -> np.ndarray:
    """Cluster the faces of one cluster again, at the lowest stricter threshold that gives two groups.

    Args:
        inputs: The faces of the cluster.
        min_size: Least number of faces of a group.
        settings: Those by which the cluster was found.

    Returns:
        (n,) int64, the group of each face from 0, largest first, -1 for a face of none.

    Raises:
        SplitError: No threshold gives two groups of that size.
    """
    for threshold in np.linspace(settings.cluster_threshold, 1.0, THRESHOLD_STEPS + 1)[1:-1]:
        strict = replace(
            settings,
            method="temporal",
            cluster_threshold=float(threshold),
            attach_threshold=2.0,
            min_cluster_size=max(2, min_size),
        )
        labels = cluster(inputs, strict)
        sizes = np.bincount(labels[labels >= 0])
        large = np.flatnonzero(sizes >= min_size)
        if len(large) >= 2:
            rank = np.full(len(sizes) + 1, -1)  # the last one is where -1 leads
            rank[large[np.lexsort((large, -sizes[large]))]] = np.arange(len(large))
            return rank[labels]
    raise SplitError(
        f"These {len(inputs)} faces cannot be split into two groups of {min_size} or more; give a smaller "
        "--min-cluster-size, or name the faces one by one. (Help: “Clusters are mixed” in Tuning and troubleshooting.)"
    )
