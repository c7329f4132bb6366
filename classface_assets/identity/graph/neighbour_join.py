"""The neighbours of neighbours: one round of NN-descent, which finds most of those that an index missed.

Faces of one person are one another's neighbours, so whom the index misses for one face it has found for another. An
index then needs to probe far fewer lists (Dong, Moses and Li 2011, Efficient k-nearest neighbor graph construction for
generic similarity measures).
"""

from collections.abc import Callable

import numpy as np

from classface_assets.identity.graph.exact import NeighbourLists, map_in_threads, rerank_exact
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, empty_lists

JOIN_ROWS = 512
"""Faces whose candidates one thread ranks at a time."""


def join_all(vectors: np.ndarray, neighbours: np.ndarray, least: float) -> NeighbourLists:
    """The k nearest of each face out of its neighbours and theirs.

    Args:
        vectors: (n, d) float32 of unit length.
        neighbours: (n, k) int32 of all faces.
        least: Least similarity of a neighbour.
    """
    k = neighbours.shape[1]
    lists = empty_lists(len(vectors), k)

    def part(start: int) -> None:
        rows = np.arange(start, min(start + JOIN_ROWS, len(vectors)))
        found = join_neighbours(vectors, rows, neighbours[rows], neighbours.__getitem__, least)
        lists[0][rows], lists[1][rows] = found

    map_in_threads(part, range(0, len(vectors), JOIN_ROWS), lambda: None)
    return lists


def join_neighbours(
    vectors: np.ndarray,
    rows: np.ndarray,
    neighbours: np.ndarray,
    lists_of: Callable[[np.ndarray], np.ndarray],
    least: float,
) -> NeighbourLists:
    """The k nearest of some faces out of their neighbours and those of their neighbours.

    Args:
        vectors: (n, d) float32 of unit length.
        rows: (m,) the faces.
        neighbours: (m, k) theirs.
        lists_of: The neighbours (c, k) of faces (c,), each of them one of `neighbours`.
        least: Least similarity of a neighbour.
    """
    count, k = neighbours.shape
    owner, place = np.nonzero(neighbours != NO_NEIGHBOUR)
    first = neighbours[owner, place].astype(np.int64)
    second = lists_of(first).astype(np.int64)
    pair_owner = np.concatenate([owner, np.repeat(owner, k)])
    other = np.concatenate([first, second.ravel()])
    is_other = (other != NO_NEIGHBOUR) & (other != rows[pair_owner])
    pairs = np.unique(pair_owner[is_other] * len(vectors) + other[is_other])
    return rerank_exact(vectors, rows, *np.divmod(pairs, len(vectors)), k, np.full(count, least, np.float32))
