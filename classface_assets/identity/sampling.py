"""Some faces that stand for all, the same ones in whatever order the faces come, and most of them as more come."""

import numpy as np

SAMPLE = 5_000
"""Faces on which the space is measured."""


def stable_sample(vectors: np.ndarray) -> np.ndarray:
    """At most 5,000 of the faces, (s, d), such that a grown archive keeps most of its sample."""
    return vectors[stable_order(vectors)[:SAMPLE]]


def stable_order(vectors: np.ndarray) -> np.ndarray:
    """Rows in the order of a hash of their vectors, (n,): whatever order they came in, it is the same."""
    return np.argsort(vector_hashes(vectors), kind="stable")


def vector_hashes(vectors: np.ndarray) -> np.ndarray:
    """A hash of each vector, (n,) uint64."""
    bits = np.ascontiguousarray(vectors[:, :8], np.float32).view(np.uint32).astype(np.uint64)
    hashed = np.full(len(vectors), 0xCBF29CE484222325, np.uint64)
    for column in bits.T:
        hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed
