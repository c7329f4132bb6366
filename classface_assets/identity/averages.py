"""Constrained average linkage along the nearest neighbour graph: the merging alone.

The sums that make averages cheap are in `year_sums`.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.constraints import Conflicts, must_groups, with_musts
from classface_assets.identity.gaps import Gaps
from classface_assets.identity.links import Links, each_others_best
from classface_assets.identity.material import Material
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.space import Space
from classface_assets.identity.year_sums import YearSums


def linked(
    material: Material,
    settings: AssignmentSettings,
    space: Space,
    standing: np.ndarray | None = None,
) -> np.ndarray:
    """`average_linkage` in this space, by the settings for unknown faces."""
    gaps = Gaps(settings.cluster_fade_years, 0.0)
    return average_linkage(material, space.vectors, space.offset, settings.cluster_threshold, gaps, standing)


def average_linkage(
    material: Material,
    vectors: np.ndarray,
    offset: float,
    threshold: float,
    gaps: Gaps,
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
    of = must_groups(material) if standing is None else with_musts(standing, material)
    conflicts, sums = Conflicts(material), YearSums(vectors, offset, material.years, of, gaps)
    stood = np.zeros(n, bool)
    if standing is not None:
        stood[of[standing >= 0]] = True
    bonds = _measured(_first(material, of).but(stood), sums, conflicts, of)
    while True:
        bonds = bonds.where(bonds.total >= threshold * bonds.weight)
        if not len(bonds.a):
            return of
        a, b = each_others_best(bonds.links(), n)
        into, living = np.arange(n), np.zeros(n, bool)
        into[b] = a
        living[bonds.a] = living[bonds.b] = True
        of = into[of]
        sums.join(into, living)
        stood[into[stood.nonzero()]] = True
        bonds = _measured(_renamed(bonds, into).but(stood), sums, conflicts, of)


@dataclass(frozen=True)
class _Bonds:
    """Pairs of groups a < b with the sums that make their mean; weight 0 where it is to be measured."""

    a: np.ndarray
    b: np.ndarray
    total: np.ndarray
    weight: np.ndarray

    def where(self, kept: np.ndarray) -> "_Bonds":
        return _Bonds(self.a[kept], self.b[kept], self.total[kept], self.weight[kept])

    def but(self, stood: np.ndarray) -> "_Bonds":
        """Without the pairs of groups that both `stood`, a mask (n,)."""
        return self.where(~(stood[self.a] & stood[self.b])) if stood.any() else self

    def links(self) -> Links:
        return Links(self.a, self.b, (self.total / self.weight).astype(np.float32), np.zeros(len(self.a), bool))


def _first(material: Material, of: np.ndarray) -> _Bonds:
    """The graph's edges, each pair of groups once, all to be measured."""
    a, b = of[material.pairs[:, 0]], of[material.pairs[:, 1]]
    apart = a != b
    keys = np.sort(np.minimum(a, b)[apart] * len(of) + np.maximum(a, b)[apart])  # np.unique takes ten times as long
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return _Bonds(keys // len(of), keys % len(of), np.zeros(len(keys)), np.zeros(len(keys)))


def _renamed(bonds: _Bonds, into: np.ndarray) -> _Bonds:
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
    joined = _Bonds(a, b, total, weight)
    return _Bonds(*(np.concatenate([getattr(still, f), getattr(joined, f)]) for f in ("a", "b", "total", "weight")))


def _measured(bonds: _Bonds, sums: YearSums, conflicts: Conflicts, of: np.ndarray) -> _Bonds:
    """The bonds without those in conflict, all with their sums. What was known of both parts was in no conflict."""
    unknown = bonds.weight == 0
    clash = unknown.copy()
    clash[unknown] = conflicts.between(bonds.a[unknown], bonds.b[unknown], of)
    bonds = bonds.where(~clash)
    unknown = bonds.weight == 0
    bonds.total[unknown], bonds.weight[unknown] = sums.measure(bonds.a[unknown], bonds.b[unknown])
    return bonds
