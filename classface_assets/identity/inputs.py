"""The input of every clustering method: one frozen set of arrays.

Frames and ids do not occur here: faces are row numbers. Whoever makes the input knows which face a row is.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.similarity.model import FittedSimilarity


class ClusteringInputError(ValueError):
    """Arrays that do not belong together."""


def _no_pairs() -> np.ndarray:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class ClusteringInput:
    """n faces, the neighbour graph between them, and the constraints on which of them may be one person.

    Raises ClusteringInputError when the arrays differ in length or name rows that do not exist.
    """

    vectors: np.ndarray
    """(n, d) float32 of unit length."""
    years: np.ndarray
    """(n,) float64, the first calendar year of the school year; NaN where it is unknown."""
    photos: np.ndarray
    """(n,) int64. Faces of one number may not join: each face of a collage has a number of its own."""
    quality: np.ndarray
    """(n,) float32, 0 to 1."""
    pairs: np.ndarray = field(default_factory=_no_pairs)
    """(m, 2) int32 or int64: the graph's directed edges, face and neighbour."""
    similarities: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    """(m,) float32: the cosine of each edge."""
    must_link: np.ndarray = field(default_factory=_no_pairs)
    """(q, 2) int64: faces that are constrained to be one person."""
    cannot_link: np.ndarray = field(default_factory=_no_pairs)
    """(q, 2) int64: faces that are constrained not to be one person."""
    sample: np.ndarray | None = None
    """(s, d) faces that show what all the archive's faces have in common; None: those of `vectors`."""
    similarity: FittedSimilarity | None = None
    """What was fitted to the whole archive; None: to be fitted to these faces and the sample."""

    def __post_init__(self) -> None:
        n, m = len(self.vectors), len(self.pairs)
        for name in ("years", "photos", "quality"):
            size = len(getattr(self, name))
            if size != n:
                raise ClusteringInputError(f"There are {n} vectors but {size} {name}: give one per face.")
        if len(self.similarities) != m:
            raise ClusteringInputError(
                f"There are {m} pairs but {len(self.similarities)} similarities: give one per pair."
            )
        for name in ("pairs", "must_link", "cannot_link"):
            rows = getattr(self, name)
            if len(rows) and (rows.min() < 0 or rows.max() >= n):
                raise ClusteringInputError(f"Some {name} name faces outside the {n} that there are.")

    def __len__(self) -> int:
        return len(self.vectors)

    def with_edges(self, mask: np.ndarray) -> "ClusteringInput":
        """The same faces with only the edges of a mask, (m,) bool."""
        return self if mask.all() else replace(self, pairs=self.pairs[mask], similarities=self.similarities[mask])

    def without_vectors(self) -> "ClusteringInput":
        """The same faces with vectors of no numbers, for those who take them from elsewhere."""
        sample = stable_sample(self.vectors) if self.sample is None else self.sample
        return replace(self, vectors=np.empty((len(self), 0), np.float32), sample=sample)

    def subset(self, rows: np.ndarray) -> "ClusteringInput":
        """The input of some of the faces.

        Args:
            rows: Row numbers without repeats, or a mask (n,) bool.

        Returns:
            These faces in the order given, with the edges and links that lie wholly within, by their new row numbers.
            Sample and fitted similarity stay those of the whole archive.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, np.int64)
        if np.array_equal(rows, np.arange(len(self))):
            return self
        is_chosen, new_row = np.zeros(len(self), bool), np.zeros(len(self), np.int32)
        is_chosen[rows], new_row[rows] = True, np.arange(len(rows))

        def within(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            inside = is_chosen[pairs[:, 0]]  # of one byte a face: looked up for each edge
            inside &= is_chosen[pairs[:, 1]]
            return new_row[pairs[inside]].astype(pairs.dtype, copy=False), inside

        pairs, inside = within(self.pairs)
        return ClusteringInput(
            vectors=self.vectors[rows],
            years=self.years[rows],
            photos=self.photos[rows],
            quality=self.quality[rows],
            pairs=pairs,
            similarities=self.similarities[inside],
            must_link=within(self.must_link)[0],
            cannot_link=within(self.cannot_link)[0],
            sample=stable_sample(self.vectors) if self.sample is None else self.sample,
            similarity=self.similarity,
        )
