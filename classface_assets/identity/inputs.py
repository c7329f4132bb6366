"""What the grouping of faces works on: one frozen set of arrays, the same for every method.

No frames and no ids in here: rows are numbers. Who a row is, is known to whoever made the material.
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
    """n faces, the graph between them, and what is known about which of them may be one person."""

    vectors: np.ndarray
    """(n, d) float32 of unit length."""
    years: np.ndarray
    """(n,) float64, the first calendar year of the school year; NaN where it is unknown."""
    photos: np.ndarray
    """(n,) int64. Faces of one number may not join: each face of a collage has a number of its own."""
    quality: np.ndarray
    """(n,) float32, 0 to 1."""
    pairs: np.ndarray = field(default_factory=_no_pairs)
    """(m, 2) int64: the graph's directed edges, face and neighbour."""
    similarities: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    """(m,) float32: the cosine of each edge."""
    must_link: np.ndarray = field(default_factory=_no_pairs)
    """(q, 2) int64: faces that people said are one person."""
    cannot_link: np.ndarray = field(default_factory=_no_pairs)
    """(q, 2) int64: faces that people said are not one person."""
    sample: np.ndarray | None = None
    """(s, d) faces that show what all the archive's faces have in common; None: those of `vectors`."""
    measured: FittedSimilarity | None = None
    """What was measured of the whole archive; None: to be measured on these faces and the sample."""

    def __post_init__(self) -> None:
        n, m = len(self.vectors), len(self.pairs)
        for name in ("years", "photos", "quality"):
            if len(getattr(self, name)) != n:
                raise ClusteringInputError(
                    f"There are {n} vectors but {len(getattr(self, name))} {name}: give one a face."
                )
        if len(self.similarities) != m:
            raise ClusteringInputError(
                f"There are {m} pairs but {len(self.similarities)} similarities: give one a pair."
            )
        for name in ("pairs", "must_link", "cannot_link"):
            rows = getattr(self, name)
            if len(rows) and (rows.min() < 0 or rows.max() >= n):
                raise ClusteringInputError(f"Some {name} name faces outside the {n} that there are.")

    def __len__(self) -> int:
        return len(self.vectors)

    def with_edges(self, kept: np.ndarray) -> "ClusteringInput":
        """The same faces with only the edges of `kept`, a mask (m,) bool."""
        return replace(self, pairs=self.pairs[kept], similarities=self.similarities[kept])

    def subset(self, rows: np.ndarray) -> "ClusteringInput":
        """The material of these faces alone (row numbers without repeats, or a mask), in the order given.

        Pairs, must and cannot keep what lies wholly within; their rows are numbered anew. What is known of the whole
        archive stays.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, np.int64)
        if np.array_equal(rows, np.arange(len(self))):
            return self
        new = np.full(len(self), -1, np.int64)
        new[rows] = np.arange(len(rows))

        def within(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            renamed = new[pairs.reshape(-1, 2)]
            kept = (renamed >= 0).all(axis=1)
            return renamed[kept], kept

        pairs, kept = within(self.pairs)
        return ClusteringInput(
            self.vectors[rows],
            self.years[rows],
            self.photos[rows],
            self.quality[rows],
            pairs,
            self.similarities[kept],
            within(self.must_link)[0],
            within(self.cannot_link)[0],
            stable_sample(self.vectors) if self.sample is None else self.sample,
            self.measured,
        )
