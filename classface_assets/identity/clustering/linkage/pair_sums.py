"""Pairs of groups that may join, with the sums that make their mean similarity, and how they change as groups join.

There are as many pairs as the graph has edges above the threshold, so they are made and changed some at a time, and
what is dropped is freed at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import chunks_by_size
from classface_assets.identity.clustering.linkage.links import ClusterLinks
from classface_assets.identity.constraints.conflicts import Conflicts

CHECKED_PAIRS = 1 << 18
"""Pairs that are made, and looked up in the constraints, at a time."""
MEASURED_PAIRS = 1 << 16
"""Pairs of groups that are compared at a time."""
RELABELLED_PAIRS = 1 << 17
"""Pairs whose groups joined that are added up at a time, of very many a sixteenth."""
Measure = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Sum of weight times similarity and sum of weights, (m,) float64 each, of groups a and b, (m,) int64 each."""


@dataclass(frozen=True)
class PairRule:
    """Which pairs are retained: those in no conflict whose mean reaches the threshold."""

    measure: Measure
    conflicts: Conflicts
    threshold: float


@dataclass
class PairSums:
    """m pairs of groups a < b. Mutable: columns are replaced one after the other."""

    a: np.ndarray
    """(m,) int32, the lower group."""
    b: np.ndarray
    """(m,) int32, the higher group."""
    total: np.ndarray
    """(m,) float64, the sum of weight times similarity over all pairs of faces."""
    weight: np.ndarray
    """(m,) float64, the sum of weights; 0 where both sums are to be computed."""

    @staticmethod
    def of_keys(keys: np.ndarray, groups: np.ndarray, fixed: np.ndarray, rule: PairRule) -> "PairSums":
        """The pairs that the rule retains.

        Args:
            keys: (m,) int64, lower group times n plus higher group.
            groups: (n,) int64, the group of each face.
            fixed: (n,) bool, the groups of which no two may join.
            rule: Which pairs are retained.
        """
        found = []
        for start in range(0, max(1, len(keys)), CHECKED_PAIRS):
            a, b = np.divmod(keys[start : start + CHECKED_PAIRS], len(groups))
            some = PairSums(a.astype(np.int32), b.astype(np.int32), np.zeros(len(a)), np.zeros(len(a)))
            some.drop_within(fixed)
            some.measure(groups, rule)
            found.append(some)
        return PairSums.concatenated(found)

    @staticmethod
    def concatenated(parts: Sequence["PairSums"]) -> "PairSums":
        """The pairs of all parts, in their order; the parts are empty afterwards."""

        def column(name: str) -> np.ndarray:
            taken = [getattr(part, name) for part in parts]
            for part in parts:
                setattr(part, name, taken[0][:0])
            return np.concatenate(taken)

        return PairSums(column("a"), column("b"), column("total"), column("weight"))

    def keep(self, mask: np.ndarray) -> None:
        """Drop all pairs but those of a mask, (m,) bool."""
        if not mask.all():
            self.a, self.b = self.a[mask], self.b[mask]
            self.total = self.total[mask]
            self.weight = self.weight[mask]

    def drop_within(self, fixed: np.ndarray) -> None:
        """Drop the pairs of two groups that are both fixed, a mask (n,) bool."""
        if fixed.any():
            self.keep(~(fixed[self.a] & fixed[self.b]))

    def measure(self, groups: np.ndarray, rule: PairRule) -> None:
        """Compute the sums that lack, and drop the pairs that the rule does not retain.

        Pairs whose sums are known are in no conflict: neither were the parts that they are made of.
        """
        unknown = np.flatnonzero(self.weight == 0)
        clashing = np.zeros(len(self.a), bool)
        for start in range(0, len(unknown), CHECKED_PAIRS):
            some = unknown[start : start + CHECKED_PAIRS]
            a, b = self.a[some].astype(np.int64), self.b[some].astype(np.int64)
            clash = rule.conflicts.between(a, b, groups)
            clashing[some] = clash
            some, a, b = some[~clash], a[~clash], b[~clash]
            for first in range(0, len(some), MEASURED_PAIRS):
                part = slice(first, first + MEASURED_PAIRS)
                self.total[some[part]], self.weight[some[part]] = rule.measure(a[part], b[part])
        self.keep((self.total >= rule.threshold * self.weight) & ~clashing)

    def links(self, mask: np.ndarray | None = None) -> ClusterLinks:
        """The pairs, or those of a mask (m,) bool, with their mean similarity."""
        rows = slice(None) if mask is None or mask.all() else mask
        mean = (self.total[rows] / self.weight[rows]).astype(np.float32)
        return ClusterLinks(self.a[rows], self.b[rows], mean, np.zeros(len(mean), bool))

    def relabel(self, into: np.ndarray) -> None:
        """Let the pairs be of the groups as they are now: sums add up, unless a part of them had been dropped.

        Args:
            into: (n,) int64, the group that each group went into.
        """
        parts, now = np.bincount(into, minlength=len(into)), into.astype(np.int32)
        a, b = now[self.a], now[self.b]
        same = (parts[a] == 1) & (parts[b] == 1)
        changed = ~same & (a != b)
        lower, higher = np.minimum(a[changed], b[changed]), np.maximum(a[changed], b[changed])
        del a, b
        moved = PairSums(lower, higher, self.total[changed], self.weight[changed])
        self.keep(same)
        added = moved.added_up(parts)
        del moved, lower, higher
        both = PairSums.concatenated([PairSums(self.a, self.b, self.total, self.weight), *added])
        self.a, self.b, self.total, self.weight = both.a, both.b, both.total, both.weight

    def added_up(self, parts: np.ndarray) -> list["PairSums"]:
        """Each pair of groups once, in their order, some pairs at a time.

        Args:
            parts: (n,) int64, the number of groups that each group was before.
        """
        n, most = len(parts), max(RELABELLED_PAIRS, len(self.a) // 16)
        if len(self.a) <= most:
            return [self._added_up(slice(None), parts)]
        ranges = chunks_by_size(np.bincount(self.a, minlength=n), most)
        return [self._added_up(np.flatnonzero((self.a >= some.start) & (self.a < some.stop)), parts) for some in ranges]

    def _added_up(self, rows: np.ndarray | slice, parts: np.ndarray) -> "PairSums":
        n = len(parts)
        keys, of, count = np.unique(
            self.a[rows].astype(np.int64) * n + self.b[rows], return_inverse=True, return_counts=True
        )
        a, b = np.divmod(keys, n)
        total, weight = (np.bincount(of, column[rows], len(keys)) for column in (self.total, self.weight))
        weight = np.where(count >= parts[a] * parts[b], weight, 0.0)
        return PairSums(a.astype(np.int32), b.astype(np.int32), total, weight)
