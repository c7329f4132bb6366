"""Constrained average linkage along the nearest neighbour graph, with faces added up by group and school year.

The sums by year make the mean over all pairs of two groups cheap, however many faces they have.
"""

import numpy as np

from classface_assets.core.arrays import chunks_by_size
from classface_assets.identity.clustering.linkage.links import BATCH_ROWS, ClusterLinks, reciprocal_nearest, rowwise_dot
from classface_assets.identity.clustering.linkage.pair_sums import PairRule, PairSums
from classface_assets.identity.clustering.linkage.rule import GroupYears, LinkageRule
from classface_assets.identity.constraints.conflicts import (
    Conflicts,
    merge_must_links,
    must_link_groups,
    ragged_arange,
)
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.similarity.space import SimilaritySpace
from classface_assets.identity.similarity.year_decay import YearDecay

EDGES_AT_ONCE = 1 << 17
"""Edges of the graph that are looked at at a time."""
MEASURED_ROWS = 1 << 17
"""Pairs of rows whose similarities are computed at a time."""


def average_linkage(
    inputs: ClusteringInput,
    space: SimilaritySpace,
    rule: LinkageRule,
    fixed: np.ndarray | None = None,
    consume: bool = False,
) -> np.ndarray:
    """Join groups while their mean similarity is what the rule requires, the most similar first.

    Only groups that share an edge of the graph may meet. All pairs of groups that are each other's nearest join at
    once, which gives what joining one after the other gives, for no mean exceeds the greater of those that it is made
    of (RAC: Sumengen et al. 2021). For the same reason what lies below the threshold is dropped, and computed again
    only together with something that lies above. Where the threshold rises with size or shared years the nearest is
    sought among the pairs that may join. Ties go to the lower numbers.

    Args:
        inputs: The faces, their graph and constraints.
        space: What the faces are compared in.
        rule: What two groups need to join.
        fixed: (n,) int64, groups to begin with, none of which joins another of them, -1 for the faces of none.
        consume: Nobody needs the space afterwards: its vectors are added up in place, which saves a copy of them.

    Returns:
        (n,) int64, the lowest row of each face's group.
    """
    n = len(inputs)
    groups = must_link_groups(inputs) if fixed is None else merge_must_links(fixed, inputs)
    is_own = consume and not np.may_share_memory(space.vectors, inputs.vectors)
    own = space if is_own else SimilaritySpace(space.vectors.copy(), space.offset)
    sums, seen = GroupYearSums(own, inputs.years, groups, rule.decay), GroupYears(inputs.years, groups)
    is_fixed = np.zeros(n, bool)
    if fixed is not None:
        is_fixed[groups[fixed >= 0]] = True
    retained = PairRule(sums.measure, Conflicts(inputs), rule.threshold)
    pairs = PairSums.of_keys(edge_keys(inputs.pairs, n, groups), groups, is_fixed, retained)
    while True:
        links = _joinable(pairs, rule, groups, seen)
        if not len(links.a):
            return groups
        a, b = reciprocal_nearest(links, n)
        del links  # which take the room of the pairs once more
        into, linked = np.arange(n), np.zeros(n, bool)
        into[b] = a
        linked[pairs.a] = linked[pairs.b] = True
        groups = into[groups]
        seen.join(a, b)
        sums.join(into, linked)
        is_fixed[into[is_fixed.nonzero()]] = True
        pairs.relabel(into)
        pairs.drop_within(is_fixed)
        pairs.measure(groups, retained)


