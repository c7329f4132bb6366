"""Grouping faces that may be years apart: constrained average linkage along the nearest neighbour graph.

Here is the merging alone. The space in which faces are compared is in `space`, their neighbours' part
in that in `company`, the sums that make averages cheap in `year_sums`, the second chance of single faces in
`leftovers`.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.company import with_company
from classface_assets.identity.constraints import Conflicts, must_groups, with_musts
from classface_assets.identity.gaps import Gaps, year_gaps
from classface_assets.identity.leftovers import join_leftovers
from classface_assets.identity.links import Links, each_others_best
from classface_assets.identity.material import Material
from classface_assets.identity.measured import Measured, made_with
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.space import FACES_OF_ONE, Space, fair_order, fair_sample, marks, measure
from classface_assets.identity.year_sums import YearSums

__all__ = ["Gaps", "average_linkage", "measure_archive", "temporal_linkage", "year_gaps"]

MANY_FACES = 20_000
"""With more faces than these, a part tells how the faces of one person differ."""


def temporal_linkage(
    material: Material, settings: AssignmentSettings, standing: np.ndarray | None = None
) -> np.ndarray:
    """Group of each face, (n,) int64, numbered by a face of it; a face that nobody is like is a group of its own.

    Average linkage in the archive's own space, pairs of faces weighted by closeness in years; then single faces may
    join a group. Faces of one photo and cannot-links never are in one group, must-links always are.

    standing (n,): groups of before, which stay as they are, -1 for the faces that are to be placed. Then only these are
    joined to them or to one another, and what is not near them is not looked at.
    """
    measured = material.measured or measure_archive(material, settings)
    enough = measured.told.share / max(settings.whitened_share, 1e-6)  # among few faces all have the same neighbours
    company = settings.company * enough, settings.company_lift * enough
    attach = settings.attach_threshold, settings.attach_margin
    if standing is None:
        space = with_company(measured.told.space(material.vectors), material, *company)
        return join_leftovers(_link(material, settings, space), material, *attach)
    near = _groups_beside(standing, material.pairs)
    part, stood = material.subset(near), standing[near]
    space = with_company(measured.told.space(part.vectors), material, *company, rows=near)
    joined = with_musts(standing, material)
    joined[near] = near[join_leftovers(_link(part, settings, space, stood), part, *attach, open_to=stood < 0)]
    return joined


def _groups_beside(standing: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The rows of the faces that are to be placed, and of all groups that an edge ties to one of them."""
    placing = standing < 0
    beside = np.zeros(standing.max(initial=-1) + 2, bool)  # the last is that of the faces to be placed
    for face, other in (pairs.T, pairs.T[::-1]):
        beside[standing[other[placing[face]]]] = True
    return np.flatnonzero(placing | beside[standing])


def measure_archive(material: Material, settings: AssignmentSettings) -> Measured:
    """How these faces are to be compared: what all have in common counts less, and so does what differs within people.

    The latter is what a first linkage, of a part of a large archive, finds in the space that knows only of the former.
    """
    sample = fair_sample(material.vectors) if material.sample is None else material.sample
    how = settings.cluster_threshold, settings.whitened_gain, settings.whitened_share
    blind, part = measure(sample, *how), _some_people(material)
    within = _differences(part, _link(part, settings, blind.space(part.vectors)))
    return Measured(blind, measure(sample, *how, within), made_with(settings), marks(sample))


def _link(
    material: Material,
    settings: AssignmentSettings,
    space: Space,
    standing: np.ndarray | None = None,
) -> np.ndarray:
    gaps = Gaps(settings.cluster_fade_years, 0.0)
    return average_linkage(material, space.vectors, space.offset, settings.cluster_threshold, gaps, standing)


def _some_people(material: Material) -> Material:
    """The material, or of a large one about 2,000 faces and whom the graph has near them."""
    if len(material) <= MANY_FACES:
        return material
    chosen = np.zeros(len(material), bool)
    chosen[fair_order(material.vectors)[:2000]] = True
    chosen[material.pairs[chosen[material.pairs[:, 0]], 1]] = True
    return material.subset(chosen)


def _differences(material: Material, of: np.ndarray) -> np.ndarray:
    """How the faces differ from the mean of their group, (r, d); large groups count no more than five faces."""
    size = np.bincount(of, minlength=len(of))
    order = np.argsort(of, kind="stable")
    order = order[size[of[order]] > 1]
    first = np.flatnonzero(np.diff(of[order], prepend=-1))
    if not len(first):
        return np.empty((0, material.vectors.shape[1]), np.float32)
    sizes = size[of[order[first]]]
    means = np.add.reduceat(material.vectors[order], first, axis=0) / sizes[:, None]
    weight = np.sqrt(np.minimum(1.0, FACES_OF_ONE / sizes))
    found = (material.vectors[order] - np.repeat(means, sizes, axis=0)) * np.repeat(weight, sizes)[:, None]
    return found.astype(np.float32)


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
