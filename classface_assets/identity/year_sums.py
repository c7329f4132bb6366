"""Faces added up by group and school year: all that an average over pairs of faces needs to know of a group."""

import numpy as np

from classface_assets.identity.constraints import expand, pieces
from classface_assets.identity.gaps import Gaps
from classface_assets.identity.links import AT_ONCE, products


class YearSums:
    """One row a group and school year, sorted by group: the sum of its faces' vectors and their number.

    The mean over all pairs of two groups' faces is then a matter of their rows, however many faces they have.
    """

    def __init__(self, vectors: np.ndarray, offset: float, years: np.ndarray, of: np.ndarray, gaps: Gaps) -> None:
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
        for piece in pieces(count):
            link, place = expand(count[piece])
            left = first_a[piece][link] + place // wide[piece][link]
            right = first_b[piece][link] + place % wide[piece][link]
            gap = np.nan_to_num(np.abs(self.years[self.year[left]] - self.years[self.year[right]]))
            weight, pairs = self.gaps.weights(gap), self.faces[left] * self.faces[right]
            likeness = products(self.sums, self.slot[left], self.slot[right])
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
            for start in range(0, len(second), AT_ONCE):
                part = second[start : start + AT_ONCE]
                self.sums[self.slot[part - 1]] += self.sums[self.slot[part]]
            self.faces[second - 1] += self.faces[second]
            self._take(place % 2 == 0)
