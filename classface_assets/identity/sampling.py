"""A stable sample of faces: the same ones in whatever order they come, and most of them as an archive grows."""

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)

SAMPLE_SIZE = 5_000
"""Faces that the similarity model is fitted to."""


def stable_sample(vectors: np.ndarray) -> np.ndarray:
    """At most SAMPLE_SIZE of the vectors (n, d), such that a grown archive retains most of its sample; (s, d)."""
    return vectors[stable_order(vectors)[:SAMPLE_SIZE]]


def stable_order(vectors: np.ndarray) -> np.ndarray:
    """Rows of (n, d) in the order of a hash of their vectors, (n,): whatever order they came in, it is the same."""
    return np.argsort(vector_hashes(vectors), kind="stable")


def vector_hashes(vectors: np.ndarray) -> np.ndarray:
    """A hash of each vector's first eight numbers, (n,) uint64 for (n, d) float32."""
    bits = np.ascontiguousarray(vectors[:, :8], np.float32).view(np.uint32).astype(np.uint64)
    hashed = np.full(len(vectors), 0xCBF29CE484222325, np.uint64)
    for column in bits.T:
        hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed


def exact_vector_hashes(vectors: np.ndarray) -> np.ndarray:
    """A hash (n,) uint64 of each vector's very bits."""
    bits = np.ascontiguousarray(vectors, np.float32)
    bits = np.pad(bits, ((0, 0), (0, bits.shape[1] % 2))) if bits.shape[1] % 2 else bits
    bits = bits.view(np.uint64)
    weights = np.random.default_rng(0).integers(1 << 63, size=bits.shape[1], dtype=np.uint64)
    return np.einsum("ij,j->i", bits, 2 * weights + np.uint64(1))


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers (n,) uint64 with their bits spread over all of them (splitmix64)."""
    spread = (numbers + _ODD) * np.uint64(0xBF58476D1CE4E5B9)
    spread ^= spread >> np.uint64(31)
    spread *= np.uint64(0x94D049BB133111EB)
    return spread ^ (spread >> np.uint64(29))
