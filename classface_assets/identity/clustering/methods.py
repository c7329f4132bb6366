"""The grouping of unknown faces: one interface to every method, and what all of them owe to people and photos."""

import numpy as np

from classface_assets.identity.clustering.agglomerative import agglomerate, split_conflicts
from classface_assets.identity.clustering.density import dbscan_groups, hdbscan_groups
from classface_assets.identity.clustering.temporal import temporal_linkage
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings


def cluster(material: ClusteringInput, settings: AssignmentSettings) -> np.ndarray:
    """Cluster of each face, (n,) int64 from 0 in the order of their first faces, -1 for noise.

    Whatever the method: no two faces of one photo together, cannot-links never, through third faces neither, and
    must-links always, even against these two. Groups of less than min_cluster_size that no must-link holds are noise.
    Two poor faces are no reason to join: blurred ones are like one another whoever they are.
    """
    return drop_small_groups(group_faces(material, settings), material.must_link, settings.min_cluster_size)


def group_faces(
    material: ClusteringInput, settings: AssignmentSettings, standing: np.ndarray | None = None
) -> np.ndarray:
    """The same groups, (n,) int64 in any numbers, before the small ones are noise.

    standing (n,), for `temporal`: groups of before, which are not split, -1 for the faces that are to be placed.
    """
    if not len(material):
        return np.empty(0, np.int64)
    best_of_pair = material.quality[material.pairs].max(axis=1, initial=0.0)
    material = material.with_edges(best_of_pair >= settings.building_quality)
    n, pairs, similarities = len(material), material.pairs, material.similarities
    match settings.method:
        case "temporal":
            return temporal_linkage(material, settings, standing)
        case "hdbscan":
            size, samples, least = settings.min_cluster_size, settings.min_samples, settings.cluster_threshold
            found = hdbscan_groups(n, pairs, similarities, size, samples, least, settings.cluster_selection_epsilon)
            return split_conflicts(found, material)
        case "dbscan":
            return split_conflicts(dbscan_groups(n, pairs, similarities, settings.eps, settings.min_samples), material)
        case "agglomerative":
            return agglomerate(material, settings.linkage, 1.0 - settings.eps)


def drop_small_groups(groups: np.ndarray, must: np.ndarray, least: int) -> np.ndarray:
    """Groups (n,) numbered from 0 by their first faces, the small ones, and the negative, -1."""
    found, first, of, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    kept = size >= max(2, least)
    kept[of[must[must[:, 0] != must[:, 1]].ravel()]] = True
    kept[found < 0] = False
    number = np.full(len(found), -1, np.int64)
    by_first = np.flatnonzero(kept)[np.argsort(first[kept])]
    number[by_first] = np.arange(len(by_first))
    return number[of]
