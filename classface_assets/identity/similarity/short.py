"""Vectors of numbers of 16 bits (bfloat16): half the room, and inner products whose greatest error is known."""

from dataclasses import dataclass, field

import numpy as np

BATCH_ROWS = 256
"""Pairs of vectors that are multiplied at a time: few enough to stay in the cache."""


@dataclass
class ShortVectors:
    """Vectors (n, d), to be filled some rows at a time."""

    count: int
    """n."""
    bits: np.ndarray = field(init=False)
    """(n, d) uint16: the upper halves of the bits of 32-bit numbers."""
    longest: float = 0.0
    """The greatest length of a vector."""
    lost: float = 0.0
    """The greatest length of what a vector lost."""

    def fill(self, rows: slice, vectors: np.ndarray) -> None:
        """Take the vectors (r, d) float32 of some rows."""
        if not rows.start:
            self.bits = np.empty((self.count, vectors.shape[1]), np.uint16)
        rounded = np.ascontiguousarray(vectors).view(np.uint32) + np.uint32(0x8000)
        self.bits[rows] = rounded >> 16
        lost = vectors - _as_float32(self.bits[rows])
        self.longest = max(self.longest, float(np.linalg.norm(vectors, axis=1).max()))
        self.lost = max(self.lost, float(np.linalg.norm(lost, axis=1).max()))

    @property
    def error(self) -> float:
        """By how much an inner product may be off, by Cauchy and Schwarz, and by rounding its sum."""
        length = self.longest + self.lost
        return 2 * self.lost * length + self.bits.shape[1] * 2.0**-23 * length**2

    def products(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Inner products of pairs of rows, a and b (m,), float32."""
        found = np.empty(len(a), np.float32)
        for start in range(0, len(a), BATCH_ROWS):
            some = slice(start, start + BATCH_ROWS)
            left, right = _as_float32(self.bits[a[some]]), _as_float32(self.bits[b[some]])
            found[some] = np.einsum("ij,ij->i", left, right)
        return found


def _as_float32(bits: np.ndarray) -> np.ndarray:
    """The numbers of these bits."""
    numbers = bits.astype(np.uint32)
    numbers <<= 16
    return numbers.view(np.float32)
