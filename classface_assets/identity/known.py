"""Giving faces to people who are already known: prototypes a school year, and one face a person in each photo."""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from classface_assets.identity.linkage import Gaps, year_gaps
from classface_assets.identity.settings import AssignmentSettings


@dataclass(frozen=True)
class Prototypes:
    """What known people look like: m vectors, whose they are and from which year (NaN when unknown)."""

    persons: tuple[str, ...]
    vectors: np.ndarray
    person_index: np.ndarray
    years: np.ndarray


@dataclass(frozen=True)
class Match:
    """One face given to one person."""

    face: int
    person_id: str
    score: float
    reason: str


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def build_prototypes(
    vectors: np.ndarray, years: np.ndarray, quality: np.ndarray, confirmed: Mapping[int, str], exemplars: int
) -> Prototypes:
    """For each person and school year the best-quality confirmed faces and their centroid.

    confirmed: face row -> person. Faces without a year form a group of their own.
    """
    groups: dict[tuple[str, float], list[int]] = defaultdict(list)
    for face, person in sorted(confirmed.items()):
        groups[person, float(np.nan_to_num(years[face], nan=-np.inf))].append(face)
    persons = tuple(sorted(set(confirmed.values())))
    rows: list[np.ndarray] = []
    owner: list[int] = []
    when: list[float] = []
    for (person, year), faces in sorted(groups.items()):
        best = sorted(faces, key=lambda face: (-quality[face], face))[:exemplars]
        rows.extend(vectors[best])
        if len(faces) > 1:
            rows.append(unit(vectors[faces].mean(axis=0)))
        added = len(best) + (len(faces) > 1)
        owner += [persons.index(person)] * added
        when += [year if np.isfinite(year) else np.nan] * added
    shape = (len(rows), vectors.shape[1])
    return Prototypes(persons, np.reshape(rows, shape).astype(np.float32), np.array(owner, int), np.array(when, float))


def person_scores(
    vectors: np.ndarray, years: np.ndarray, prototypes: Prototypes, gaps: Gaps
) -> tuple[np.ndarray, np.ndarray]:
    """(n, persons) similarity of each face to each person's nearest prototype, less the penalty for the years between;
    and how many of the person's prototypes come within 0.1 of it."""
    n, m = len(vectors), len(prototypes.persons)
    best, support = np.full((n, m), -1.0, np.float32), np.zeros((n, m), np.int32)
    starts = np.searchsorted(prototypes.person_index, np.arange(m))
    for chunk in range(0, n, 2048):
        part = slice(chunk, chunk + 2048)
        worth = vectors[part] @ prototypes.vectors.T - gaps.penalty(year_gaps(years[part], prototypes.years))
        best[part] = np.maximum.reduceat(worth, starts, axis=1)
        near = worth >= best[part][:, prototypes.person_index] - 0.1
        support[part] = np.add.reduceat(near.astype(np.int32), starts, axis=1)
    return best, support


def match_known(
    faces: np.ndarray,
    vectors: np.ndarray,
    years: np.ndarray,
    photos: np.ndarray,
    prototypes: Prototypes,
    forbidden: Set[tuple[int, str]],
    settings: AssignmentSettings,
) -> list[Match]:
    """The faces (row numbers) that belong to known people, photo by photo, each person at most once a photo.

    forbidden: (face row, person) pairs that may not be: the rejected ones and people who are confirmed in that photo.
    """
    if not len(faces) or not prototypes.persons:
        return []
    from scipy.optimize import linear_sum_assignment

    gaps = Gaps(settings.fade_years, settings.drift_per_year)
    scores, support = person_scores(vectors[faces], years[faces], prototypes, gaps)
    column = {person: j for j, person in enumerate(prototypes.persons)}
    row = {int(face): i for i, face in enumerate(faces)}
    for face, person in forbidden:
        if face in row and person in column:
            scores[row[face], column[person]] = -1.0
    matches = []
    for photo in np.unique(photos[faces]):
        rows = np.flatnonzero(photos[faces] == photo)
        here = scores[rows]
        worth = np.where(here >= settings.person_threshold, here, 0.0)
        given = [(r, j) for r, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True) if worth[r, j] > 0]
        for r, j in given:
            # Someone whom another face of this photo fits better is no rival here.
            elsewhere = [taken for other, taken in given if other != r and here[other, taken] > here[r, taken]]
            rivals = np.delete(here[r], [j, *elsewhere])
            score, margin = float(here[r, j]), float(here[r, j] - rivals.max(initial=0.0))
            if margin >= settings.person_margin:
                count = int(support[rows[r], j])
                reason = f"{score:.2f} to {count} prototype{'s' * (count > 1)}, margin {margin:.2f}"
                matches.append(Match(int(faces[rows[r]]), prototypes.persons[j], score, reason))
    return matches
