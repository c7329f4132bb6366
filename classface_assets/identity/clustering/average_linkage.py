"""Constrained average linkage along the nearest neighbour graph: the merging alone.

The sums that make averages cheap are in `year_sums`.

Faces added up by group and school year: all that an average over pairs of faces needs to know of a group.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.clustering.links import BATCH_ROWS, ClusterLinks, reciprocal_nearest, rowwise_dot
from classface_assets.identity.constraints.conflicts import (
    Conflicts,
    chunks_by_size,
    merge_must_links,
    must_link_groups,
    ragged_arange,
)
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.whitening import SimilaritySpace
from classface_assets.identity.similarity.year_decay import YearDecay


class GroupYearSums:
    """One row a group and school year, sorted by group: the sum of its faces' vectors and their number.

    The mean over all pairs of two groups' faces is then a matter of their rows, however many faces they have.
    """

    def __init__(self, vectors: np.ndarray, offset: float, years: np.ndarray, of: np.ndarray, gaps: YearDecay) -> None:
        """vectors (n, d) become the sums, in place; likeness is their product plus offset; of (n,): the groups."""
        self.sums, self.offset, self.gaps = vectors, offset, gaps
        self.years, year = np.unique(years, return_inverse=True)
        self.group, self.year = of, year.astype(np.int32)
        self.slot, self.faces = np.arange(len(of)), np.ones(len(of))
        self._add_up()

    def join(self, into: np.ndarray, living: np.ndarray) -> None:
        """Groups go `into` (n,) others; those that are not `living` (n,) bool are not asked for again."""
        kept = living[self.group]
        self._take(kept)
        self.group = into[self.group]
        self._add_up()

    def measure(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum over all pairs of faces of groups a and b, (m,) each, of weight times likeness, and of the weights."""
        first_a, first_b = np.searchsorted(self.group, a), np.searchsorted(self.group, b)
        wide = np.searchsorted(self.group, b, side="right") - first_b
        count = (np.searchsorted(self.group, a, side="right") - first_a) * wide
        totals, weights = np.empty(len(a)), np.empty(len(a))
        for piece in chunks_by_size(count):
            link, place = ragged_arange(count[piece])
            left = first_a[piece][link] + place // wide[piece][link]
            right = first_b[piece][link] + place % wide[piece][link]
            gap = np.nan_to_num(np.abs(self.years[self.year[left]] - self.years[self.year[right]]))
            weight, pairs = self.gaps.weights(gap), self.faces[left] * self.faces[right]
            likeness = rowwise_dot(self.sums, self.slot[left], self.slot[right])
            likeness = likeness + (self.offset - self.gaps.penalty(gap)) * pairs
            totals[piece] = np.bincount(link, weight * likeness, piece.stop - piece.start)
            weights[piece] = np.bincount(link, weight * pairs, piece.stop - piece.start)
        return totals, weights

    def _take(self, rows: np.ndarray) -> None:
        self.group, self.year = self.group[rows], self.year[rows]
        self.slot, self.faces = self.slot[rows], self.faces[rows]

    def _add_up(self) -> None:
        """Sorts the rows, and adds rows of one group and year two by two until there is one of each."""
        self._take(np.argsort(self.group * len(self.years) + self.year, kind="stable"))
        while True:
            new = np.ones(len(self.group), bool)
            new[1:] = (self.group[1:] != self.group[:-1]) | (self.year[1:] != self.year[:-1])
            if new.all():
                return
            starts = np.flatnonzero(new)
            place = np.arange(len(new)) - np.repeat(starts, np.diff(np.append(starts, len(new))))
            second = np.flatnonzero(place % 2 == 1)
            for start in range(0, len(second), BATCH_ROWS):
                part = second[start : start + BATCH_ROWS]
                self.sums[self.slot[part - 1]] += self.sums[self.slot[part]]
            self.faces[second - 1] += self.faces[second]
            self._take(place % 2 == 0)


def average_linkage_in(
    material: ClusteringInput,
    settings: AssignmentSettings,
    space: SimilaritySpace,
    standing: np.ndarray | None = None,
) -> np.ndarray:
    """`average_linkage` in this space, by the settings for unknown faces."""
    gaps = YearDecay(settings.cluster_fade_years, 0.0)
    return average_linkage(material, space.vectors, space.offset, settings.cluster_threshold, gaps, standing)


def average_linkage(
    material: ClusteringInput,
    vectors: np.ndarray,
    offset: float,
    threshold: float,
    gaps: YearDecay,
    standing: np.ndarray | None = None,
) -> np.ndarray:
    """The lowest face of each face's group, (n,) int64.

    vectors (n, d): their products plus offset are likenesses; they are overwritten. Groups join while the mean over all
    pairs of their faces, pairs weighted by closeness in years, reaches the threshold, the likest first. Only groups
    that share an edge of the graph may meet. All pairs of groups that are each other's best join at once, which
    gives what joining one after the other gives, for no mean exceeds the greater of those that it is made of (RAC:
    Sumengen et al. 2021). For the same reason what lies below the threshold is forgotten, and measured anew only
    together with something that lies above. Ties go to the lower numbers.

    standing (n,): groups to begin with, none of which joins another of them, -1 for the faces of none.
    """
    n = len(material)
    of = must_link_groups(material) if standing is None else merge_must_links(standing, material)
    conflicts, sums = Conflicts(material), GroupYearSums(vectors, offset, material.years, of, gaps)
    stood = np.zeros(n, bool)
    if standing is not None:
        stood[of[standing >= 0]] = True
    bonds = _measure_pairs(_initial_pairs(material, of).but(stood), sums, conflicts, of)
    while True:
        bonds = bonds.where(bonds.total >= threshold * bonds.weight)
        if not len(bonds.a):
            return of
        a, b = reciprocal_nearest(bonds.links(), n)
        into, living = np.arange(n), np.zeros(n, bool)
        into[b] = a
        living[bonds.a] = living[bonds.b] = True
        of = into[of]
        sums.join(into, living)
        stood[into[stood.nonzero()]] = True
        bonds = _measure_pairs(_relabel_pairs(bonds, into).but(stood), sums, conflicts, of)


@dataclass(frozen=True)
class _PairSums:
    """Pairs of groups a < b with the sums that make their mean; weight 0 where it is to be measured."""

    a: np.ndarray
    b: np.ndarray
    total: np.ndarray
    weight: np.ndarray

    def where(self, kept: np.ndarray) -> "_PairSums":
        return _PairSums(self.a[kept], self.b[kept], self.total[kept], self.weight[kept])

    def but(self, stood: np.ndarray) -> "_PairSums":
        """Without the pairs of groups that both `stood`, a mask (n,)."""
        return self.where(~(stood[self.a] & stood[self.b])) if stood.any() else self

    def links(self) -> ClusterLinks:
        return ClusterLinks(self.a, self.b, (self.total / self.weight).astype(np.float32), np.zeros(len(self.a), bool))


def _initial_pairs(material: ClusteringInput, of: np.ndarray) -> _PairSums:
    """The graph's edges, each pair of groups once, all to be measured."""
    a, b = of[material.pairs[:, 0]], of[material.pairs[:, 1]]
    apart = a != b
    keys = np.sort(np.minimum(a, b)[apart] * len(of) + np.maximum(a, b)[apart])  # np.unique takes ten times as long
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return _PairSums(keys // len(of), keys % len(of), np.zeros(len(keys)), np.zeros(len(keys)))


def _relabel_pairs(bonds: _PairSums, into: np.ndarray) -> _PairSums:
    """The bonds between the groups as they are now: sums add up, unless a part of them had been forgotten."""
    parts = np.bincount(into, minlength=len(into))
    a, b = into[bonds.a], into[bonds.b]
    touched = ((parts[a] > 1) | (parts[b] > 1)) & (a != b)
    still = bonds.where((parts[a] == 1) & (parts[b] == 1))
    a, b, total, weight = a[touched], b[touched], bonds.total[touched], bonds.weight[touched]
    keys, of, count = np.unique(
        np.minimum(a, b) * len(into) + np.maximum(a, b), return_inverse=True, return_counts=True
    )
    a, b = keys // len(into), keys % len(into)
    total, weight = np.bincount(of, total, len(keys)), np.bincount(of, weight, len(keys))
    weight[count < parts[a] * parts[b]] = 0
    joined = _PairSums(a, b, total, weight)
    return _PairSums(*(np.concatenate([getattr(still, f), getattr(joined, f)]) for f in ("a", "b", "total", "weight")))


def _measure_pairs(bonds: _PairSums, sums: GroupYearSums, conflicts: Conflicts, of: np.ndarray) -> _PairSums:
    """The bonds without those in conflict, all with their sums. What was known of both parts was in no conflict."""
    unknown = bonds.weight == 0
    clash = unknown.copy()
    clash[unknown] = conflicts.between(bonds.a[unknown], bonds.b[unknown], of)
    bonds = bonds.where(~clash)
    unknown = bonds.weight == 0
    bonds.total[unknown], bonds.weight[unknown] = sums.measure(bonds.a[unknown], bonds.b[unknown])
    return bonds
