"""Grouping faces by density on the nearest neighbour graph instead of on all the vectors: HDBSCAN and DBSCAN.

Here is what the methods say of the graph alone; must-links and photos are minded in `agglomerate.part`.
"""

import numpy as np

MAX_DISTANCE = 2.0
"""The greatest cosine distance."""


def hdbscan_groups(
    n: int,
    pairs: np.ndarray,
    similarities: np.ndarray,
    min_cluster_size: int,
    min_samples: int,
    threshold: float,
    selection_epsilon: float = 0.0,
) -> np.ndarray:
    """Cluster of each of n faces, (n,) int64, -1 for noise, from the directed kNN graph (pairs (m, 2), cosines (m,)).

    Campello, Moulavi, Sander 2013, with the graph's mutual reachability: a minimum spanning tree of the graph (its
    pieces tied together just beyond the threshold) and HDBSCAN's own condensed tree. Links below the threshold are cut.
    Clusters nearer to each other than the cosine distance selection_epsilon are not told apart (Malzer, Baum 2020).
    """
    if not len(pairs) or n < max(2, min_cluster_size):
        return np.full(n, -1, np.int64)
    from hdbscan._hdbscan_linkage import label
    from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    low, high, distance = _edges(n, pairs, similarities)
    core = _core_distances(n, pairs, similarities, min_samples)
    # Many edges reach as far as one core distance: among them the nearer pair comes first, whatever the faces' order.
    reach = np.maximum(distance, np.maximum(core[low], core[high])) + 1e-9 * distance
    kept = reach <= 1.0 - threshold
    graph = coo_matrix((reach[kept], (low[kept], high[kept])), shape=(n, n)).tocsr()
    # Just beyond: pieces tied from afar would live long, and so win over the clusters inside them.
    beyond = 1.0 - threshold + 1e-6
    tree = minimum_spanning_tree(graph).tocoo()
    pieces, piece = connected_components(graph, directed=False)
    heads = np.unique(piece, return_index=True)[1]
    edges = [np.column_stack([tree.row, tree.col, tree.data])]
    edges.append(np.column_stack([heads[:-1], heads[1:], np.full(pieces - 1, beyond)]))
    least, points = max(2, min_cluster_size), n
    if threshold > -1.0:
        # HDBSCAN never takes all points for one cluster. With a few more that are far away, it can.
        others = n + np.arange(least)
        edges.append(np.column_stack([np.append(0, others[:-1]), others, np.append(beyond, np.full(least - 1, 1e-9))]))
        points += least
    joined = np.concatenate(edges)
    joined = joined[np.lexsort((joined[:, 1], joined[:, 0], joined[:, 2]))]
    condensed = condense_tree(label(np.ascontiguousarray(joined, np.float64)), least)
    found, _, _ = get_clusters(
        condensed, compute_stability(condensed), cluster_selection_epsilon=min(selection_epsilon, 1.0 - threshold)
    )
    # What leaves a cluster only where pieces were tied together was never near it.
    loose = condensed["child"][(condensed["child"] < points) & (condensed["lambda_val"] <= 1 / (beyond - 5e-7))]
    found[loose] = -1
    return found[:n].astype(np.int64)


def dbscan_groups(n: int, pairs: np.ndarray, similarities: np.ndarray, eps: float, min_samples: int) -> np.ndarray:
    """Cluster of each of n faces, (n,) int64, -1 for noise, from the directed kNN graph (pairs (m, 2), cosines (m,)).

    Ester, Kriegel, Sander, Xu 1996 with cosine distances: a face with min_samples faces, itself counted, within eps is
    core; core faces within eps are one cluster, and any other face is of the cluster of its nearest core face.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    labels = np.full(n, -1, np.int64)
    low, high, distance = _edges(n, pairs, similarities)
    near = distance <= eps
    low, high, distance = low[near], high[near], distance[near]
    core = 1 + np.bincount(low, minlength=n) + np.bincount(high, minlength=n) >= min_samples
    both = core[low] & core[high]
    graph = coo_matrix((distance[both] + 1, (low[both], high[both])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    labels[core] = component[core]
    face, mate = np.concatenate([low, high]), np.concatenate([high, low])
    border = np.flatnonzero(~core[face] & core[mate])
    border = border[np.lexsort((mate[border], np.concatenate([distance, distance])[border], face[border]))]
    faces, first = np.unique(face[border], return_index=True)
    labels[faces] = component[mate[border[first]]]
    return labels


def _edges(n: int, pairs: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each undirected edge once: its lower and its higher face, and their distance (never 0, which means none)."""
    keys, kept = np.unique(pairs.min(axis=1) * n + pairs.max(axis=1), return_index=True)
    distance = np.clip(1.0 - similarities[kept].astype(np.float64), 1e-9, MAX_DISTANCE)
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


def part_photo_mates(labels: np.ndarray, photos: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The same labels, but where a cluster holds several faces of one photo only the one nearest its centre stays."""
    labels = labels.copy()
    for cluster in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == cluster)
        near = vectors[members] @ vectors[members].mean(axis=0)
        best_first = members[np.lexsort((members, -near))]
        _, kept = np.unique(photos[best_first], return_index=True)
        labels[np.setdiff1d(members, best_first[kept])] = -1
    return labels
