"""Known people tracked through the years: groups of unknown faces go to the person whose faces they continue.

A child of ten looks like itself at nine, less so at five. So persons receive groups one by one, the surest first, and
each group that a person received is what the next one is compared with.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import is_in_sorted, sorted_unique
from classface_assets.identity.constraints.conflicts import ragged_arange
from classface_assets.identity.matching.pair_scores import (
    PairScorer,
    PairScores,
    PropagationProblem,
    PropagationThresholds,
)
from classface_assets.identity.matching.tracklets import row_pairs


@dataclass(frozen=True)
class PropagationResult:
    """What became of each group."""

    persons: np.ndarray
    """(groups,) int64, its person, -1 for none."""
    scores: np.ndarray
    """(groups,) float64, its score, NaN for none."""
    margins: np.ndarray
    """(groups,) float64, the lead over the runner-up, NaN for none."""
    pair_scores: PairScores
    """Of the groups for the persons that they were compared with, for the next run."""


def propagate_identities(
    problem: PropagationProblem,
    candidates: np.ndarray,
    thresholds: PropagationThresholds,
    known: PairScores | None = None,
) -> PropagationResult:
    """Give groups to persons, round by round, until no group is similar enough to anybody.

    In a round each person receives, for each school year, the surest group among those that prefer it to all others.

    Args:
        problem: Faces, persons and groups.
        candidates: (m, 2) int64, group and person to be compared beside those that the edges bring in.
        thresholds: What it takes.
        known: Scores that an earlier run computed.
    """
    count, persons, owners = problem.group_count, problem.persons, problem.owners.copy()
    given, scores, margins = np.full(count, -1), np.full(count, np.nan), np.full(count, np.nan)
    scorer, year_of = PairScorer(problem, thresholds, known), _first_years(problem)
    adjacent, photos = _AdjacentGroups.of(problem), _GroupPhotos.of(problem)
    forbidden = sorted_unique(problem.forbidden.reshape(-1, 2) @ [persons, 1])
    keys = sorted_unique(candidates.reshape(-1, 2) @ [persons, 1])
    keys = keys[~is_in_sorted(keys, forbidden)]
    values, all_defined, is_first_round = np.zeros(len(keys)), True, True
    changed, joined = np.ones(persons, bool), np.flatnonzero(owners >= 0)
    while True:
        fresh = sorted_unique(adjacent.to(joined, owners) @ [persons, 1])
        fresh = fresh[~is_in_sorted(fresh, keys) & ~is_in_sorted(fresh, forbidden)]
        keys, values = np.append(keys, fresh), np.append(values, np.zeros(len(fresh)))
        order = np.argsort(keys, kind="stable")
        order = order[given[keys[order] // persons] < 0]
        keys, values = keys[order], values[order]
        stale = np.flatnonzero(changed[keys % persons])
        pairs = np.column_stack([keys[stale] // persons, keys[stale] % persons])
        of_changed = np.where(changed[owners], owners, -1)
        values[stale] = scorer.scores(pairs, of_changed)
        if not is_first_round:
            values[stale[photos.shared(of_changed, pairs)]] = -np.inf
        possible = values > -np.inf
        all_defined = all_defined and not np.isnan(values).any()
        keys, values, is_first_round = keys[possible], values[possible], False
        group, person, score, lead, rival = best_person(keys // persons, keys % persons, values)
        good = ((score + lead) / 2 >= thresholds.threshold) & (lead >= thresholds.min_lead(person, rival))
        group, person, score, lead = (column[good] for column in (group, person, score, lead))
        if not len(group):
            return PropagationResult(given, scores, margins, scorer.all_scores())
        order = np.lexsort((group, -score - lead, year_of[group], person))
        first = np.diff(person[order], prepend=-1) != 0
        first |= np.diff(np.nan_to_num(year_of[group][order], nan=-1.0), prepend=-2) != 0
        taken = order[first]
        given[group[taken]], scores[group[taken]] = person[taken], score[taken]
        margins[group[taken]] = lead[taken]
        waiting = (problem.groups >= 0) & (owners < 0)
        owners[waiting] = given[problem.groups[waiting]]
        changed = np.zeros(persons, bool)
        changed[person[taken]] = True
        # A pair that was dropped stays so: its group is given, or it shares a photo with its person, who only gains
        # faces. Only one without a score may have one when its person has more faces.
        is_new = waiting if all_defined else np.ones(len(owners), bool)
        joined = np.flatnonzero(is_new & (owners >= 0) & changed[owners])


@dataclass(frozen=True)
class _AdjacentGroups:
    """The groups that edges of the graph tie to each face."""

    starts: np.ndarray
    """(n + 1,) int64, where the groups of each face begin."""
    groups: np.ndarray
    """(m,) int64."""

    @staticmethod
    def of(problem: PropagationProblem) -> "_AdjacentGroups":
        """Of the edges that begin in a group."""
        from scipy.sparse import coo_array

        group = problem.groups[problem.edges[:, 0]]
        begins = group >= 0
        group, other = group[begins], problem.edges[begins, 1]
        by_other = coo_array((group, (other, np.arange(len(group)))), shape=(len(problem.groups), len(group))).tocsr()
        return _AdjacentGroups(by_other.indptr.astype(np.int64), by_other.data)

    def to(self, faces: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """The groups tied to some faces, and the owners of these, (m, 2)."""
        first = self.starts[faces]
        face, place = ragged_arange(self.starts[faces + 1] - first)
        return np.column_stack([self.groups[first[face] + place], owners[faces[face]]])


def _first_years(problem: PropagationProblem) -> np.ndarray:
    """The year of each group, of several the first, (groups,) float64; NaN where it is unknown of one of its faces."""
    found, inside = np.full(problem.group_count, np.inf), problem.groups >= 0
    np.minimum.at(found, problem.groups[inside], np.nan_to_num(problem.years[inside], nan=-1.0))
    return np.where(found < 0, np.nan, found)


def best_person(group: np.ndarray, person: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each group once, its best person, the score, the lead over the next person, and who that is.

    Where there is no next person it is -1, and the lead is the score itself.

    Args:
        group: (m,) int64, ascending.
        person: (m,) int64, of each group ascending; of equally good ones the lowest counts.
        values: (m,) float64, the scores.
    """
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    first, values = _first_greatest(values, starts), values.copy()
    best = values[first]
    values[first] = -np.inf
    second = _first_greatest(values, starts)
    has_rival = values[second] > -np.inf
    lead = best - np.where(has_rival, np.maximum(values[second], 0.0), 0.0)
    return group[first], person[first], best, lead, np.where(has_rival, person[second], -1)


