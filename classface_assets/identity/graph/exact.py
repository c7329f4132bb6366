"""Exact nearest neighbours, block by block, on all cores.

Rough scores propose who may be among the nearest; those are computed again in full. So what comes out is the same
whatever the processor, the blocks and the order of the rows.

The rough scores are products of matrices, whose greatest error is known. Many processors multiply numbers of 16 bits
(bfloat16) several times as fast as those of 32. They are used where that is so, and compared as whole numbers, which
numpy does fastest: those of positive ones order as they do.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from classface_assets.core.arrays import available_cores
from classface_assets.identity.graph.knn_graph import empty_lists

GROUP_SIZE = 64
"""Faces of a group: scores are compared by the best of each group first."""
PRODUCT_ROWS = 128 * GROUP_SIZE
"""Faces in one product."""
MIN_TORCH_OPERATIONS = 1e11
"""Fewer multiplications are not worth the seconds that importing torch takes."""


@dataclass(frozen=True)
class ScoreKernel:
    """How the scores of all n faces against some queries are computed, as keys that order as the scores do."""

    fill: Callable[[np.ndarray, np.ndarray], Iterator[slice]]
    """`fill(queries, keys)` writes the keys (n, q) of query vectors (q, d), and yields the slices that are done."""
    error: float
    """By how much a score may be off."""
    kind: Any
    """numpy type of the keys."""
    threads: Callable[[int], int]
    """Sets how many threads a product may use, in this thread; returns how many it might use before."""

    def keys(self, scores: np.ndarray) -> np.ndarray:
        """The greatest keys of no greater score; for keys of 16 bits of positive scores only."""
        return scores if self.kind == np.float32 else (scores.view(np.int32) >> 16).astype(np.int16)

    def scores(self, keys: np.ndarray) -> np.ndarray:
        """The scores of keys, float32."""
        return keys if self.kind == np.float32 else (keys.astype(np.int32) << 16).view(np.float32)


def select_kernel(vectors: np.ndarray, queries: int, least: float) -> ScoreKernel:
    """The fastest kernel.

    Args:
        vectors: (n, d) float32 of unit length.
        queries: Number of vectors that are compared with them.
        least: Scores below this need not be right.
    """
    if float(vectors.size) * queries < MIN_TORCH_OPERATIONS:
        return _numpy_kernel(vectors)
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vectors straight from Parquet are read-only; nothing writes to them
        numbers = torch.from_numpy(vectors)
    before = _set_torch_threads(1)
    short_is_quicker = _time_product(numbers[:1024].bfloat16()) < 0.7 * _time_product(numbers[:1024])
    _set_torch_threads(before)
    if not short_is_quicker:
        return ScoreKernel(
            _torch_fill(numbers, torch.float32), _rounding_error(vectors), np.float32, _set_torch_threads
        )
    short, lost = torch.empty(numbers.shape, dtype=torch.bfloat16), 0.0
    for start in range(0, len(vectors), PRODUCT_ROWS):
        part = slice(start, start + PRODUCT_ROWS)
        short[part] = numbers[part]
        lost = max(lost, float((short[part].float() - numbers[part]).norm(dim=1).max()))
    # By Cauchy and Schwarz: both vectors lost as much. The score itself is rounded too, by one part in 256 at most.
    error = 2.1 * lost + _rounding_error(vectors) + 2.0**-8
    if least <= error:
        return ScoreKernel(
            _torch_fill(numbers, torch.float32), _rounding_error(vectors), np.float32, _set_torch_threads
        )
    return ScoreKernel(_torch_fill(short, torch.bfloat16), error, np.int16, _set_torch_threads)


def _numpy_kernel(vectors: np.ndarray) -> ScoreKernel:
    def fill(queries: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        keys[len(vectors) :] = -np.inf
        for start in range(0, len(vectors), PRODUCT_ROWS):
            stop = min(start + PRODUCT_ROWS, len(vectors))
            np.matmul(vectors[start:stop], queries.T, out=keys[start:stop])
            yield slice(start, min(start + PRODUCT_ROWS, len(keys)))

    return ScoreKernel(fill, _rounding_error(vectors), np.float32, _set_blas_threads)


def _torch_fill(numbers: Any, kind: Any) -> Callable[[np.ndarray, np.ndarray], Iterator[slice]]:
    """Fills with products of a tensor's rows. The rows that round up the last group are no one's."""
    import torch

    def fill(queries: np.ndarray, keys: np.ndarray) -> Iterator[slice]:
        scores = torch.from_numpy(keys).view(kind)
        turned = torch.from_numpy(queries).to(kind).T
        scores[len(numbers) :] = -torch.inf
        for start in range(0, len(numbers), PRODUCT_ROWS):
            stop = min(start + PRODUCT_ROWS, len(numbers))
            torch.mm(numbers[start:stop], turned, out=scores[start:stop])
            yield slice(start, min(start + PRODUCT_ROWS, len(keys)))

    return fill


def _rounding_error(vectors: np.ndarray) -> float:
    """By how much a sum of d products of 32-bit numbers can be wrong, for unit vectors."""
    return float(vectors.shape[1] * 2.0**-23)


def _set_torch_threads(count: int) -> int:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    return int(before)


def _set_blas_threads(count: int) -> int:
    """Products in several threads, each in several of its own, wait for one another: it took half as long again."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = max((library.num_threads for library in libraries), default=1)
    for library in libraries:
        library.set_num_threads(count)
    return before


def _time_product(numbers: Any) -> float:
    numbers @ numbers.T  # the first time is slower
    start = time.thread_time()
    numbers @ numbers.T
    return time.thread_time() - start


MAX_BLOCK_SCORES = 16 << 20
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
