"""Linkage of groups along the graph, by rounds: all pairs that are each other's best join at once.

For single, complete and average linkage this gives what joining one pair after the other gives (reciprocal nearest
neighbours; Müllner 2011), and needs no loop over faces. Groups in conflict never join, whatever is between them.
"""

from dataclasses import replace

import numpy as np

from classface_assets.identity.clustering.links import (
    ClusterLinks,
    Linkage,
    reciprocal_nearest,
    relabel,
    rowwise_dot,
    unique_links,
)
from classface_assets.identity.constraints.conflicts import (
    Conflicts,
    chunks_by_size,
    conflicting_groups,
    merge_must_links,
    must_link_groups,
    ragged_arange,
)
from classface_assets.identity.inputs import ClusteringInput


def agglomerate(material: ClusteringInput, linkage: Linkage, threshold: float) -> np.ndarray:
    """Group of each face, (n,) int64, numbered by its lowest face; groups join while their linkage, a cosine, reaches
    the threshold.

    Only groups that share an edge of at least the threshold may meet. `single`: their nearest pair; a pair that the
    graph lacks counts as never. `average`, `complete`: the mean, the least over all pairs; those that the graph lacks
    are measured from the vectors. Must-links are the groups to begin with; photo mates and cannot-links stay apart.
    """
    groups = _GroupState(material, linkage)
    near = material.similarities >= threshold
    links = groups.start(material.pairs[near], material.similarities[near])
    while len(links.a):
        links = groups.measured(links)
        links = links.where(links.worth >= threshold)
        a, b = reciprocal_nearest(links, len(material))
        links = relabel(links, groups.join(a, b), linkage)
    return groups.of


def split_conflicts(labels: np.ndarray, material: ClusteringInput) -> np.ndarray:
    """The clusters of `labels` (n,), -1 for none, made to obey: must-links tie clusters together, and a cluster that
    holds a conflict is built anew, strongest edges first, until only the conflict keeps its parts apart.

    Returns a group a face, numbered by its lowest face; a face without a cluster is a group of its own.
    """
    group = merge_must_links(labels, material)
    inside = np.isin(group, conflicting_groups(group, material))
    if not inside.any():
        return group
    rows = np.flatnonzero(inside)
    torn = material.subset(rows)
    same = group[rows][torn.pairs[:, 0]] == group[rows][torn.pairs[:, 1]]
    torn = replace(torn, pairs=torn.pairs[same], similarities=torn.similarities[same])
    group[rows] = rows[agglomerate(torn, "single", -2.0)]
    return group


class _GroupState:
    """The groups while they grow: `of` each face, and their size."""

    def __init__(self, material: ClusteringInput, linkage: Linkage) -> None:
        self.linkage, self.vectors, self.conflicts = linkage, material.vectors, Conflicts(material)
        self.of = must_link_groups(material)
        self.size = np.bincount(self.of, minlength=len(material))
        if linkage == "average":
            self.sums = material.vectors.copy()
            tied = np.flatnonzero(self.of != np.arange(len(material)))
            np.add.at(self.sums, self.of[tied], material.vectors[tied])

    def start(self, pairs: np.ndarray, similarities: np.ndarray) -> ClusterLinks:
        """The edges (m, 2) as links; those of faces that must-links tie are to be measured."""
        a, b = self.of[pairs[:, 0]], self.of[pairs[:, 1]]
        links = unique_links(np.minimum(a, b), np.maximum(a, b), similarities.astype(np.float32), len(self.of))[0]
        if self.linkage != "single":
            links.worth[(self.size[links.a] > 1) | (self.size[links.b] > 1)] = np.nan
        return links

    def join(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Put each of b into its a; returns where each former group went."""
        into = np.arange(len(self.of))
        into[b] = a
        self.of = into[self.of]
        self.size[a] += self.size[b]
        self.size[b] = 0
        if self.linkage == "average":
            self.sums[a] += self.sums[b]
        return into

    def measured(self, links: ClusterLinks) -> ClusterLinks:
        """The links that are in no conflict, all with their worth."""
        clash = np.zeros(len(links.a), bool)
        clash[links.fresh] = self.conflicts.between(links.a[links.fresh], links.b[links.fresh], self.of)
        links = links.where(~clash)
        links.fresh[:] = False
        new = np.isnan(links.worth)
        a, b = links.a[new], links.b[new]
        if self.linkage == "average":
            links.worth[new] = rowwise_dot(self.sums, a, b) / (self.size[a] * self.size[b]).astype(np.float32)
        elif self.linkage == "complete":
            links.worth[new] = self._least(a, b)
        return links

    def _least(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The least similarity between any face of a and any of b."""
        members, starts = np.argsort(self.of, kind="stable"), np.cumsum(self.size) - self.size
        count = self.size[a] * self.size[b]
        found = np.empty(len(a), np.float32)
        for piece in chunks_by_size(count):
            link, place = ragged_arange(count[piece])
            wide = self.size[b[piece]][link]
            left = members[starts[a[piece]][link] + place // wide]
            right = members[starts[b[piece]][link] + place % wide]
            found[piece] = np.minimum.reduceat(
                rowwise_dot(self.vectors, left, right), np.cumsum(count[piece]) - count[piece]
            )
        return found