def edge_keys(pairs: np.ndarray, n: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The pairs (m, 2) of faces below n that are not in one group, each once, as lower group times n plus higher one.

    Args:
        pairs: Rows of faces, in whatever order, and perhaps both ways.
        n: Number of faces.
        groups: (n,) int64, the group of each face; None: each is one of its own.

    Returns:
        (k,) int64, ascending.
    """
    keys = np.empty(len(pairs), np.int64)
    for start in range(0, len(pairs), EDGES_AT_ONCE):
        some = slice(start, start + EDGES_AT_ONCE)
        a, b = (pairs[some].T if groups is None else groups[pairs[some]].T).astype(np.int64)
        keys[some] = np.where(a == b, -1, np.minimum(a, b) * n + np.maximum(a, b))
    keys.sort()  # np.unique takes ten times as long
    first = keys >= 0
    first[1:] &= keys[1:] != keys[:-1]
    return keys[first]


def _joinable(pairs: PairSums, rule: LinkageRule, groups: np.ndarray, seen: GroupYears) -> ClusterLinks:
    """The pairs of groups that the rule lets join."""
    if rule.is_constant:
        return pairs.links()
    size, joinable = np.bincount(groups, minlength=len(groups)), np.empty(len(pairs.a), bool)
    for start in range(0, len(pairs.a), EDGES_AT_ONCE):
        some = slice(start, start + EDGES_AT_ONCE)
        a, b = pairs.a[some], pairs.b[some]
        required = rule.required(np.minimum(size[a], size[b]), seen.shared(a, b))
        joinable[some] = pairs.total[some] >= required * pairs.weight[some]
    return pairs.links(joinable)


class GroupYearSums:
    """Faces added up by group and school year: one row each, sorted by group.

    Mutable, and the space with it: groups that join are added up in place.
    """

    def __init__(self, space: SimilaritySpace, years: np.ndarray, groups: np.ndarray, decay: YearDecay) -> None:
        """Add up the faces.

        Args:
            space: (n, d) vectors, which are overwritten, and offset.
            years: (n,) calendar years, NaN where unknown.
            groups: (n,) int64, the group of each face.
            decay: What the years between two faces change.
        """
        self._sums, self._offset, self._decay = space.vectors, space.offset, decay
        self._years, year = np.unique(years, return_inverse=True)
        self._group, self._year = groups, year.astype(np.int32)
        self._slot, self._faces = np.arange(len(groups)), np.ones(len(groups))
        self._add_up()

    def join(self, into: np.ndarray, linked: np.ndarray) -> None:
        """Put groups together.

        Args:
            into: (n,) int64, the group that each group goes into.
            linked: (n,) bool, the groups that may be asked for again; the others are dropped.
        """
        self._take(linked[self._group])
        self._group = into[self._group]
        self._add_up()

    def measure(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over all pairs of faces of two groups.

        Args:
            a: (m,) int64, a group of each pair.
            b: (m,) int64, the other one.

        Returns:
            Sum of weight times similarity, (m,) float64, and sum of the weights, (m,) float64.
        """
        first_a, first_b = np.searchsorted(self._group, a), np.searchsorted(self._group, b)
        width = np.searchsorted(self._group, b, side="right") - first_b
        count = (np.searchsorted(self._group, a, side="right") - first_a) * width
        totals, weights = np.empty(len(a)), np.empty(len(a))
        for chunk in chunks_by_size(count, MEASURED_ROWS):
            link, place = ragged_arange(count[chunk])
            left = first_a[chunk][link] + place // width[chunk][link]
            right = first_b[chunk][link] + place % width[chunk][link]
            gap = np.nan_to_num(np.abs(self._years[self._year[left]] - self._years[self._year[right]]))
            weight, pairs = self._decay.weights(gap), self._faces[left] * self._faces[right]
            similarity = rowwise_dot(self._sums, self._slot[left], self._slot[right])
            similarity = similarity + (self._offset - self._decay.penalty(gap)) * pairs
            totals[chunk] = np.bincount(link, weight * similarity, chunk.stop - chunk.start)
            weights[chunk] = np.bincount(link, weight * pairs, chunk.stop - chunk.start)
        return totals, weights

    def _take(self, rows: np.ndarray) -> None:
        """Drop all rows but these, a mask or row numbers."""
        self._group, self._year = self._group[rows], self._year[rows]
        self._slot, self._faces = self._slot[rows], self._faces[rows]

    def _add_up(self) -> None:
        """Sort the rows, and add rows of one group and year two by two until there is one of each."""
        self._take(np.argsort(self._group * len(self._years) + self._year, kind="stable"))
        while True:
            new = np.ones(len(self._group), bool)
            new[1:] = (self._group[1:] != self._group[:-1]) | (self._year[1:] != self._year[:-1])
            if new.all():
                return
            starts = np.flatnonzero(new)
            place = np.arange(len(new)) - np.repeat(starts, np.diff(np.append(starts, len(new))))
            second = np.flatnonzero(place % 2 == 1)
            for start in range(0, len(second), BATCH_ROWS):
                batch = second[start : start + BATCH_ROWS]
                self._sums[self._slot[batch - 1]] += self._sums[self._slot[batch]]
            self._faces[second - 1] += self._faces[second]
            self._take(place % 2 == 0)
