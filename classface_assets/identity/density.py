"""Grouping faces by density: HDBSCAN on the nearest neighbour graph instead of on all the vectors."""

import numpy as np


def hdbscan_groups(
    n: int, pairs: np.ndarray, similarities: np.ndarray, min_cluster_size: int, min_samples: int, threshold: float
) -> np.ndarray:
    """Cluster of each of n faces, (n,) int64, -1 for noise, from the directed kNN graph (pairs (m, 2), cosines (m,)).

    Campello, Moulavi, Sander 2013, with the graph's mutual reachability: a minimum spanning tree of the graph (its
    pieces tied together just beyond the threshold) and HDBSCAN's own condensed tree. Links below the threshold are cut.
    """
    labels = np.full(n, -1, np.int64)
    if not len(pairs) or n < max(2, min_cluster_size):
        return labels
    from hdbscan._hdbscan_linkage import label
    from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    distance = np.clip(1.0 - similarities.astype(np.float64), 1e-9, 2.0)
    order = np.lexsort((distance, pairs[:, 0]))
    pairs, distance = pairs[order], distance[order]
    first = np.searchsorted(pairs[:, 0], np.arange(n))
    count = np.bincount(pairs[:, 0], minlength=n)
    core = np.full(n, 2.0)
    has = count > 0
    core[has] = distance[(first + np.minimum(min_samples, count) - 1)[has]]
    reach = np.maximum(distance, np.maximum(core[pairs[:, 0]], core[pairs[:, 1]]))
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    _, kept = np.unique(low * n + high, return_index=True)
    kept = kept[reach[kept] <= 1.0 - threshold]
    graph = coo_matrix((reach[kept], (low[kept], high[kept])), shape=(n, n)).tocsr()
    # Just beyond: pieces tied from afar would live long, and so win over the clusters inside them.
    beyond = 1.0 - threshold + 1e-6
    tree = minimum_spanning_tree(graph).tocoo()
    pieces, piece = connected_components(graph, directed=False)
    heads = np.unique(piece, return_index=True)[1]
    edges = np.vstack(
        [
            np.column_stack([tree.row, tree.col, tree.data]),
            np.column_stack([heads[:-1], heads[1:], np.full(pieces - 1, beyond)]),
        ]
    )
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0], edges[:, 2]))]
    condensed = condense_tree(label(np.ascontiguousarray(edges, np.float64)), max(2, min_cluster_size))
    found, _, _ = get_clusters(condensed, compute_stability(condensed))
    labels[:] = found
    # What leaves a cluster only where pieces were tied together was never near it.
    loose = condensed["child"][(condensed["child"] < n) & (condensed["lambda_val"] <= 1 / (beyond - 5e-7))]
    labels[loose] = -1
    return labels


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
