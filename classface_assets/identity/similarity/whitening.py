"""The space that unknown faces are compared in: their embeddings, less what all faces of the archive have in common.

An embedder leaves some directions in which any two children, or any two blurred faces, are similar. Where the archive
shows enough people, these directions count less (whitening by the archive's own covariance, unsupervised); a small
archive says nothing about faces in general, and there the plain cosine is used.
"""

from dataclasses import dataclass

import numpy as np

MAX_PAIRED_FACES = 2_000
"""Faces of a sample whose similarities with one another are compared."""
SHRINKAGE = 2.0
"""Added to each direction's variance, in units of their mean: no direction is blown up for having next to none."""
WITHIN_PERSON_SHRINKAGE = 0.5
"""The same for how the faces of one person differ."""
WITHIN_PERSON_GAIN = 0.88
"""Where that is known a spread counts for this share of the gain: one person's faces lie further above strangers."""
BLOCK_ROWS = 20_000
"""Faces transformed at a time."""
MAX_FACES_PER_PERSON = 5
"""A person counts for no more faces than this: who is in every photo is not what all faces have in common."""
MIN_PEOPLE = 30
"""A sample of no more people than this shows nothing about faces in general."""
PEOPLE_PER_DIMENSION = 3.0
"""With this many people for each dimension the whitened similarity has its full share; less in between."""


@dataclass(frozen=True)
class SimilaritySpace:
    """Faces as vectors whose inner product, plus `offset`, is their similarity on the scale of the plain cosine."""

    vectors: np.ndarray
    """(n, d) float32, or (n, 2 d) where plain and whitened similarity both count."""
    offset: float


@dataclass(frozen=True)
class WhiteningTransform:
    """Subtracts a mean, multiplies by a matrix, and scales to unit length."""

    mean: np.ndarray
    """(d,) float32."""
    matrix: np.ndarray
    """(d, d) float32."""

    @staticmethod
    def fit(sample: np.ndarray, weights: np.ndarray, within: np.ndarray | None) -> "WhiteningTransform":
        """The transform after which the directions in which faces vary most count least.

        Args:
            sample: (s, d) vectors.
            weights: (s,) weight of each.
            within: (r, d) how faces differ from the mean of their person; then it is these differences that count
                least (WCCN: Hatch et al. 2006), shrunk the more the fewer there are. None: those of the sample do.
        """
        mean = np.average(sample, axis=0, weights=weights)
        shrinkage = SHRINKAGE
        centred = (sample - mean) * np.sqrt(weights)[:, None]
        if within is not None:
            centred, shrinkage = within, WITHIN_PERSON_SHRINKAGE * (1 + within.shape[1] / max(len(within), 1))
        variance, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
        matrix = directions / np.sqrt(variance + shrinkage)
        return WhiteningTransform(mean.astype(np.float32), matrix.astype(np.float32))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (n, d) transformed, (n, d) float32 of unit length."""
        transformed = vectors @ self.matrix
        transformed -= self.mean @ self.matrix
        transformed /= np.maximum(np.linalg.norm(transformed, axis=1, keepdims=True), 1e-12)
        return transformed


@dataclass(frozen=True)
class SimilarityModel:
    """How faces are compared, fitted to a sample of them. Without arguments: by the plain cosine."""

    transforms: tuple[WhiteningTransform, ...] = ()
    """Applied one after the other."""
    share: float = 0.0
    """Share of the whitened similarity, 0 to 1; the plain one has the rest."""
    slope: float = 1.0
    """Plain similarity that one of whitened counts for."""
    offset: float = 0.0

    def transform(self, vectors: np.ndarray) -> SimilaritySpace:
        """The space of these faces, (n, d) float32 of unit length; the vectors themselves where the share is 0."""
        if self.share <= 0:
            return SimilaritySpace(vectors, 0.0)
        n, d = vectors.shape
        space = np.empty((n, d if self.share == 1 else 2 * d), np.float32)
        for start in range(0, n, BLOCK_ROWS):  # all at once would need the room of the vectors several times over
            rows = slice(start, start + BLOCK_ROWS)
            white = vectors[rows]
            for transform in self.transforms:
                white = transform(white)
            space[rows, :d] = white * np.float32(np.sqrt(self.share * self.slope))
            if self.share < 1:
                space[rows, d:] = vectors[rows] * np.float32(np.sqrt(1 - self.share))
        return SimilaritySpace(space, self.offset)


def fit_similarity(
    sample: np.ndarray, threshold: float, gain: float, max_share: float, within: np.ndarray | None = None
) -> SimilarityModel:
    """Fit the similarity of an archive's faces to a sample of them.

    Args:
        sample: (s, d) float32 of unit length.
        threshold: Cosine from which two faces are taken for one person when people are counted.
        gain: Spreads of the plain cosine among strangers that one spread of the whitened one counts for.
        max_share: Greatest share of the whitened similarity, 0 to 1.
        within: (r, d) how faces differ from the mean of their person, where something is known of that; what differs
            most within people then counts least.

    Returns:
        The model; that of the plain cosine where the sample shows too few people.
    """
    if len(sample) < 2:
        return SimilarityModel()
    plain = sample @ sample.T
    similar = np.maximum((plain >= threshold).sum(axis=1), 1)
    people, enough = (1.0 / similar).sum(), max(PEOPLE_PER_DIMENSION * sample.shape[1], MIN_PEOPLE + 1)
    share = max_share * min(1.0, (people - MIN_PEOPLE) / (enough - MIN_PEOPLE))
    if share <= 0:
        return SimilarityModel()
    transforms: tuple[WhiteningTransform, ...] = ()
    white = sample
    for differences in ([] if within is None else [within]) + [None]:
        transform = WhiteningTransform.fit(white, np.minimum(1.0, MAX_FACES_PER_PERSON / similar), differences)
        transforms, white = (*transforms, transform), transform(white)
    median, spread = _median_and_spread(plain)
    white_median, white_spread = _median_and_spread(white[:MAX_PAIRED_FACES] @ white[:MAX_PAIRED_FACES].T)
    slope = (gain if within is None else gain * WITHIN_PERSON_GAIN) * spread / max(white_spread, 1e-6)
    return SimilarityModel(transforms, float(share), slope, float(share * (median - slope * white_median)))


def _median_and_spread(similarities: np.ndarray) -> tuple[float, float]:
    """Median over all pairs of (s, s), and the distance from it down to the lowest sixth.

    That distance is the standard deviation among strangers, if they are normal, whatever the pairs of one person do at
    the upper end.
    """
    every = similarities[np.triu_indices(min(len(similarities), MAX_PAIRED_FACES), 1)]
    low, median = np.quantile(every, [0.159, 0.5])
    return float(median), float(median - low)
