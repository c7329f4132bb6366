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

BLOCK_BYTES = 64 << 20
FRESH_AT_ONCE, ROWS_AT_ONCE = 2048, 4096
ROUNDING = np.float32(1e-5)
"""A product of unit vectors in 32 bits is off by less, in whatever order it adds up."""
T = TypeVar("T")
Lists = tuple[np.ndarray, np.ndarray]
"""Neighbours (m, k) int32, nearest first, equally near ones by row, NOBODY after the last; similarities (m, k)."""


def exact(vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> Lists:
    """The k nearest other faces of each of `rows`, of those that are at least so similar.

    vectors: (n, d) float32 of unit length; rows: (m,) row numbers.
    """
    if not len(rows):
        return np.full((len(rows), k), NOBODY, np.int32), np.full((len(rows), k), -np.inf, np.float32)
    scores = scores_of(vectors, len(rows), least)
    width = int(np.clip(BLOCK_BYTES // (len(vectors) * np.dtype(scores.kind).itemsize), 32, 1024))

    def block(start: int) -> Lists:
        some = rows[start : start + width]
        enough = np.full(len(some), least, np.float32)
        owner, other = _likely(scores, vectors[some], len(vectors), k, enough)
        return ranked(vectors, some, owner, other, k, enough)

    before = scores.threads(1)
    try:
        found = in_parallel(block, range(0, len(rows), width), lambda: scores.threads(1))
    finally:
        scores.threads(before)
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def entering_lists(vectors: np.ndarray, rows: np.ndarray, fresh: np.ndarray, k: int, least: np.ndarray) -> Lists:
    """The k nearest out of `fresh` of each of `rows`, of those that are at least as similar as each asks for, (m,).

    Hardly any are as near as a full list asks for, so plain products suffice; vectors as for `exact`.
    """
    owners, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first in range(0, len(fresh), FRESH_AT_ONCE):
        some = fresh[first : first + FRESH_AT_ONCE]
        columns = vectors[some].T
        for start in range(0, len(rows), ROWS_AT_ONCE):
            asked = slice(start, start + ROWS_AT_ONCE)
            owner, other = np.nonzero(vectors[rows[asked]] @ columns >= (least[asked] - ROUNDING)[:, None])
            owners.append(owner + start)
            others.append(some[other])
    return ranked(vectors, rows, np.concatenate(owners), np.concatenate(others), k, least)


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


def _likely(scores: Scores, asked: np.ndarray, n: int, k: int, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All that may be among the k nearest of `asked` (vectors), and few others: positions in it, and searched rows.

    The (k+1)-th best of the groups' best scores is reached by k faces at least beside the face itself; nobody whose
    score is lower by more than twice the error can be nearer than those.
    """
    groups = -(-n // GROUP)
    keys = np.empty((groups * GROUP, len(asked)), scores.kind)
    best = np.empty((groups, len(asked)), scores.kind)
    for piece in scores.fill(asked, keys):
        best[piece.start // GROUP : piece.stop // GROUP] = keys[piece].reshape(-1, GROUP, len(asked)).max(axis=1)
    bound = least - np.float32(scores.error)
    if groups > k:
        kth = np.partition(best, groups - k - 1, axis=0)[groups - k - 1]
        bound = np.maximum(bound, scores.scores(kth) - np.float32(2 * scores.error))
    at_least = scores.keys(bound)
    group, owner = np.nonzero(best >= at_least)
    hit, place = np.nonzero(keys.reshape(groups, GROUP, -1)[group, :, owner] >= at_least[owner][:, None])
    owner, other = owner[hit], group[hit] * GROUP + place
    return owner[other < n], other[other < n]
