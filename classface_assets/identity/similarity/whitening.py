"""The space that unknown faces are compared in: their embeddings, less what all faces of the archive have in common.

An embedder leaves some directions in which any two children, or any two blurred faces, are alike. Where the archive
shows enough people, these directions count less (whitening by the archive's own covariance, unsupervised); a small
archive says nothing about faces in general, and there the plain cosine is kept.
"""

from dataclasses import dataclass

import numpy as np

MAX_PAIRED_FACES = 2_000
"""Faces of these whose similarities with one another are looked at."""
SHRINKAGE = 2.0
"""Added to each direction's variance, in units of their mean: no direction is blown up for having next to none."""
WITHIN_PERSON_SHRINKAGE = 0.5
"""The same for how the faces of one person differ."""
WITHIN_PERSON_GAIN = 0.88
"""Where that is known a spread is worth so much of the gain, for one person's faces lie further above strangers."""
BLOCK_ROWS = 20_000
"""Faces turned at a time."""
MAX_FACES_PER_PERSON = 5
"""A person counts for no more faces than this: who is in every photo is not what all faces have in common."""
MIN_PEOPLE = 30
"""So few people tell nothing about faces in general."""
PEOPLE_PER_DIMENSION = 3.0
"""With as many people for each number of the embedding the whitened similarity has its full share; less in between."""


@dataclass(frozen=True)
class SimilaritySpace:
    """Faces as vectors whose inner product, plus `offset`, is their likeness on the scale of the plain cosine."""

    vectors: np.ndarray
    """(n, d) float32, or (n, 2 d) where plain and whitened similarity both count."""
    offset: float


@dataclass(frozen=True)
class WhiteningTransform:
    """Moves faces to the mean (d,), turns them by a matrix (d, d), and scales them to unit length."""

    mean: np.ndarray
    matrix: np.ndarray

    @staticmethod
    def of(sample: np.ndarray, counts: np.ndarray, within: np.ndarray | None) -> "WhiteningTransform":
        """The directions in which the sample, each face weighted by counts (s,), varies most count least; or those of
        `within` (r, d), which is shrunk the more the fewer there are."""
        mean = np.average(sample, axis=0, weights=counts)
        shrinkage = SHRINKAGE
        centred = (sample - mean) * np.sqrt(counts)[:, None]
        if within is not None:
            centred, shrinkage = within, WITHIN_PERSON_SHRINKAGE * (1 + within.shape[1] / max(len(within), 1))
        variance, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
        return WhiteningTransform(
            mean.astype(np.float32), (directions / np.sqrt(variance + shrinkage)).astype(np.float32)
        )

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        turned = vectors @ self.matrix
        turned -= self.mean @ self.matrix
        turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
        return turned


@dataclass(frozen=True)
class SimilarityModel:
    """What was measured on a sample, and makes a space of any faces."""

    turns: tuple[WhiteningTransform, ...] = ()
    share: float = 0.0
    """What whitened similarity counts, 0 to 1; the plain one has the rest."""
    slope: float = 1.0
    """How much of plain similarity one of whitened is worth."""
    offset: float = 0.0

    def space(self, vectors: np.ndarray) -> SimilaritySpace:
        """These faces, (n, d) unit float32, in vectors of their own."""
        if self.share <= 0:
            return SimilaritySpace(vectors.copy(), 0.0)
        n, d = vectors.shape
        space = np.empty((n, d if self.share == 1 else 2 * d), np.float32)
        for start in range(0, n, BLOCK_ROWS):  # all at once would need the room of the vectors several times over
            rows = slice(start, start + BLOCK_ROWS)
            white = vectors[rows]
            for turn in self.turns:
                white = turn(white)
            space[rows, :d] = white * np.float32(np.sqrt(self.share * self.slope))
            if self.share < 1:
                space[rows, d:] = vectors[rows] * np.float32(np.sqrt(1 - self.share))
        return SimilaritySpace(space, self.offset)


def fit_similarity(
    sample: np.ndarray, threshold: float, gain: float, most: float, within: np.ndarray | None = None
) -> SimilarityModel:
    """What the space of faces is measured by, on a sample of them, (s, d) unit float32.

    threshold: the cosine from which two faces are taken for one person when people are counted. gain: how many spreads
    of the plain cosine among strangers one spread of the whitened one is worth. most: the greatest share that the
    whitened one may have in their mean, 0 to 1. within (r, d): how faces differ from the mean of their person, where
    something is known of that; what differs most within people then counts least (WCCN: Hatch et al. 2006).
    """
    if len(sample) < 2:
        return SimilarityModel()
    plain = sample @ sample.T
    alike = np.maximum((plain >= threshold).sum(axis=1), 1)
    people, enough = (1.0 / alike).sum(), max(PEOPLE_PER_DIMENSION * sample.shape[1], MIN_PEOPLE + 1)
    share = most * min(1.0, (people - MIN_PEOPLE) / (enough - MIN_PEOPLE))
    if share <= 0:
        return SimilarityModel()
    turns: tuple[WhiteningTransform, ...] = ()
    seen = sample
    for spread_within in ([] if within is None else [within]) + [None]:
        turn = WhiteningTransform.of(seen, np.minimum(1.0, MAX_FACES_PER_PERSON / alike), spread_within)
        turns, seen = (*turns, turn), turn(seen)
    (middle, spread), (white_middle, white_spread) = (
        _median_and_spread(plain),
        _median_and_spread(seen[:MAX_PAIRED_FACES] @ seen[:MAX_PAIRED_FACES].T),
    )
    slope = (gain if within is None else gain * WITHIN_PERSON_GAIN) * spread / max(white_spread, 1e-6)
    return SimilarityModel(turns, float(share), slope, float(share * (middle - slope * white_middle)))


def _median_and_spread(similarities: np.ndarray) -> tuple[float, float]:
    """The median over all pairs, and how far below it the lowest sixth begins: the standard deviation among strangers,
    if they are normal, whatever the pairs of one person do at the upper end."""
    every = similarities[np.triu_indices(min(len(similarities), MAX_PAIRED_FACES), 1)]
    low, middle = np.quantile(every, [0.159, 0.5])
    return float(middle), float(middle - low)
