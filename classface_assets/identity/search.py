"""Exact nearest neighbours, block by block, on all cores.

Rough scores point out who may be among the nearest; those are looked at again in full. So what comes out is the same
whatever the processor, the blocks and the order of the rows.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from classface_assets.identity.graph import NOBODY
from classface_assets.identity.scores import GROUP, Scores, scores_of

BLOCK_SCORES = 32 << 20
T = TypeVar("T")
Lists = tuple[np.ndarray, np.ndarray]
"""Neighbours (m, k) int32, nearest first, equally near ones by row, NOBODY after the last; similarities (m, k)."""
Pairs = tuple[np.ndarray, np.ndarray]
"""Rows of faces, (q,) each."""


def exact(vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> Lists:
    """The k nearest other faces of each of `rows`, of those that are at least so similar.

    vectors: (n, d) float32 of unit length; rows: (m,) row numbers.
    """
    return exact_both_ways(vectors, rows, k, least, None)[0]


def exact_both_ways(
    vectors: np.ndarray, rows: np.ndarray, k: int, least: float, enough: np.ndarray | None
) -> tuple[Lists, Pairs]:
    """The same, and out of the same products each face with those of `rows` that are as similar to it as it asks for.

    enough: (n,) float32, infinity for a face that asks for nobody; None: all do. A few of the pairs are less similar.
    """
    if not len(rows):
        nobody = np.empty((0, k), np.int32), np.empty((0, k), np.float32)
        return nobody, (np.empty(0, np.int64), np.empty(0, np.int64))
    scores = scores_of(vectors, len(rows), least)
    most = int(np.clip(BLOCK_SCORES // len(vectors), 32, 1024))
    width = -(-len(rows) // -(-len(rows) // most))  # blocks of one size keep all cores busy to the end
    bounds = None if enough is None else scores.keys(enough - np.float32(scores.error))

    def block(start: int) -> tuple[Lists, Pairs]:
        some = rows[start : start + width]
        (owner, other), (face, near) = _likely(scores, vectors[some], len(vectors), k, least, bounds)
        return ranked(vectors, some, owner, other, k, np.full(len(some), least, np.float32)), (face, some[near])

    before = scores.threads(1)
    try:
        found = in_parallel(block, range(0, len(rows), width), lambda: scores.threads(1))
    finally:
        scores.threads(before)
    lists, pairs = zip(*found, strict=True)
    return _joined(lists), _joined(pairs)


def ranked(
    vectors: np.ndarray, rows: np.ndarray, owner: np.ndarray, other: np.ndarray, k: int, least: np.ndarray
) -> Lists:
    """The k nearest out of candidates: `other[i]`, a row, for the face `rows[owner[i]]`; none twice for a face.

    Similarities are taken anew, each by itself, so that a pair has the same one wherever and however it was found.
    """
    likeness = np.empty(len(owner), np.float32)
    for start in range(0, len(owner), 4096):
        part = slice(start, start + 4096)
        likeness[part] = np.einsum("ij,ij->i", vectors[rows[owner[part]]], vectors[other[part]])
    keep = (likeness >= least[owner]) & (rows[owner] != other)
    return nearest(len(rows), owner[keep], other[keep], likeness[keep], k)


def nearest(count: int, owner: np.ndarray, other: np.ndarray, likeness: np.ndarray, k: int) -> Lists:
    """The k likest others of each of `count` owners, as lists."""
    order = np.lexsort((other, -likeness, owner))
    owner, other, likeness = owner[order], other[order], likeness[order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    within = place < k
    neighbours = np.full((count, k), NOBODY, np.int32)
    similarities = np.full((count, k), -np.inf, np.float32)
    neighbours[owner[within], place[within]] = other[within]
    similarities[owner[within], place[within]] = likeness[within]
    return neighbours, similarities


def in_parallel(work: Callable[[int], T], parts: Iterable[int], prepare: Callable[[], object]) -> list[T]:
    """`work` on each part, in order, on a thread for each core; each thread calls `prepare` first."""
    with ThreadPoolExecutor(cores(), initializer=prepare) as pool:
        return list(pool.map(work, parts))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _joined(parts: Iterable[Pairs]) -> Pairs:
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _likely(
    scores: Scores, asked: np.ndarray, n: int, k: int, least: float, bounds: np.ndarray | None
) -> tuple[Pairs, Pairs]:
    """All that may be among the k nearest of `asked` (vectors), and few others: positions in it, and searched rows.
    And the searched rows, with positions in `asked`, whose keys reach their bounds, (n,).

    The (k+1)-th best of the groups' best scores is reached by k faces at least beside the face itself; nobody whose
    score is lower by more than twice the error can be nearer than those.
    """
    groups = -(-n // GROUP)
    keys = np.empty((groups * GROUP, len(asked)), scores.kind)
    best = np.empty((groups, len(asked)), scores.kind)
    near = [np.empty(0, np.int64)]
    for piece in scores.fill(asked, keys):
        best[piece.start // GROUP : piece.stop // GROUP] = keys[piece].reshape(-1, GROUP, len(asked)).max(axis=1)
        if bounds is not None:
            reached = keys[piece][: n - piece.start] >= bounds[piece][:, None]
            near.append(np.flatnonzero(reached) + piece.start * len(asked))
    bound = np.full(len(asked), np.float32(least) - np.float32(scores.error))
    if groups > k:
        kth = np.partition(best, groups - k - 1, axis=0)[groups - k - 1]
        bound = np.maximum(bound, scores.scores(kth) - np.float32(2 * scores.error))
    at_least = scores.keys(bound)
    group, owner = np.nonzero(best >= at_least)
    hit, place = np.nonzero(keys.reshape(groups, GROUP, -1)[group, :, owner] >= at_least[owner][:, None])
    owner, other = owner[hit], group[hit] * GROUP + place
    return (owner[other < n], other[other < n]), np.divmod(np.concatenate(near), len(asked))
