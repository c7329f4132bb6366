"""Known people followed through the years: groups of unknown faces are given to the person whose faces they continue.

A child of ten looks like itself at nine, less so at five. So people take up groups one by one, the surest first, and
each group that a person took up is what the next one is compared with.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classface_assets.identity.enrolment import NO_ROSTER, Enrolment
from classface_assets.identity.linkage import Gaps

COHORT = 1000
"""Strangers against whom it is measured how crowded a face's surroundings are."""
COHORT_TOP = 40
"""How many of the likest of these count."""
SKIPPED = 3
"""The very likest, which may be the same person."""


def strangers(groups: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """A face of each of at most 1,000 people, (s,) rows: the first of each group and of each person, by row. Whoever is
    in many photos is not there more often than others. Rows sorted by random ids are a fair sample."""
    of = np.where(owners >= 0, owners, groups + owners.max(initial=-1) + 1)
    of[(owners < 0) & (groups < 0)] = -1
    first = np.sort(np.unique(of, return_index=True)[1])
    return first[of[first] >= 0][:COHORT]


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
class Sums:
    """Faces added up by group and school year: all that an average over pairs of faces needs to know."""

    starts: np.ndarray
    """(groups + 1,) where the rows of each group begin."""
    years: np.ndarray
    vectors: np.ndarray
    crowding: np.ndarray
    counts: np.ndarray


def sums(groups: np.ndarray, number: int, vectors: np.ndarray, years: np.ndarray, crowd: np.ndarray) -> Sums:
    """groups (n,) 0 … number-1, or negative for a face that is left out."""
    rows = np.flatnonzero(groups >= 0)
    when = np.nan_to_num(years[rows], nan=-1.0)
    rows = rows[np.lexsort((when, groups[rows]))]
    when = np.nan_to_num(years[rows], nan=-1.0)
    if not len(rows):
        empty = np.zeros(0, np.float32)
        return Sums(np.zeros(number + 1, np.int64), empty, np.zeros((0, vectors.shape[1]), np.float32), empty, empty)
    new = np.concatenate([[True], (np.diff(groups[rows]) != 0) | (np.diff(when) != 0)])
    first = np.flatnonzero(new)
    return Sums(
        np.searchsorted(groups[rows][first], np.arange(number + 1)),
        years[rows][first],
        np.add.reduceat(vectors[rows], first, axis=0),
        np.add.reduceat(crowd[rows], first),
        np.diff(np.append(first, len(rows))).astype(np.float32),
    )


def mean_likeness(a: Sums, b: Sums, pairs: np.ndarray, gaps: Gaps, chunk: int = 1 << 10) -> np.ndarray:
    """Of each pair (group of a, group of b) the mean over its pairs of faces, (m,) float64: similarity less half of
    both faces' crowding, less the drift of the years, pairs of faces weighted by closeness in years."""
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), chunk):
        part = pairs[start : start + chunk]
        of, left, right = _rows_of(a.starts, b.starts, part)
        gap = np.nan_to_num(np.abs(a.years[left] - b.years[right]))
        both, weight = a.counts[left] * b.counts[right], gaps.weights(gap)
        worth = np.einsum("ij,ij->i", a.vectors[left], b.vectors[right]) - gaps.penalty(gap) * both
        worth -= (a.crowding[left] * b.counts[right] + b.crowding[right] * a.counts[left]) / 2
        total = np.bincount(of, weight * worth, len(part))
        found[start : start + chunk] = total / np.bincount(of, weight * both, len(part))
    return found