def _first_greatest(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The place of the greatest of the values (m,) from each start to the next, of equals the first."""
    if not len(starts):
        return starts
    stretch = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    greatest = np.flatnonzero(values == np.maximum.reduceat(values, starts)[stretch])
    return greatest[np.flatnonzero(np.diff(stretch[greatest], prepend=-1))]


@dataclass(frozen=True)
class _GroupPhotos:
    """The photos of the faces of each group."""

    starts: np.ndarray
    """(groups + 1,) int64, where the photos of each group begin."""
    photos: np.ndarray
    """(r,) int64, of the faces in groups."""
    of_faces: np.ndarray
    """(n,) int64, of all faces."""

    @staticmethod
    def of(problem: PropagationProblem) -> "_GroupPhotos":
        """Of all groups."""
        inside = np.flatnonzero(problem.groups >= 0)
        inside = inside[np.argsort(problem.groups[inside], kind="stable")]
        starts = np.searchsorted(problem.groups[inside], np.arange(problem.group_count + 1))
        return _GroupPhotos(starts, problem.photos[inside], problem.photos)

    def shared(self, owners: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Of each group and person, (m, 2), whether both have a face of one photo, (m,) bool.

        Args:
            owners: (n,) int64, the person of each face, -1 for none, or one who is in no pair.
            pairs: Group and person.
        """
        photos = int(self.of_faces.max(initial=0)) + 1
        present = sorted_unique(owners[owners >= 0] * photos + self.of_faces[owners >= 0])
        no_group = np.zeros(len(pairs), np.int64)
        of, row, _ = row_pairs(self.starts, np.array([0, 1]), np.column_stack([pairs[:, 0], no_group]))
        clash = is_in_sorted(pairs[of, 1] * photos + self.photos[row], present)
        return np.bincount(of[clash], minlength=len(pairs)) > 0
