"""The space that unknown faces are compared in: their embeddings, less what all faces of the archive have in common.

An embedder leaves some directions in which any two children, or any two blurred faces, are alike. Where the archive
shows enough people, these directions count less (whitening by the archive's own covariance, unsupervised); a small
archive says nothing about faces in general, and there the plain cosine is kept.
"""

from dataclasses import dataclass

import numpy as np

SAMPLE = 20_000
"""Faces from which the mean and the covariance are measured."""
PAIRED = 2_000
"""Faces of these whose similarities with one another are looked at."""
SHRINKAGE = 2.0
"""Added to each direction's variance, in units of their mean: no direction is blown up for having next to none."""
FEW_PEOPLE = 30
"""So few people tell nothing about faces in general."""
PEOPLE_A_DIMENSION = 2.0
"""With as many people for each number of the embedding the whitened similarity has its full share; less in between."""


@dataclass(frozen=True)
class Space:
    """Faces as vectors whose inner product, plus `offset`, is their likeness on the scale of the plain cosine."""

    vectors: np.ndarray
    """(n, d) float32, or (n, 2 d) where plain and whitened similarity both count."""
    offset: float


def space_of(
    vectors: np.ndarray, threshold: float, gain: float, most: float, sample: np.ndarray | None = None
) -> Space:
    """The space of these faces, (n, d) unit float32, as measured on `sample` (s, d), or on themselves without one.

    threshold: the cosine from which two faces are taken for one person when people are counted. gain: how many spreads
    of the plain cosine among strangers one spread of the whitened one is worth. most: the greatest share that the
    whitened one may have in their mean, 0 to 1.
    """
    sample = fair_sample(vectors) if sample is None else sample
    if len(sample) < 2:
        return Space(vectors.copy(), 0.0)
    plain = _of_pairs(sample[:PAIRED])
    people = 1.0 / max(float((plain >= threshold).mean()), 1.0 / len(plain))
    enough = max(PEOPLE_A_DIMENSION * vectors.shape[1], FEW_PEOPLE + 1)
    share = most * min(1.0, (people - FEW_PEOPLE) / (enough - FEW_PEOPLE))
    if share <= 0:
        return Space(vectors.copy(), 0.0)
    mean, turn = whitening(sample)
    white = _of_pairs(_whitened(sample[:PAIRED], mean, turn))
    (middle, spread), (white_middle, white_spread) = _middle_and_spread(plain), _middle_and_spread(white)
    slope = gain * spread / max(white_spread, 1e-6)
    parts = [_whitened(vectors, mean, turn) * np.float32(np.sqrt(share * slope))]
    if share < 1:
        parts.append(vectors * np.float32(np.sqrt(1 - share)))
    return Space(np.concatenate(parts, axis=1) if parts[1:] else parts[0], share * (middle - slope * white_middle))


def fair_sample(vectors: np.ndarray) -> np.ndarray:
    """At most 20,000 of the faces, (s, d), picked by a hash of their vectors and in its order: the order of the rows
    does not matter, and a grown archive keeps most of its sample."""
    bits = np.ascontiguousarray(vectors[:, :8], np.float32).view(np.uint32).astype(np.uint64)
    hashed = np.full(len(vectors), 0xCBF29CE484222325, np.uint64)
    for column in bits.T:
        hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return vectors[np.argsort(hashed, kind="stable")[:SAMPLE]]


def whitening(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and matrix (d, d) that turn a face into one whose directions vary alike, up to the shrinkage."""
    mean = sample.mean(axis=0, dtype=np.float64)
    centred = sample - mean
    variance, directions = np.linalg.eigh(centred.T @ centred / len(sample))
    variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
    return mean, directions / np.sqrt(variance + SHRINKAGE)


def _whitened(vectors: np.ndarray, mean: np.ndarray, turn: np.ndarray) -> np.ndarray:
    turned = vectors @ turn.astype(np.float32)
    turned -= (mean @ turn).astype(np.float32)
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return turned


def _of_pairs(vectors: np.ndarray) -> np.ndarray:
    return (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]


def _middle_and_spread(similarities: np.ndarray) -> tuple[float, float]:
    """The median and how far below it the lowest sixth begins: one standard deviation of strangers, were they normal,
    whatever the pairs of one person do at the upper end."""
    low, middle = np.quantile(similarities, [0.159, 0.5])
    return float(middle), float(middle - low)
