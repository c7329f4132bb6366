"""What known people look like: for each person and school year the best labelled faces and their mean."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize


@dataclass(frozen=True)
class Prototypes:
    """m vectors, sorted by person; `persons` of them (0 … persons-1), each with one at least where it has faces.

    `owners` (m,) whose; `years` (m,), NaN when unknown; `centroid` (m,) whether it is a mean and no face; `faces` (m,)
    the row of the face that it is, or -1. A year with one face has no centroid beside it.
    """

    persons: int
    vectors: np.ndarray
    owners: np.ndarray
    years: np.ndarray
    centroid: np.ndarray
    faces: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def only(self, kept: np.ndarray) -> "Prototypes":
        """Those of a mask."""
        columns = (self.vectors, self.owners, self.years, self.centroid, self.faces)
        return Prototypes(self.persons, *(column[kept] for column in columns))


def build_prototypes(
    vectors: np.ndarray, years: np.ndarray, quality: np.ndarray, owners: np.ndarray, persons: int, exemplars: int
) -> Prototypes:
    """For each person and school year the faces of best quality and their centroid.

    owners (n,): the person of each labelled face, -1 for the others. Faces without a year are a group of their own.
    """
    rows = np.flatnonzero(owners >= 0)
    when = np.nan_to_num(years, nan=-np.inf)
    rows = rows[np.lexsort((rows, -quality[rows], when[rows], owners[rows]))]
    new = (np.diff(owners[rows], prepend=-1) != 0) | (np.diff(np.nan_to_num(years[rows], nan=-1.0), prepend=-2.0) != 0)
    first = np.flatnonzero(new)
    sizes = np.diff(np.append(first, len(rows)))
    rank = np.arange(len(rows)) - np.repeat(first, sizes)
    best = rows[rank < exemplars]
    several = sizes > 1
    means = np.zeros((0, vectors.shape[1]), np.float32)
    if several.any():
        means = l2_normalize(np.add.reduceat(vectors[rows], first, axis=0)[several]).astype(np.float32)
    leaders = rows[first[several]]
    of = np.concatenate([best, leaders])
    centroid = np.repeat([False, True], [len(best), len(leaders)])
    order = np.lexsort((centroid, when[of], owners[of]))
    return Prototypes(
        persons,
        np.concatenate([vectors[best], means])[order].astype(np.float32),
        owners[of][order],
        years[of][order],
        centroid[order],
        np.where(centroid, -1, of)[order],
    )
