"""Grouping faces that may be years apart: constrained average linkage along the nearest neighbour graph.

Here is the merging alone; what a group is called and who it is, is decided in assign.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Gaps:
    """How the years between two faces change what their similarity is worth."""

    fade_years: float = 6.0
    """A pair of faces weighs exp(-gap / fade_years) in the average."""
    drift: float = 0.01
    """Similarity taken off for each year of gap beyond the first."""

    def weights(self, gap: np.ndarray) -> np.ndarray:
        return np.exp(-gap / self.fade_years)

    def penalty(self, gap: np.ndarray) -> np.ndarray:
        return self.drift * np.maximum(gap - 1, 0)


def year_gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Years between each of a and each of b, (len(a), len(b)); 0 where one is NaN, for then nothing is known."""
    return np.nan_to_num(np.abs(a[:, None] - b[None, :]))


@dataclass
class _Groups:
    """The groups while they grow: members, their photos, and the weighted similarity to each neighbouring group."""

    vectors: np.ndarray
    years: np.ndarray
    gaps: Gaps
    members: dict[int, np.ndarray]
    photos: dict[int, set[int]]
    links: dict[int, dict[int, tuple[float, float]]] = field(default_factory=dict)

    def measure(self, group: int, others: list[int]) -> list[tuple[float, float]]:
        """(weighted sum, sum of weights) of the similarity between a group and each of the others."""
        mine, theirs = self.members[group], np.concatenate([self.members[o] for o in others])
        gap = year_gaps(self.years[mine], self.years[theirs])
        weights = self.gaps.weights(gap)
        worth = (self.vectors[mine] @ self.vectors[theirs].T - self.gaps.penalty(gap)) * weights
        starts = np.cumsum([0, *(len(self.members[o]) for o in others[:-1])])
        sums, totals = np.add.reduceat(worth.sum(0), starts), np.add.reduceat(weights.sum(0), starts)
        return list(zip(sums.tolist(), totals.tolist(), strict=True))

    def merge(self, a: int, b: int, new: int) -> dict[int, tuple[float, float]]:
        """Joins a and b as `new` and returns its links to the groups it may still join."""
        near_a, near_b = self.links.pop(a), self.links.pop(b)
        photos = self.photos.pop(a) | self.photos.pop(b)
        allowed = [c for c in sorted({*near_a, *near_b} - {a, b}) if photos.isdisjoint(self.photos[c])]
        for group, near in ((a, near_a), (b, near_b)):
            unseen = [c for c in allowed if c not in near]
            if unseen:
                near.update(zip(unseen, self.measure(group, unseen), strict=True))
        for c in {*near_a, *near_b} - {a, b}:
            if c in self.links:
                self.links[c].pop(a, None)
                self.links[c].pop(b, None)
        self.members[new] = np.concatenate([self.members.pop(a), self.members.pop(b)])
        self.photos[new] = photos
        joined = {c: (near_a[c][0] + near_b[c][0], near_a[c][1] + near_b[c][1]) for c in allowed}
        self.links[new] = joined
        for c, link in joined.items():
            self.links[c][new] = link
        return joined


def temporal_linkage(
    vectors: np.ndarray,
    years: np.ndarray,
    photos: np.ndarray,
    pairs: np.ndarray,
    threshold: float,
    gaps: Gaps,
) -> np.ndarray:
    """Group number of each face, (n,) int64, by average linkage with closeness in years as weight.

    vectors (n, d) unit; years (n,) float, NaN when unknown; photos (n,) a number a photo; pairs (m, 2) the graph's
    edges, along which groups may meet. The two groups with the greatest average are joined until none reaches
    the threshold; groups that share a photo never are. The averages are exact: a pair of groups that one of its halves
    had not met is measured face by face. Ties go to the lower numbers, so the result is the same each time.
    """
    n = len(vectors)
    groups = _Groups(
        vectors, years, gaps, {i: np.array([i]) for i in range(n)}, {i: {int(p)} for i, p in enumerate(photos)}
    )
    groups.links = {i: {} for i in range(n)}
    queue: list[tuple[float, int, int]] = []
    if len(pairs):
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
        pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & (photos[pairs[:, 0]] != photos[pairs[:, 1]])]
        gap = np.nan_to_num(np.abs(years[pairs[:, 0]] - years[pairs[:, 1]]))
        similarity = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]]) - gaps.penalty(gap)
        weight = gaps.weights(gap)
        for (i, j), s, w in zip(pairs.tolist(), similarity.tolist(), weight.tolist(), strict=True):
            groups.links[i][j] = groups.links[j][i] = (s * w, w)
            if s >= threshold:
                queue.append((-s, i, j))
    heapq.heapify(queue)
    new = n
    while queue:
        _, a, b = heapq.heappop(queue)
        if a not in groups.links or b not in groups.links:
            continue
        for c, (total, weight_sum) in groups.merge(a, b, new).items():
            if total / weight_sum >= threshold:
                heapq.heappush(queue, (-total / weight_sum, c, new))
        new += 1
    labels = np.empty(n, np.int64)
    for number, members in enumerate(groups.members.values()):
        labels[members] = number
    return labels
