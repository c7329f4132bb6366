"""The search of very many faces in blocks of them, which may be searched anywhere and in any order.

A block's result depends on the block alone, so the edges are the same wherever it was searched. Who sends blocks to
other processes, and how, is the caller's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from classface_assets.identity.graph.exact import NeighbourLists, RowPairs, exact_knn_with_reverse

MAX_EXACT_FACES = 200_000
"""Of more faces, an index finds nearly all neighbours, and blocks may be searched elsewhere."""
BLOCK_ROWS = 16_384
"""Faces that are searched at a time."""
BlockResult = tuple[NeighbourLists, RowPairs]
"""Of a block the lists of its rows, and pairs of a face and one of its rows, as in `exact_knn_with_reverse`."""
NO_PAIRS: RowPairs = (np.empty(0, np.int64), np.empty(0, np.int64))


class BlockSearch(Protocol):
    """Searches the neighbours of some rows. It can be pickled."""

    def __call__(self, rows: np.ndarray) -> BlockResult:
        """Search some rows (m,) int64."""
        ...


class BlockMap(Protocol):
    """Searches blocks, here or elsewhere."""

    def __call__(self, search: BlockSearch, blocks: Sequence[np.ndarray]) -> list[BlockResult]:
        """The results of these blocks, in their order."""
        ...


def search_here(search: BlockSearch, blocks: Sequence[np.ndarray]) -> list[BlockResult]:
    """One block after the other, in this process; each uses all cores."""
    return [search(rows) for rows in blocks]


@dataclass(frozen=True)
class SearchOptions:
    """How very many faces are searched.

    Attributes:
        max_exact_faces: Of more faces an index finds nearly all neighbours, and they are searched in blocks.
        map_blocks: Who searches these blocks; None: this process.
    """

    max_exact_faces: int = MAX_EXACT_FACES
    map_blocks: BlockMap | None = None


@dataclass(frozen=True)
class ExactSearch:
    """The exact search of a block; arguments as in `exact_knn_with_reverse`."""

    vectors: np.ndarray
    k: int
    least: float
    enough: np.ndarray | None = None

    def __call__(self, rows: np.ndarray) -> BlockResult:
        """See BlockSearch."""
        return exact_knn_with_reverse(self.vectors, rows, self.k, self.least, self.enough)


def exact_in_blocks(search: ExactSearch, rows: np.ndarray, map_blocks: BlockMap | None) -> BlockResult:
    """The exact search of rows (m,): here in one go, elsewhere in blocks of them. The result is the same."""
    if map_blocks is None or not len(rows):
        return search(rows)
    lists, pairs = zip(*map_blocks(search, row_blocks(rows)), strict=True)
    return _concat(lists), _concat(pairs)


def row_blocks(rows: np.ndarray, size: int = BLOCK_ROWS) -> list[np.ndarray]:
    """Rows (m,) in blocks of that size."""
    return np.split(rows, range(size, len(rows), size))


def _concat(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)
