"""The clustering of unknown faces: one interface to every method, and the rules that all of them obey."""

from dataclasses import replace

import numpy as np

from classface_assets.identity.clustering.agglomerative import agglomerate, split_conflicts
from classface_assets.identity.clustering.density import HdbscanParameters, dbscan_groups, hdbscan_groups
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.clustering.temporal import temporal_linkage
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings


def cluster(inputs: ClusteringInput, settings: AssignmentSettings) -> np.ndarray:
    """Cluster faces.

    Whatever the method: no two faces of one photo together, cannot-links never, through third faces neither, and
    must-links always, even against these two. Groups of less than min_cluster_size that no must-link holds are noise.
    Two poor faces are no reason to join: blurred ones are similar whoever they are.

    Returns:
        (n,) int64, the cluster of each face, from 0 in the order of their first faces, -1 for noise.
    """
    return drop_small_groups(group_faces(inputs, settings), inputs.must_link, settings.min_cluster_size)


def group_faces(inputs: ClusteringInput, settings: AssignmentSettings, fixed: np.ndarray | None = None) -> np.ndarray:
    """The same groups before the small ones are noise, (n,) int64 in any numbers.

    Args:
        inputs: The faces, their graph and constraints.
        settings: Method and thresholds.
        fixed: (n,) int64, for `temporal`: groups of an earlier run, which are not split, -1 for the faces to be placed.
    """
    if not len(inputs):
        return np.empty(0, np.int64)
    inputs = _with_core_edges(inputs, settings)
    n, pairs, similarities = len(inputs), inputs.pairs, inputs.similarities
    match settings.method:
        case "temporal":
            return temporal_linkage(inputs, settings, fixed)
        case "hdbscan":
            parameters = HdbscanParameters(
                min_cluster_size=settings.min_cluster_size,
                min_samples=settings.min_samples,
                threshold=settings.cluster_threshold,
                selection_epsilon=settings.cluster_selection_epsilon,
            )
            return split_conflicts(hdbscan_groups(n, pairs, similarities, parameters), inputs)
        case "dbscan":
            return split_conflicts(dbscan_groups(n, pairs, similarities, settings.eps, settings.min_samples), inputs)
        case "agglomerative":
            return agglomerate(inputs, settings.linkage, 1.0 - settings.eps)


def with_fitted_similarity(inputs: ClusteringInput, settings: AssignmentSettings) -> ClusteringInput:
    """The faces with what `cluster` would fit to them each time, for those who cluster them at several thresholds."""
    if settings.method != "temporal" or inputs.similarity is not None or not len(inputs):
        return inputs
    return replace(inputs, similarity=fit_archive_similarity(_with_core_edges(inputs, settings), settings))


def drop_small_groups(groups: np.ndarray, must_link: np.ndarray, min_size: int) -> np.ndarray:
    """Number the groups and make small ones noise.

    Args:
        groups: (n,) int64 in any numbers, negative for none.
        must_link: (q, 2) rows; a group that one holds together is never too small.
        min_size: Least number of faces, 2 at least.

    Returns:
        (n,) int64, numbered from 0 by their first faces, -1 for noise.
    """
    found, first, of, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    retained = size >= max(2, min_size)
    retained[of[must_link[must_link[:, 0] != must_link[:, 1]].ravel()]] = True
    retained[found < 0] = False
    number = np.full(len(found), -1, np.int64)
    by_first = np.flatnonzero(retained)[np.argsort(first[retained])]
    number[by_first] = np.arange(len(by_first))
    return number[of]


def _with_core_edges(inputs: ClusteringInput, settings: AssignmentSettings) -> ClusteringInput:
    """The faces without the edges between two poor ones."""
    is_good = np.maximum(inputs.quality, 0.0) >= settings.min_core_quality
    return inputs.with_edges(is_good[inputs.pairs[:, 0]] | is_good[inputs.pairs[:, 1]])
