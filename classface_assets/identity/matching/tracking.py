"""Known people followed through the years: groups of unknown faces are given to the person whose faces they continue.

A child of ten looks like itself at nine, less so at five. So people take up groups one by one, the surest first, and
each group that a person took up is what the next one is compared with.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classface_assets.identity.constraints.enrolment import NO_ROSTER, RosterPresence
from classface_assets.identity.matching.tracklets import (
    TrackletSums,
    absent_share,
    mean_similarity,
    min_year_gap,
    row_pairs,
    tracklet_sums,
)
from classface_assets.identity.similarity.year_decay import YearDecay


@dataclass(frozen=True)
class PropagationResult:
    """What became of each group: its person (-1: nobody's), how likely, and by how much more than the runner-up."""

    persons: np.ndarray
    scores: np.ndarray
    margins: np.ndarray


@dataclass(frozen=True)
class PropagationThresholds:
    """What it takes for a group to be given to a person."""

    threshold: float
    """Least mean of the group's worth to the person and its lead over the next."""
    far: float
    """Taken off its worth by the logarithm of 1 + the years to the nearest face that somebody labelled: whoever was
    labelled at five is in the photos of that year, and may have left before the next ones."""
    size: float
    """Taken off by the logarithm of its number of faces: of many faces of one person some would be plainly like it."""
    lead: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """The least lead of persons over the next ones (-1: nobody)."""
    gaps: YearDecay


@dataclass(frozen=True)
class PropagationProblem:
    """What is followed: n faces, some of them of a person (`owners`), others in a group of unknown ones (`groups`).

    `owners`, `groups` (n,) int64: numbers from 0, -1 where it is neither; no face has both. `labelled` (n,): those of
    the owners whom people named. `photos` (n,): a person or group has each once. `edges` (m, 2): which faces are near
    which. `barred` (b, 2): group and person that may not be.
    """

    vectors: np.ndarray
    years: np.ndarray
    photos: np.ndarray
    crowding: np.ndarray
    owners: np.ndarray
    labelled: np.ndarray
    groups: np.ndarray
    persons: int
    edges: np.ndarray
    barred: np.ndarray
    enrolment: RosterPresence = NO_ROSTER


def propagate_identities(
    chase: PropagationProblem, candidates: np.ndarray, demands: PropagationThresholds
) -> PropagationResult:
    """Gives groups to persons, round by round, until no group is like enough to anybody.

    candidates (m, 2): group and person worth a look beside those that the edges bring in. In a round each person takes,
    for each school year, the surest group among those that like it better than anybody else.
    """
    number, persons, owners = int(chase.groups.max(initial=-1)) + 1, chase.persons, chase.owners.copy()
    found = PropagationResult(np.full(number, -1), np.full(number, np.nan), np.full(number, np.nan))
    unknown = tracklet_sums(chase.groups, number, chase.vectors, chase.years, chase.crowding)
    labelled = tracklet_sums(chase.labelled, persons, chase.vectors[:, :0], chase.years, chase.crowding)
    year_of = unknown.years[unknown.starts[:-1]]
    barred = np.unique(chase.barred.reshape(-1, 2) @ [persons, 1])
    keys = np.unique(candidates.reshape(-1, 2) @ [persons, 1])
    values = np.zeros(len(keys))
    changed = np.ones(persons, bool)
    while True:
        fresh = np.setdiff1d(_adjacent_pairs(chase, owners, changed) @ [persons, 1], keys)
        keys, values = np.append(keys, fresh), np.append(values, np.zeros(len(fresh)))
        open_ = (found.persons[keys // persons] < 0) & ~np.isin(keys, barred)
        keys, values = keys[open_], values[open_]
        stale = np.flatnonzero(changed[keys % persons])
        pairs = np.column_stack([keys[stale] // persons, keys[stale] % persons])
        known = tracklet_sums(
            np.where(changed[owners], owners, -1), persons, chase.vectors, chase.years, chase.crowding
        )
        values[stale] = _pair_scores(unknown, known, labelled, pairs, demands, chase.enrolment)
        values[stale[_shares_photo(chase, owners, pairs)]] = -np.inf
        possible = values > -np.inf
        keys, values = keys[possible], values[possible]
        group, person, score, lead, rival = _best_person(keys // persons, keys % persons, values)
        good = ((score + lead) / 2 >= demands.threshold) & (lead >= demands.lead(person, rival))
        group, person, score, lead = (column[good] for column in (group, person, score, lead))
        if not len(group):
            return found
        order = np.lexsort((group, -score - lead, year_of[group], person))
        first = np.diff(person[order], prepend=-1) != 0
        first |= np.diff(np.nan_to_num(year_of[group][order], nan=-1.0), prepend=-2) != 0
        taken = order[first]
        found.persons[group[taken]], found.scores[group[taken]] = person[taken], score[taken]
        found.margins[group[taken]] = lead[taken]
        mine = (chase.groups >= 0) & (owners < 0)
        owners[mine] = found.persons[chase.groups[mine]]
        changed = np.zeros(persons, bool)
        changed[person[taken]] = True


def _adjacent_pairs(chase: PropagationProblem, owners: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The (group, person) that an edge of the graph ties, (m, 2), of the persons that changed."""
    owner = owners[chase.edges[:, 1]]
    near = changed[owner] & (owner >= 0) & (chase.groups[chase.edges[:, 0]] >= 0)
    return np.column_stack([chase.groups[chase.edges[near, 0]], owner[near]])


def _pair_scores(
    unknown: TrackletSums,
    known: TrackletSums,
    labelled: TrackletSums,
    pairs: np.ndarray,
    demands: PropagationThresholds,
    enrolment: RosterPresence,
) -> np.ndarray:
    """How likely each group of the pairs is to be the person, on the scale of likeness."""
    worth = mean_similarity(unknown, known, pairs, demands.gaps)
    worth -= demands.far * np.log1p(min_year_gap(unknown, labelled, pairs))
    worth -= demands.size * np.log(unknown.faces)[pairs[:, 0]]
    return worth - enrolment.handicap * absent_share(unknown, pairs, enrolment) if enrolment else worth


def _best_person(group: np.ndarray, person: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Group, its best person, the score, the lead over the next person (the score itself where there is none), and who
    that is, or -1."""
    order = np.lexsort((person, -values, group))
    group, person, values = group[order], person[order], values[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    second = np.minimum(first + 1, max(0, len(group) - 1))
    rivalled = (second > first) & (group[second] == group[first])
    lead = values[first] - np.where(rivalled, np.maximum(values[second], 0.0), 0.0)
    return group[first], person[first], values[first], lead, np.where(rivalled, person[second], -1)


def _shares_photo(chase: PropagationProblem, owners: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of each (group, person) whether both have a face of one photo."""
    photos = int(chase.photos.max(initial=0)) + 1
    there = np.unique(owners[owners >= 0] * photos + chase.photos[owners >= 0])
    inside = np.flatnonzero(chase.groups >= 0)
    inside = inside[np.argsort(chase.groups[inside], kind="stable")]
    number = int(chase.groups.max(initial=-1)) + 1
    starts = np.searchsorted(chase.groups[inside], np.arange(number + 1))
    of, row, _ = row_pairs(starts, np.array([0, 1]), np.column_stack([pairs[:, 0], np.zeros(len(pairs), np.int64)]))
    clash = np.isin(pairs[of, 1] * photos + chase.photos[inside[row]], there)
    return np.bincount(of[clash], minlength=len(pairs)) > 0
