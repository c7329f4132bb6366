"""Links between groups of faces: which may meet, at what similarity, and how they change when groups join."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Linkage = Literal["average", "single", "complete"]
BATCH_ROWS = 1 << 10
"""Pairs of vectors that are multiplied at once: so few that they stay in the cache."""


@dataclass(frozen=True)
class ClusterLinks:
    """Pairs of groups (a < b) that may meet and what that is worth, NaN where it is to be measured; `fresh`: whether
    they are in conflict is not known yet."""

    a: np.ndarray
    b: np.ndarray
    worth: np.ndarray
    fresh: np.ndarray

    def where(self, kept: np.ndarray) -> "ClusterLinks":
        return ClusterLinks(self.a[kept], self.b[kept], self.worth[kept], self.fresh[kept])


def reciprocal_nearest(links: ClusterLinks, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups a and b that are each other's best; of equally good ones the lowest numbers, so there is always a pair."""
    best, mate = np.full(n, -np.inf, np.float32), np.full(n, n)
    for end in (links.a, links.b):
        np.maximum.at(best, end, links.worth)
    for end, other in ((links.a, links.b), (links.b, links.a)):
        top = links.worth == best[end]
        np.minimum.at(mate, end[top], other[top])
    a = np.flatnonzero(mate < n)
    a = a[(mate[mate[a]] == a) & (a < mate[a])]
    return a, mate[a]


def relabel(links: ClusterLinks, into: np.ndarray, linkage: Linkage) -> ClusterLinks:
    """The links between the groups as they are now."""
    joined = np.bincount(into, minlength=len(into))
    a, b = into[links.a], into[links.b]
    now, count = unique_links(np.minimum(a, b), np.maximum(a, b), links.worth, len(into), least=linkage == "complete")
    changed = (joined[now.a] > 1) | (joined[now.b] > 1)
    now.fresh[:] = changed
    if linkage == "average":
        now.worth[changed] = np.nan
    elif linkage == "complete":
        now.worth[count < joined[now.a] * joined[now.b]] = np.nan
    return now


def unique_links(
    a: np.ndarray, b: np.ndarray, worth: np.ndarray, n: int, least: bool = False
) -> tuple[ClusterLinks, np.ndarray]:
    """One link a pair of groups with the greatest (least) worth of its edges, and how many edges it had."""
    apart = a != b
    keys, worth = a[apart] * n + b[apart], worth[apart]
    order = np.argsort(keys, kind="stable")
    keys, first, count = np.unique(keys[order], return_index=True, return_counts=True)
    if len(keys):
        worth = (np.minimum if least else np.maximum).reduceat(worth[order], first)
    return ClusterLinks(keys // n, keys % n, worth, np.ones(len(keys), bool)), count


def rowwise_dot(vectors: np.ndarray, a: np.ndarray, b: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """The products of rows a with rows b, which are those of `others` if these are given, (len(a),) float32."""
    others, out = vectors if others is None else others, np.empty(len(a), np.float32)
    for start in range(0, len(a), BATCH_ROWS):
        piece = slice(start, start + BATCH_ROWS)
        out[piece] = np.einsum("ij,ij->i", vectors[a[piece]], others[b[piece]])
    return out
