"""The space that unknown faces are compared in: an inner product of vectors that is a normalised similarity.

Similarity is put on one scale for every embedder and archive: where strangers lie (z-norm of speaker verification:
Auckenthaler, Carey and Lloyd-Thomas 2000), less how similar either face is to strangers anyhow (the adaptive cohort of
s-norm: Cumani et al. 2011). `fitting` makes the model of an archive; `model` stores it.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.similarity.hubness import hubness
from classface_assets.identity.similarity.rows import VectorRows

BLOCK_ROWS = 2_048
"""Faces transformed at a time: what is in between takes several times the room of these."""
HUBNESS_WEIGHT = 0.5
"""Share of a face's similarity to strangers that is taken off each of its similarities."""


@dataclass(frozen=True)
class SimilaritySpace:
    """Faces as vectors whose inner product, plus `offset`, is their similarity on the scale of the plain cosine."""

    vectors: np.ndarray
    """(n, k) float32."""
    offset: float


@dataclass(frozen=True)
class AffineTransform:
    """Subtracts a mean, multiplies by a matrix, and scales to unit length."""

    mean: np.ndarray
    """(d,) float32."""
    matrix: np.ndarray
    """(d, d) float32."""

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (n, d) transformed, (n, d) float32 of unit length."""
        return l2_normalize((vectors - self.mean) @ self.matrix)


@dataclass(frozen=True)
class StrangerCohort:
    """Faces of different people, against which the hubness of a face is measured."""

    vectors: np.ndarray
    """(s, d) float32 of unit length, transformed."""
    mean_hubness: float
    """Of the archive's faces; more than that is taken off, less is added."""

    def deviation(self, transformed: np.ndarray) -> np.ndarray:
        """How much more similar to strangers each of the transformed faces (n, d) is than the mean, (n,) float32."""
        return hubness(transformed, self.vectors) - np.float32(self.mean_hubness)


@dataclass(frozen=True)
class SimilarityModel:
    """How faces are compared, fitted to a sample of them. Without arguments: by the plain cosine."""

    normalisation: AffineTransform | None = None
    """What all faces have in common, the direction of age, and what differs within people, taken off or weakened."""
    share: float = 0.0
    """Share of the normalised similarity, 0 to 1; the plain cosine has the rest."""
    slope: float = 1.0
    """Plain similarity that one of normalised counts for."""
    offset: float = 0.0
    spread: float = 0.0
    """How much the similarities of strangers spread (one standard deviation), on the scale of the plain cosine."""
    cohort: StrangerCohort | None = None

    @property
    def has_hub_terms(self) -> bool:
        """Whether the last number of each vector of its spaces is a term of the face's hubness."""
        return self.normalisation is not None and self.share > 0 and self.cohort is not None

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """The vectors (n, d) on whose inner products similarity rests, without offset and hubness, (n, d or 2 d)."""
        return vectors if self.normalisation is None or self.share <= 0 else self._project(self.normalisation, vectors)

    def transform(self, vectors: VectorRows, hub_terms: np.ndarray | None = None) -> SimilaritySpace:
        """The space of these faces, (n, d) float32 of unit length; the vectors themselves where the share is 0.

        Args:
            vectors: (n, d) float32 of unit length.
            hub_terms: (n,) float32, the last numbers that these very faces had in such a space before, where
                `has_hub_terms`: they need not be measured again.
        """
        if self.normalisation is None or self.share <= 0:
            return SimilaritySpace(vectors if isinstance(vectors, np.ndarray) else vectors[:], self.offset)
        if self.cohort is None:
            return SimilaritySpace(self._project(self.normalisation, vectors), self.offset)
        # (1 - a)(1 - b) - 1 is -a - b, but for their small product: so both faces' hubness is in the inner product too.
        scale = self.share * self.slope
        projected = self._project(self.normalisation, vectors, more=1)
        if hub_terms is not None:
            projected[:, -1] = hub_terms
            return SimilaritySpace(projected, self.offset - 1.0)
        for rows in row_slices(len(vectors)):
            own = projected[rows, : vectors.shape[1]] / np.float32(np.sqrt(scale))
            projected[rows, -1] = 1.0 - HUBNESS_WEIGHT * scale * self.cohort.deviation(own)
        return SimilaritySpace(projected, self.offset - 1.0)

    def _project(self, normalisation: AffineTransform, vectors: VectorRows, more: int = 0) -> np.ndarray:
        """`project`, with room for more columns at the end."""
        n, d = vectors.shape
        projected = np.empty((n, (d if self.share == 1 else 2 * d) + more), np.float32)
        for rows in row_slices(n):  # all at once would need the room of the vectors several times over
            some = vectors[rows]
            projected[rows, :d] = normalisation(some) * np.float32(np.sqrt(self.share * self.slope))
            if self.share < 1:
                projected[rows, d : 2 * d] = some * np.float32(np.sqrt(1 - self.share))
        return projected


@dataclass(frozen=True)
class ProjectedRows:
    """What `SimilarityModel.project` makes of vectors, made as rows are needed."""

    model: SimilarityModel
    vectors: VectorRows
    """(n, d) float32 of unit length."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d or 2 d)."""
        return len(self.vectors), self.model.project(self.vectors[:1]).shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """The projected vectors of some rows, (r, d or 2 d) float32."""
        return self.model.project(self.vectors[rows])


def row_slices(count: int) -> list[slice]:
    """Slices of BLOCK_ROWS faces each."""
    return [slice(start, start + BLOCK_ROWS) for start in range(0, count, BLOCK_ROWS)]
