"""Known people followed through the years: named and unknown faces are grouped together, from year to year.

A child of ten looks like itself at nine, less so at five. So groups of faces join one by one, the likest first, until
they hang together with somebody's named faces. Whoever is liker to another stranger is not taken for a known person.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from classface_assets.identity.constraints import expand
from classface_assets.identity.enrolment import NO_ROSTER, Enrolment
from classface_assets.identity.gaps import Gaps
from classface_assets.identity.linkage import average_linkage, measure_archive
from classface_assets.identity.material import Material
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.space import Space, fair_order

COHORT = 1000
"""Strangers against whom it is measured how crowded a face's surroundings are."""
COHORT_TOP = 40
"""How many of the likest of these count."""
SKIPPED = 3
"""The very likest, which may be the same person."""
LIFT = 10.0
"""So large that the product of two faces' crowding, which comes along with their sum, is next to nothing."""

Lead = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The least lead of each of these persons over each of those (-1: over nobody)."""


def follow(
    material: Material,
    owners: np.ndarray,
    forbidden: np.ndarray,
    needed: Lead,
    slack: float,
    settings: AssignmentSettings,
    roster: Enrolment = NO_ROSTER,
) -> np.ndarray:
    """Whose each face is, (n,) int64, -1 for nobody's: of `owners` (n,), or of the person with whom it is in a group.

    Average linkage of all faces, what is said of them holding as ever: nobody twice in a photo, a person's faces are
    one group from the start, two persons never. A group joins a person at a mean likeness of `follow_threshold`, faces
    of near years counting most, with the lead that is `needed` over whoever comes next; the next counts from `slack`
    below the threshold on. forbidden (q, 2): face and person that may not be.
    """
    known = np.flatnonzero(owners >= 0)
    if not len(known):
        return owners
    leader = np.full(int(owners.max()) + 1, -1)
    leader[owners[known][::-1]] = known[::-1]
    no = forbidden[leader[forbidden[:, 1]] >= 0]
    no = np.column_stack([no[:, 0], leader[no[:, 1]]])
    tied = np.column_stack([leader[owners[known]], known])
    said = replace(material, must=np.vstack([material.must, tied]), cannot=np.vstack([material.cannot, no]))
    measured = material.measured or measure_archive(material, settings)
    space = less_crowding(measured.told.space(material.vectors), _cohort(material, settings))
    gaps, threshold = Gaps(settings.follow_fade_years, 0.0), settings.follow_threshold
    referee = _Referee(owners, material.years, threshold, needed, roster)
    of = average_linkage(said, space.vectors, space.offset, threshold, gaps, referee, slack)
    found = referee.persons(of)
    found[no[:, 0][found[no[:, 0]] == owners[no[:, 1]]]] = -1
    return np.where(owners >= 0, owners, found[of])


def _cohort(material: Material, settings: AssignmentSettings) -> np.ndarray:
    """At most 1,000 faces of as many people, (s,) rows: of faces that look like one person only the first."""
    rows = fair_order(material.vectors)[: 2 * COHORT]
    alike = np.tril(material.vectors[rows] @ material.vectors[rows].T >= settings.cluster_threshold, -1)
    return rows[~alike.any(axis=1)][:COHORT]


def less_crowding(space: Space, cohort: np.ndarray) -> Space:
    """The space in which the likeness of two faces is less half of what each is more crowded than the average face."""
    crowd = crowding(space.vectors, space.vectors[cohort])
    lift = ((LIFT - crowd + crowd.mean()) / np.sqrt(2 * LIFT)).astype(np.float32)
    return Space(np.column_stack([space.vectors, lift]), space.offset - LIFT / 2)


def crowding(vectors: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """How like each of n faces is to strangers who look like it, (n,) float32: its mean likeness to the likest of the
    cohort (s, d), without the three likest of all. Zeros where the cohort is too small.

    Some faces are near to many: children, or whoever the model saw few of (Conneau et al. 2018: CSLS).
    """
    top = SKIPPED + max(1, len(cohort) * COHORT_TOP // COHORT)
    found = np.zeros(len(vectors), np.float32)
    if len(cohort) <= top:
        return found
    for start in range(0, len(vectors), 4096):
        part = vectors[start : start + 4096] @ cohort.T
        likest = np.sort(-np.partition(-part, top - 1, axis=1)[:, :top], axis=1)
        found[start : start + 4096] = likest[:, : top - SKIPPED].mean(axis=1)
    return found


@dataclass(frozen=True)
class _Referee:
    """Which groups may join, as far as they are people's."""

    owners: np.ndarray
    years: np.ndarray
    threshold: float
    needed: Lead
    roster: Enrolment

    def persons(self, of: np.ndarray) -> np.ndarray:
        """The person of each group, (n,), -1 where it is nobody's, or more than one person's by what people said."""
        known = self.owners >= 0
        low, high = np.full(len(of), np.iinfo(np.int64).max), np.full(len(of), -1)
        np.minimum.at(low, of[known], self.owners[known])
        np.maximum.at(high, of[known], self.owners[known])
        return np.where(low == high, high, -1)

    def __call__(self, a: np.ndarray, b: np.ndarray, likeness: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Whether groups a and b may join, (m,) bool: not two people's, and a person's only with a clear lead."""
        owner, fits = self.persons(of), likeness >= self.threshold
        owner_a, owner_b = owner[a], owner[b]
        fits &= (owner_a < 0) | (owner_b < 0)
        rows = np.flatnonzero((owner_a >= 0) != (owner_b >= 0))
        if not len(rows):
            return fits
        mine = owner_a[rows] >= 0
        person, group = np.where(mine, owner_a[rows], owner_b[rows]), np.where(mine, b[rows], a[rows])
        worth = likeness[rows] - (self._absence(person, group, of) if self.roster else 0.0)
        order = np.lexsort((person, -worth, group))
        first = np.flatnonzero(np.diff(group[order], prepend=-1))
        second = np.minimum(first + 1, len(order) - 1)
        rivalled = (second > first) & (group[order[second]] == group[order[first]])
        best, rival = order[first], order[second]
        lead = np.where(rivalled, worth[best] - worth[rival], np.inf)
        sure = lead >= self.needed(person[best], np.where(rivalled, person[rival], -1))
        allowed = np.zeros(len(rows), bool)
        allowed[best[sure]] = worth[best[sure]] >= self.threshold
        fits[rows] &= allowed
        return fits

    def _absence(self, persons: np.ndarray, groups: np.ndarray, of: np.ndarray) -> np.ndarray:
        """What each person loses for the group's faces of years in which the roster does not have them, (m,)."""
        faces, size = np.argsort(of, kind="stable"), np.bincount(of, minlength=len(of))
        link, place = expand(size[groups])
        rows = faces[(np.cumsum(size) - size)[groups[link]] + place]
        away = self.roster.absent(persons[link], self.years[rows])
        return self.roster.handicap * np.bincount(link, away, len(groups)) / size[groups]