def _rows_of(starts_a: np.ndarray, starts_b: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each pair of groups all pairs of their rows: number of the pair, row of a, row of b."""
    rows_a = np.diff(starts_a)[pairs[:, 0]]
    rows_b = np.diff(starts_b)[pairs[:, 1]]
    each = rows_a * rows_b
    of = np.repeat(np.arange(len(pairs)), each)
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    width = rows_b[of]
    return of, starts_a[pairs[of, 0]] + within // width, starts_b[pairs[of, 1]] + within % width


@dataclass(frozen=True)
class Followed:
    """What became of each group: its person (-1: nobody's), how like, and by how much it led the runner-up."""

    persons: np.ndarray
    scores: np.ndarray
    margins: np.ndarray


@dataclass(frozen=True)
class Chase:
    """What is followed: n faces, some of them of a person (`owners`), others in a group of unknown ones (`groups`).

    `owners`, `groups` (n,) int64: numbers from 0, -1 where it is neither; no face has both. `photos` (n,): a person or
    group has each once. `edges` (m, 2): which faces are near which. `barred` (b, 2): group and person that may not be.
    """

    vectors: np.ndarray
    years: np.ndarray
    photos: np.ndarray
    crowding: np.ndarray
    owners: np.ndarray
    groups: np.ndarray
    persons: int
    edges: np.ndarray
    barred: np.ndarray
    enrolment: Enrolment = NO_ROSTER


def follow(
    chase: Chase,
    candidates: np.ndarray,
    threshold: float,
    needed: Callable[[np.ndarray, np.ndarray], np.ndarray],
    gaps: Gaps,
) -> Followed:
    """Gives groups to persons, round by round, until no group is like enough to anybody.

    candidates (m, 2): group and person worth a look beside those that the edges bring in. In a round each person takes,
    for each school year, the group that likes it best among those that like it better than anybody else: by
    `threshold`, and with the lead that is `needed` (persons, next persons or -1) over the next.
    """
    number, persons, owners = int(chase.groups.max(initial=-1)) + 1, chase.persons, chase.owners.copy()
    found = Followed(np.full(number, -1), np.full(number, np.nan), np.full(number, np.nan))
    unknown = sums(chase.groups, number, chase.vectors, chase.years, chase.crowding)
    year_of = unknown.years[unknown.starts[:-1]]
    barred = np.unique(chase.barred.reshape(-1, 2) @ [persons, 1])
    keys = np.unique(candidates.reshape(-1, 2) @ [persons, 1])
    values = np.zeros(len(keys))
    changed = np.ones(persons, bool)
    while True:
        near = chase.edges[changed[owners[chase.edges[:, 1]]] & (owners[chase.edges[:, 1]] >= 0)]
        near = near[chase.groups[near[:, 0]] >= 0]
        seen = np.unique(np.column_stack([chase.groups[near[:, 0]], owners[near[:, 1]]]) @ [persons, 1])
        fresh = np.setdiff1d(seen, keys)
        keys, values = np.append(keys, fresh), np.append(values, np.zeros(len(fresh)))
        open_ = (found.persons[keys // persons] < 0) & ~np.isin(keys, barred)
        keys, values = keys[open_], values[open_]
        stale = changed[keys % persons]
        pairs = np.column_stack([keys // persons, keys % persons])
        known = sums(np.where(changed[owners], owners, -1), persons, chase.vectors, chase.years, chase.crowding)
        values[stale] = mean_likeness(unknown, known, pairs[stale], gaps)
        if chase.enrolment:
            values[stale] -= _absence(unknown, pairs[stale], chase.enrolment)
        values[np.flatnonzero(stale)[_share_a_photo(chase, owners, pairs[stale])]] = -np.inf
        possible = values > -np.inf
        keys, values = keys[possible], values[possible]
        group, person, score, lead, rival = _best(keys // persons, keys % persons, values)
        good = (score >= threshold) & (lead >= needed(person, rival))
        group, person, score, lead = (column[good] for column in (group, person, score, lead))
        if not len(group):
            return found
        order = np.lexsort((group, -score, year_of[group], person))
        first = np.diff(person[order], prepend=-1) != 0
        first |= np.diff(np.nan_to_num(year_of[group][order], nan=-1.0), prepend=-2) != 0
        taken = order[first]
        found.persons[group[taken]], found.scores[group[taken]] = person[taken], score[taken]
        found.margins[group[taken]] = lead[taken]
        mine = (chase.groups >= 0) & (owners < 0)
        owners[mine] = found.persons[chase.groups[mine]]
        changed = np.zeros(persons, bool)
        changed[person[taken]] = True


def _absence(unknown: Sums, pairs: np.ndarray, enrolment: Enrolment) -> np.ndarray:
    """What each (group, person) loses for the group's faces of years in which the roster does not have the person."""
    of, rows, _ = _rows_of(unknown.starts, np.array([0, 1]), np.column_stack([pairs[:, 0], np.zeros_like(pairs[:, 0])]))
    counts = unknown.counts[rows]
    away = counts * enrolment.absent(pairs[of, 1], unknown.years[rows])
    return enrolment.handicap * np.bincount(of, away, len(pairs)) / np.bincount(of, counts, len(pairs))


def _best(group: np.ndarray, person: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Group, its best person, the score, the lead over the next person (the score itself where there is none), and who
    that is, or -1."""
    order = np.lexsort((person, -values, group))
    group, person, values = group[order], person[order], values[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    second = np.minimum(first + 1, max(0, len(group) - 1))
    rivalled = (second > first) & (group[second] == group[first])
    lead = values[first] - np.where(rivalled, np.maximum(values[second], 0.0), 0.0)
    return group[first], person[first], values[first], lead, np.where(rivalled, person[second], -1)


def _share_a_photo(chase: Chase, owners: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of each (group, person) whether both have a face of one photo."""
    photos = int(chase.photos.max(initial=0)) + 1
    there = np.unique(owners[owners >= 0] * photos + chase.photos[owners >= 0])
    inside = np.flatnonzero(chase.groups >= 0)
    inside = inside[np.argsort(chase.groups[inside], kind="stable")]
    number = int(chase.groups.max(initial=-1)) + 1
    starts = np.searchsorted(chase.groups[inside], np.arange(number + 1))
    of, row, _ = _rows_of(starts, np.array([0, 1]), np.column_stack([pairs[:, 0], np.zeros(len(pairs), np.int64)]))
    clash = np.isin(pairs[of, 1] * photos + chase.photos[inside[row]], there)
    return np.bincount(of[clash], minlength=len(pairs)) > 0
