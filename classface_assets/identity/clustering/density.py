"""Density methods on the nearest neighbour graph instead of on all the vectors: HDBSCAN and DBSCAN.

They know the graph alone; constraints and photos are applied by `agglomerative.split_conflicts`.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import connected_components

MAX_DISTANCE = 2.0
"""The greatest cosine distance."""
BEYOND = 1e-6
"""Parts of the graph are tied together at this distance beyond the threshold."""


@dataclass(frozen=True)
class HdbscanParameters:
    """The parameters of HDBSCAN on a graph."""

    min_cluster_size: int
    """Smaller groups are noise; 2 at least."""
    min_samples: int
    """Number of neighbours that make a face's surroundings dense."""
    threshold: float
    """Links of less similarity are cut, a cosine."""
    selection_epsilon: float = 0.0
    """Clusters nearer to each other than this cosine distance are not separated (Malzer, Baum 2020)."""


def hdbscan_groups(n: int, pairs: np.ndarray, similarities: np.ndarray, parameters: HdbscanParameters) -> np.ndarray:
    """HDBSCAN (Campello, Moulavi, Sander 2013) with the graph's mutual reachability.

    The library is given a spanning tree of the graph, whose parts are tied together just beyond the threshold.

    Args:
        n: Number of faces.
        pairs: (m, 2) int64, the directed edges of the graph.
        similarities: (m,) float32, the cosine of each edge.
        parameters: See there.

    Returns:
        (n,) int64, the cluster of each face, -1 for noise.
    """
    min_size = max(2, parameters.min_cluster_size)
    if not len(pairs) or n < min_size:
        return np.full(n, -1, np.int64)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    max_distance = 1.0 - parameters.threshold
    low, high, distance = _edges(n, pairs, similarities)
    core = _core_distances(n, pairs, similarities, parameters.min_samples)
    # Many edges reach as far as one core distance: among them the nearer pair comes first, whatever the faces' order.
    reach = np.maximum(distance, np.maximum(core[low], core[high])) + 1e-9 * distance
    near = reach <= max_distance
    graph = coo_matrix((reach[near], (low[near], high[near])), shape=(n, n)).tocsr()
    tree = minimum_spanning_tree(graph).tocoo()
    part = connected_components(n, np.column_stack([low[near], high[near]]))
    heads = np.unique(part)
    # Just beyond: parts tied from afar would live long, and so win over the clusters inside them.
    beyond = max_distance + BEYOND
    edges = [(tree.row, tree.col, tree.data), (heads[:-1], heads[1:], np.full(len(heads) - 1, beyond))]
    points = n
    if parameters.threshold > -1.0:
        # HDBSCAN never takes all points for one cluster. With a few more that are far away, it can.
        far = n + np.arange(min_size)
        edges.append((np.append(0, far[:-1]), far, np.append(beyond, np.full(min_size - 1, 1e-9))))
        points += min_size
    a, b, length = (np.concatenate(column) for column in zip(*edges, strict=True))
    epsilon = min(parameters.selection_epsilon, max_distance)
    found = _hdbscan_of_tree(points, a, b, length, min_size, epsilon)[:n]
    # What leaves a cluster only where parts were tied together was never near it.
    found[np.bincount(part, minlength=n)[part] < min_size] = -1
    return found


def dbscan_groups(n: int, pairs: np.ndarray, similarities: np.ndarray, eps: float, min_samples: int) -> np.ndarray:
    """DBSCAN (Ester, Kriegel, Sander, Xu 1996) with cosine distances on the graph.

    A face with min_samples faces, itself included, within eps is core; core faces within eps are one cluster. Other
    than in scikit-learn's DBSCAN a border face belongs to the cluster of its nearest core face, so that the order of
    the faces does not matter.

    Args:
        n: Number of faces.
        pairs: (m, 2) int64, the directed edges of the graph.
        similarities: (m,) float32, the cosine of each edge.
        eps: Greatest cosine distance of neighbours.
        min_samples: Least number of faces within eps of a core face.

    Returns:
        (n,) int64, the cluster of each face, -1 for noise.
    """
    labels = np.full(n, -1, np.int64)
    low, high, distance = _edges(n, pairs, similarities)
    near = distance <= eps
    low, high, distance = low[near], high[near], distance[near]
    core = 1 + np.bincount(low, minlength=n) + np.bincount(high, minlength=n) >= min_samples
    both = core[low] & core[high]
    component = connected_components(n, np.column_stack([low[both], high[both]]))
    labels[core] = component[core]
    face, mate = np.concatenate([low, high]), np.concatenate([high, low])
    border = np.flatnonzero(~core[face] & core[mate])
    border = border[np.lexsort((mate[border], np.concatenate([distance, distance])[border], face[border]))]
    faces, first = np.unique(face[border], return_index=True)
    labels[faces] = component[mate[border[first]]]
    return labels


def _hdbscan_of_tree(
    points: int, a: np.ndarray, b: np.ndarray, length: np.ndarray, min_size: int, epsilon: float
) -> np.ndarray:
    """HDBSCAN's clusters of a spanning tree with edges between a and b, (points - 1,) each; (points,) int64."""
    from scipy.sparse import coo_matrix

    order = np.lexsort((b, a, length))
    a, b, length = a[order], b[order], length[order]
    # The libraries sort edges by length alone. Tiny steps between equal ones retain the order by the faces' numbers.
    run_start = np.maximum.accumulate(np.where(np.diff(length, prepend=-1.0) != 0, np.arange(len(length)), 0))
    length = length + (np.arange(len(length)) - run_start) * 1e-14
    ends = np.append(a, b), np.append(b, a)
    distances = coo_matrix((np.append(length, length), ends), shape=(points, points)).tocsr()
    # With min_samples=1 the distances given are the mutual reachability.
    if epsilon > 0:  # scikit-learn 1.9 fails there with numpy 2.4 and later
        from hdbscan import HDBSCAN

        method = HDBSCAN(
            min_cluster_size=min_size, min_samples=1, metric="precomputed", cluster_selection_epsilon=epsilon
        )
    else:
        from sklearn.cluster import HDBSCAN

        method = HDBSCAN(min_cluster_size=min_size, min_samples=1, metric="precomputed", copy=False)
    return method.fit(distances).labels_.astype(np.int64)


def _edges(n: int, pairs: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each undirected edge once: its lower and its higher face, and their distance (never 0, which means none)."""
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1)
    keys, first = np.unique(low * n + high, return_index=True)
    distance = np.clip(1.0 - similarities[first].astype(np.float64), 1e-9, MAX_DISTANCE)
    return keys // n, keys % n, distance


def _core_distances(n: int, pairs: np.ndarray, similarities: np.ndarray, min_samples: int) -> np.ndarray:
    """The distance of each face to its min_samples-th neighbour, or its last one; the greatest where it has none."""
    distance = np.clip(1.0 - similarities.astype(np.float64), 1e-9, MAX_DISTANCE)
    order = np.lexsort((distance, pairs[:, 0]))
    count = np.bincount(pairs[:, 0], minlength=n)
    first = np.cumsum(count) - count
    core, has = np.full(n, MAX_DISTANCE), count > 0
    core[has] = distance[order[(first + np.minimum(min_samples, count) - 1)[has]]]
    return core
