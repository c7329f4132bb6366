"""Prototypes of known people: for each person and school year the best labelled faces and their mean."""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize


@dataclass(frozen=True)
class Prototypes:
    """m prototypes, sorted by person. A year with one face has no centroid beside it."""

    persons: int
    """Number of persons, 0 to persons - 1; each has a prototype at least where it has faces."""
    vectors: np.ndarray
    """(m, d) float32 of unit length."""
    owners: np.ndarray
    """(m,) int64, the person of each."""
    years: np.ndarray
    """(m,) float64, NaN when unknown."""
    centroid: np.ndarray
    """(m,) bool, whether it is a mean and no face."""
    faces: np.ndarray
    """(m,) int64, the row of the face that it is, or -1."""

    def __len__(self) -> int:
        return len(self.vectors)

    def only(self, mask: np.ndarray) -> "Prototypes":
        """Those of a mask, (m,) bool."""
        return Prototypes(
            persons=self.persons,
            vectors=self.vectors[mask],
            owners=self.owners[mask],
            years=self.years[mask],
            centroid=self.centroid[mask],
            faces=self.faces[mask],
        )


def build_prototypes(
    vectors: np.ndarray, years: np.ndarray, quality: np.ndarray, owners: np.ndarray, persons: int, exemplars: int
) -> Prototypes:
    """For each person and school year the faces of best quality and their centroid.

    Args:
        vectors: (n, d) float32 of unit length, of faces or portraits.
        years: (n,) float64 calendar years, NaN where unknown; such faces are a group of their own.
        quality: (n,) floats, 0 to 1.
        owners: (n,) int64, the person of each labelled face, -1 for the others, which are ignored.
        persons: Number of persons.
        exemplars: Greatest number of faces of each person and year.
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
        persons=persons,
        vectors=np.concatenate([vectors[best], means])[order].astype(np.float32),
        owners=owners[of][order],
        years=years[of][order],
        centroid=centroid[order],
        faces=np.where(centroid, -1, of)[order],
    )
