"""Exact nearest neighbours, block by block, on all cores.

Rough scores (`kernels`) propose who may be among the nearest; those are computed again in full. So what comes out is
the same whatever the processor, the blocks and the order of the rows.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from classface_assets.core.arrays import available_cores, share_one_heap
from classface_assets.identity.graph.kernels import GROUP_SIZE, ScoreKernel, select_kernel
from classface_assets.identity.graph.knn_graph import empty_lists

MAX_BLOCK_SCORES = 8 << 20
"""Scores that a thread holds at once."""
T = TypeVar("T")
NeighbourLists = tuple[np.ndarray, np.ndarray]
"""Neighbours (m, k) int32, nearest first, equally near ones by row, NO_NEIGHBOUR at the end; similarities (m, k)."""
RowPairs = tuple[np.ndarray, np.ndarray]
"""Rows of faces, (q,) each."""


def exact_knn(vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> NeighbourLists:
    """The k nearest other faces of some faces, of those that have this similarity at least.

    Args:
        vectors: (n, d) float32 of unit length.
        rows: (m,) int64, the faces whose neighbours are searched.
        k: Greatest number of neighbours.
        least: Least similarity of a neighbour.

    Returns:
        Neighbours and similarities, (m, k) each.
    """
    return exact_knn_with_reverse(vectors, rows, k, least, None)[0]


def exact_knn_with_reverse(
    vectors: np.ndarray, rows: np.ndarray, k: int, least: float, enough: np.ndarray | None
) -> tuple[NeighbourLists, RowPairs]:
    """The same, and out of the same products which of `rows` are near enough to each face.

    Args:
        vectors: (n, d) float32 of unit length.
        rows: (m,) int64, the faces whose neighbours are searched.
        k: Greatest number of neighbours.
        least: Least similarity of a neighbour.
        enough: (n,) float32, the similarity that is near enough to each face, infinity where nobody is; None: to all.

    Returns:
        The lists of `rows`, and pairs of a face and one of `rows`, a few of which are less similar than that.
    """
    if not len(rows):
        nobody = np.empty((0, k), np.int32), np.empty((0, k), np.float32)
        return nobody, (np.empty(0, np.int64), np.empty(0, np.int64))
    scores = select_kernel(vectors, len(rows), least)
    most = int(np.clip(MAX_BLOCK_SCORES // len(vectors), 32, 1024))
    width = -(-len(rows) // -(-len(rows) // most))  # blocks of one size keep all cores busy to the end
    bounds = None if enough is None else scores.keys(enough - np.float32(scores.error))

    def block(start: int) -> tuple[NeighbourLists, RowPairs]:
        some = rows[start : start + width]
        (owner, other), (face, near) = _candidates(scores, vectors[some], len(vectors), k, least, bounds)
        return rerank_exact(vectors, some, owner, other, k, np.full(len(some), least, np.float32)), (face, some[near])

    before = scores.threads(1)
    try:
        found = map_in_threads(block, range(0, len(rows), width), lambda: scores.threads(1))
    finally:
        scores.threads(before)
    lists, pairs = zip(*found, strict=True)
    return _concat_pairs(lists), _concat_pairs(pairs)


def rerank_exact(
    vectors: np.ndarray, rows: np.ndarray, owner: np.ndarray, other: np.ndarray, k: int, least: np.ndarray
) -> NeighbourLists:
    """The k nearest out of candidates.

    Similarities are computed again, each by itself, so that a pair has the same one wherever and however it was found.

    Args:
        vectors: (n, d) float32 of unit length.
        rows: (m,) int64, faces.
        owner: (c,) int64, positions in `rows`.
        other: (c,) int64, the row of a candidate for each owner; none twice for a face.
        k: Greatest number of neighbours.
        least: (m,) float32, least similarity of a neighbour of each face.
    """
    similarity = np.empty(len(owner), np.float32)
    for start in range(0, len(owner), 4096):
        part = slice(start, start + 4096)
        similarity[part] = np.einsum("ij,ij->i", vectors[rows[owner[part]]], vectors[other[part]])
    keep = (similarity >= least[owner]) & (rows[owner] != other)
    return top_k(len(rows), owner[keep], other[keep], similarity[keep], k)


def top_k(count: int, owner: np.ndarray, other: np.ndarray, similarity: np.ndarray, k: int) -> NeighbourLists:
    """The k most similar of others (c,) for each of `count` owners, from owner and similarity (c,) of each."""
    order = np.lexsort((other, -similarity, owner))
    owner, other, similarity = owner[order], other[order], similarity[order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    within = place < k
    neighbours, similarities = empty_lists(count, k)
    neighbours[owner[within], place[within]] = other[within]
    similarities[owner[within], place[within]] = similarity[within]
    return neighbours, similarities


def map_in_threads(work: Callable[[int], T], parts: Iterable[int], prepare: Callable[[], object]) -> list[T]:
    """`work` on each part, in order, on a thread for each core; each thread calls `prepare` first."""
    share_one_heap()
    with ThreadPoolExecutor(available_cores(), initializer=prepare) as pool:
        return list(pool.map(work, parts))


def _concat_pairs(parts: Iterable[RowPairs]) -> RowPairs:
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _candidates(
    scores: ScoreKernel, queries: np.ndarray, n: int, k: int, least: float, bounds: np.ndarray | None
) -> tuple[RowPairs, RowPairs]:
    """All that may be among the k nearest of the query vectors (q, d), and few others: positions in it, and rows.

    And the rows, with positions in the queries, whose keys reach their bounds, (n,).

    The (k+1)-th best of the groups' best scores is reached by k faces at least beside the face itself; nobody whose
    score is lower by more than twice the error can be nearer than those.
    """
    groups = -(-n // GROUP_SIZE)
    keys = np.empty((groups * GROUP_SIZE, len(queries)), scores.kind)
    best = np.empty((groups, len(queries)), scores.kind)
    near = [np.empty(0, np.int64)]
    for piece in scores.fill(queries, keys):
        best[piece.start // GROUP_SIZE : piece.stop // GROUP_SIZE] = (
            keys[piece].reshape(-1, GROUP_SIZE, len(queries)).max(axis=1)
        )
        if bounds is not None:
            reached = keys[piece][: n - piece.start] >= bounds[piece][:, None]
            near.append(np.flatnonzero(reached) + piece.start * len(queries))
    bound = np.full(len(queries), np.float32(least) - np.float32(scores.error))
    if groups > k:
        kth = np.partition(best, groups - k - 1, axis=0)[groups - k - 1]
        bound = np.maximum(bound, scores.scores(kth) - np.float32(2 * scores.error))
    at_least = scores.keys(bound)
    group, owner = np.nonzero(best >= at_least)
    hit, place = np.nonzero(keys.reshape(groups, GROUP_SIZE, -1)[group, :, owner] >= at_least[owner][:, None])
    owner, other = owner[hit], group[hit] * GROUP_SIZE + place
    return (owner[other < n], other[other < n]), np.divmod(np.concatenate(near), len(queries))
