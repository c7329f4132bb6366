"""Vectors that are made as rows are needed: all at once would take the room of the archive's own a second time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from classface_assets.core.arrays import l2_normalize


class VectorRows(Protocol):
    """Vectors (n, d) of which rows can be taken; arrays are such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """The vectors of some rows, (r, d) float32."""
        ...


@dataclass(frozen=True)
class SelectedRows:
    """Some of the rows of vectors."""

    vectors: VectorRows
    """(n, d) float32."""
    rows: np.ndarray
    """(s,) int64, those that are selected."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(s, d)."""
        return len(self.rows), self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """The vectors of some of the selected rows, (r, d) float32."""
        return self.vectors[self.rows[rows]]


@dataclass(frozen=True)
class CentredVectors:
    """Vectors without a mean, of unit length again."""

    vectors: VectorRows
    """(n, d) float32 of unit length."""
    mean: np.ndarray
    """(d,) float32."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        return self.vectors.shape

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """The vectors of some rows, (r, d) float32."""
        return l2_normalize(self.vectors[rows] - self.mean)
