"""The space that unknown faces are compared in: an inner product of vectors that is a normalised similarity.

Similarity is put on one scale for every embedder and archive: where strangers lie (z-norm of speaker verification:
Auckenthaler, Carey and Lloyd-Thomas 2000), less how similar either face is to strangers anyhow (the adaptive cohort of
s-norm: Cumani et al. 2011). `fitting` makes the model of an archive; `model` stores it.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.similarity.hubness import hubness

BLOCK_ROWS = 8_192
"""Faces transformed at a time."""
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

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """The vectors (n, d) on whose inner products similarity rests, without offset and hubness, (n, d or 2 d)."""
        return vectors if self.normalisation is None or self.share <= 0 else self._project(self.normalisation, vectors)

    def transform(self, vectors: np.ndarray) -> SimilaritySpace:
        """The space of these faces, (n, d) float32 of unit length; the vectors themselves where the share is 0."""
        if self.normalisation is None or self.cohort is None or self.share <= 0:
            return SimilaritySpace(self.project(vectors), self.offset)
        # (1 - a)(1 - b) - 1 is -a - b, but for their small product: so both faces' hubness is in the inner product too.
        scale = self.share * self.slope
        projected = self._project(self.normalisation, vectors, more=1)
        for rows in _blocks(len(vectors)):
            own = projected[rows, : vectors.shape[1]] / np.float32(np.sqrt(scale))
            projected[rows, -1] = 1.0 - HUBNESS_WEIGHT * scale * self.cohort.deviation(own)
        return SimilaritySpace(projected, self.offset - 1.0)

    def _project(self, normalisation: AffineTransform, vectors: np.ndarray, more: int = 0) -> np.ndarray:
        """`project`, with room for more columns at the end."""
        n, d = vectors.shape
        projected = np.empty((n, (d if self.share == 1 else 2 * d) + more), np.float32)
        for rows in _blocks(n):  # all at once would need the room of the vectors several times over
            projected[rows, :d] = normalisation(vectors[rows]) * np.float32(np.sqrt(self.share * self.slope))
            if self.share < 1:
                projected[rows, d : 2 * d] = vectors[rows] * np.float32(np.sqrt(1 - self.share))
        return projected


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + BLOCK_ROWS) for start in range(0, count, BLOCK_ROWS)]
