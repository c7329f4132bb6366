"""How many strangers look like a face: some faces are near to many, and their likeness to anybody says less."""

import numpy as np

COHORT_SIZE = 1000
"""Strangers against whom it is measured how crowded a face's surroundings are."""
TOP_STRANGERS = 40
"""How many of the likest of these count."""
SKIPPED_NEAREST = 3
"""The very likest, which may be the same person."""


def sample_strangers(groups: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """A face of each of at most 1,000 people, (s,) rows: the first of each group and of each person, by row. Whoever is
    in many photos is not there more often than others. Rows sorted by random ids are a fair sample."""
    of = np.where(owners >= 0, owners, groups + owners.max(initial=-1) + 1)
    of[(owners < 0) & (groups < 0)] = -1
    first = np.sort(np.unique(of, return_index=True)[1])
    return first[of[first] >= 0][:COHORT_SIZE]


def hubness(vectors: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """How like each of n faces is to strangers who look like it, (n,) float32: its mean likeness to the likest of the
    cohort (s, d), without the three likest of all. Zeros where the cohort is too small.

    Some faces are near to many: children, or whoever the model saw few of (Conneau et al. 2018: CSLS).
    """
    top = SKIPPED_NEAREST + max(1, len(cohort) * TOP_STRANGERS // COHORT_SIZE)
    found = np.zeros(len(vectors), np.float32)
    if len(cohort) <= top:
        return found
    for start in range(0, len(vectors), 4096):
        part = vectors[start : start + 4096] @ cohort.T
        likest = np.sort(-np.partition(-part, top - 1, axis=1)[:, :top], axis=1)
        found[start : start + 4096] = likest[:, : top - SKIPPED_NEAREST].mean(axis=1)
    return found
