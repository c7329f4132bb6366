"""Links between groups of faces: which may meet, at what similarity, and how they change when groups join."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Linkage = Literal["average", "single", "complete"]
BATCH_ROWS = 1 << 10
"""Pairs of vectors that are multiplied at a time: few enough to stay in the cache."""


@dataclass(frozen=True)
class ClusterLinks:
    """m pairs of groups (a < b) that may meet."""

    a: np.ndarray
    """(m,) int64 or int32, the lower group."""
    b: np.ndarray
    """(m,) int64 or int32, the higher group."""
    similarity: np.ndarray
    """(m,) float32, NaN where it is still to be computed."""
    unchecked: np.ndarray
    """(m,) bool, whether it is not known yet if the two are in conflict."""

    def where(self, mask: np.ndarray) -> "ClusterLinks":
        """The links of a mask, (m,) bool."""
        return ClusterLinks(self.a[mask], self.b[mask], self.similarity[mask], self.unchecked[mask])


def reciprocal_nearest(links: ClusterLinks, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of groups that are each other's nearest.

    Args:
        links: Between groups below n.
        n: Number of faces.

    Returns:
        Lower and higher group of each pair, (p,) each. Of equally near groups the lowest numbers win, so there is
        always a pair where there is a link.
    """
    best, mate = np.full(n, -np.inf, np.float32), np.full(n, n)
    for end in (links.a, links.b):
        np.maximum.at(best, end, links.similarity)
    for end, other in ((links.a, links.b), (links.b, links.a)):
        top = links.similarity == best[end]
        np.minimum.at(mate, end[top], other[top])
    a = np.flatnonzero(mate < n)
    a = a[(mate[mate[a]] == a) & (a < mate[a])]
    return a, mate[a]


def relabel(links: ClusterLinks, into: np.ndarray, linkage: Linkage) -> ClusterLinks:
    """The links between the groups after some have joined.

    Args:
        links: Between the groups before.
        into: (n,) int64, the group that each group went into.
        linkage: What the similarity of two groups is.
    """
    joined = np.bincount(into, minlength=len(into))
    a, b = into[links.a], into[links.b]
    now, count = unique_links(
        np.minimum(a, b), np.maximum(a, b), links.similarity, len(into), least=linkage == "complete"
    )
    changed = (joined[now.a] > 1) | (joined[now.b] > 1)
    unknown = np.zeros(len(now.a), bool)
    if linkage == "average":
        unknown = changed
    elif linkage == "complete":
        unknown = count < joined[now.a] * joined[now.b]
    return replace(now, similarity=np.where(unknown, np.float32(np.nan), now.similarity), unchecked=changed)


def unique_links(
    a: np.ndarray, b: np.ndarray, similarity: np.ndarray, n: int, least: bool = False
) -> tuple[ClusterLinks, np.ndarray]:
    """One link for each pair of groups, and the number of edges that it has.

    Args:
        a: (m,) int64, the lower group of each edge.
        b: (m,) int64, the higher group; edges within a group are dropped.
        similarity: (m,) float32 of the edges.
        n: Number of faces.
        least: Whether a link has the least similarity of its edges; otherwise it has the greatest.
    """
    apart = a != b
    keys, similarity = a[apart] * n + b[apart], similarity[apart]
    order = np.argsort(keys, kind="stable")
    keys, first, count = np.unique(keys[order], return_index=True, return_counts=True)
    if len(keys):
        similarity = (np.minimum if least else np.maximum).reduceat(similarity[order], first)
    return ClusterLinks(keys // n, keys % n, similarity, np.ones(len(keys), bool)), count


def rowwise_dot(vectors: np.ndarray, a: np.ndarray, b: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Inner products of pairs of rows.

    Args:
        vectors: (n, d) float32.
        a: (m,) rows of `vectors`.
        b: (m,) rows of `others`.
        others: (k, d) float32; None: `vectors`.

    Returns:
        (m,) float32.
    """
    others, out = vectors if others is None else others, np.empty(len(a), np.float32)
    for start in range(0, len(a), BATCH_ROWS):
        batch = slice(start, start + BATCH_ROWS)
        out[batch] = np.einsum("ij,ij->i", vectors[a[batch]], others[b[batch]])
    return out
