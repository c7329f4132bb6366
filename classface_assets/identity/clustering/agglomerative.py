"""Linkage of groups along the graph, by rounds: all pairs that are each other's nearest join at once.

For single, complete and average linkage this gives what joining one pair after the other gives (reciprocal nearest
neighbours; Müllner 2011), and needs no loop over faces. Groups in conflict never join, whatever is between them.
"""

from dataclasses import replace

import numpy as np

from classface_assets.core.arrays import chunks_by_size
from classface_assets.identity.clustering.linkage.links import (
    ClusterLinks,
    Linkage,
    reciprocal_nearest,
    relabel,
    rowwise_dot,
    unique_links,
)
from classface_assets.identity.constraints.conflicts import (
    Conflicts,
    conflicting_groups,
    merge_must_links,
    must_link_groups,
    ragged_arange,
)
from classface_assets.identity.inputs import ClusteringInput


def agglomerate(inputs: ClusteringInput, linkage: Linkage, threshold: float) -> np.ndarray:
    """Join groups while their linkage reaches the threshold.

    Only groups that share an edge of at least the threshold may meet. Must-links are the groups to begin with; faces of
    one photo and cannot-links stay apart.

    Args:
        inputs: The faces, their graph and constraints.
        linkage: `single`: the nearest pair of two groups, of those that the graph has. `average`, `complete`: the mean,
            the least over all pairs; those that the graph lacks are computed from the vectors.
        threshold: A cosine.

    Returns:
        (n,) int64, the group of each face, numbered by its lowest row.
    """
    state = _GroupState(inputs, linkage)
    near = inputs.similarities >= threshold
    links = state.initial_links(inputs.pairs[near], inputs.similarities[near])
    while len(links.a):
        links = state.computed(links)
        links = links.where(links.similarity >= threshold)
        a, b = reciprocal_nearest(links, len(inputs))
        links = relabel(links, state.join(a, b), linkage)
    return state.groups


def split_conflicts(labels: np.ndarray, inputs: ClusteringInput) -> np.ndarray:
    """The clusters of another method, made to obey the constraints.

    Must-links tie clusters together, and a cluster that holds a conflict is built again from scratch, strongest edges
    first, until only the conflict keeps its parts apart.

    Args:
        labels: (n,) int64, the cluster of each face, -1 for none.
        inputs: The faces, their graph and constraints.

    Returns:
        (n,) int64, the group of each face, numbered by its lowest row; a face without a cluster is a group of its own.
    """
    groups = merge_must_links(labels, inputs)
    inside = np.isin(groups, conflicting_groups(groups, inputs))
    if not inside.any():
        return groups
    rows = np.flatnonzero(inside)
    part = inputs.subset(rows)
    part = part.with_edges(groups[rows][part.pairs[:, 0]] == groups[rows][part.pairs[:, 1]])
    groups[rows] = rows[agglomerate(part, "single", -2.0)]
    return groups


class _GroupState:
    """The groups while they grow."""

    def __init__(self, inputs: ClusteringInput, linkage: Linkage) -> None:
        self._linkage, self._vectors, self._conflicts = linkage, inputs.vectors, Conflicts(inputs)
        self.groups = must_link_groups(inputs)
        self._size = np.bincount(self.groups, minlength=len(inputs))
        if linkage == "average":
            self._sums = inputs.vectors.copy()
            tied = np.flatnonzero(self.groups != np.arange(len(inputs)))
            np.add.at(self._sums, self.groups[tied], inputs.vectors[tied])

    def initial_links(self, pairs: np.ndarray, similarities: np.ndarray) -> ClusterLinks:
        """The edges (m, 2) as links; those of faces that must-links tie are still to be computed."""
        a, b = self.groups[pairs[:, 0]], self.groups[pairs[:, 1]]
        edges = similarities.astype(np.float32)
        links = unique_links(np.minimum(a, b), np.maximum(a, b), edges, len(self.groups))[0]
        if self._linkage == "single":
            return links
        tied = (self._size[links.a] > 1) | (self._size[links.b] > 1)
        return replace(links, similarity=np.where(tied, np.float32(np.nan), links.similarity))

    def join(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Put each group of b into its group of a; returns (n,) the group that each group went into."""
        into = np.arange(len(self.groups))
        into[b] = a
        self.groups = into[self.groups]
        self._size[a] += self._size[b]
        self._size[b] = 0
        if self._linkage == "average":
            self._sums[a] += self._sums[b]
        return into

    def computed(self, links: ClusterLinks) -> ClusterLinks:
        """The links that are in no conflict, all with their similarity."""
        clash = np.zeros(len(links.a), bool)
        new = links.unchecked
        clash[new] = self._conflicts.between(links.a[new], links.b[new], self.groups)
        links = links.where(~clash)
        unknown = np.isnan(links.similarity)
        a, b = links.a[unknown], links.b[unknown]
        similarity = links.similarity.copy()
        if self._linkage == "average":
            similarity[unknown] = rowwise_dot(self._sums, a, b) / (self._size[a] * self._size[b]).astype(np.float32)
        elif self._linkage == "complete":
            similarity[unknown] = self._least_similarity(a, b)
        return replace(links, similarity=similarity, unchecked=np.zeros(len(links.a), bool))

    def _least_similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The least similarity between any face of a and any of b, (m,) float32."""
        members, starts = np.argsort(self.groups, kind="stable"), np.cumsum(self._size) - self._size
        count = self._size[a] * self._size[b]
        found = np.empty(len(a), np.float32)
        for chunk in chunks_by_size(count):
            link, place = ragged_arange(count[chunk])
            width = self._size[b[chunk]][link]
            left = members[starts[a[chunk]][link] + place // width]
            right = members[starts[b[chunk]][link] + place % width]
            products = rowwise_dot(self._vectors, left, right)
            found[chunk] = np.minimum.reduceat(products, np.cumsum(count[chunk]) - count[chunk])
        return found
