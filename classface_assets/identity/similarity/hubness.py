"""Hubness: some faces are similar to many strangers, and their similarity to anybody means less."""

import numpy as np

COHORT_SIZE = 1000
"""Number of other people's faces against which hubness is measured."""
TOP_STRANGERS = 40
"""Number of most similar strangers that count, of a full cohort."""
SKIPPED_NEAREST = 3
"""The very nearest, which may be the same person, are left out."""
BLOCK_ROWS = 2048


def sample_strangers(groups: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """One face each of at most COHORT_SIZE people: whoever is in many photos is not in the sample more often.

    Rows sorted by random ids are a fair sample.

    Args:
        groups: (n,) int64, the group of each unknown face, -1 for the others.
        owners: (n,) int64, the person of each known face, -1 for the others.

    Returns:
        (s,) rows, ascending: the first face of each group and of each person.
    """
    of = np.where(owners >= 0, owners, groups + owners.max(initial=-1) + 1)
    of[(owners < 0) & (groups < 0)] = -1
    first = np.sort(np.unique(of, return_index=True)[1])
    return first[of[first] >= 0][:COHORT_SIZE]


def hubness(vectors: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """The mean similarity of each face to the strangers that are most similar to it, without the very nearest.

    After the local scaling of Conneau et al. 2018 (CSLS).

    Args:
        vectors: (n, d) float32.
        cohort: (s, d) float32, vectors of strangers.

    Returns:
        (n,) float32; zeros where the cohort is too small.
    """
    top = SKIPPED_NEAREST + max(1, len(cohort) * TOP_STRANGERS // COHORT_SIZE)
    found = np.zeros(len(vectors), np.float32)
    if len(cohort) <= top:
        return found
    for start in range(0, len(vectors), BLOCK_ROWS):
        part = vectors[start : start + BLOCK_ROWS] @ cohort.T
        np.negative(part, out=part).partition(top - 1, axis=1)
        nearest = np.sort(-part[:, :top], axis=1)
        found[start : start + BLOCK_ROWS] = nearest[:, : top - SKIPPED_NEAREST].mean(axis=1)
    return found
