"""Shared nearest neighbours as a part of the similarity of two faces.

Two pictures of one person are near to the same other pictures, even where they are not very similar to one another:
shared neighbours (Jarvis and Patrick 1973), of which mutual ones count most (Zhong et al. 2017). Each face is a row of
weights of its neighbours, and the similarity of two rows their cosine. That averages over groups like any product, and
random signs for each neighbour project it to few dimensions (Achlioptas 2003).
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import vector_hashes
from classface_assets.identity.similarity.space import SimilaritySpace

MAX_NEIGHBOURS = 8
ONE_SIDED_WEIGHT = 0.3
"""Weight of a neighbour that does not have the face among its own."""
SIGN_DIMENSIONS = 256
"""A multiple of 64: with this many the similarity of strangers is off by 0.06 of its greatest."""


@dataclass(frozen=True)
class SharedNeighbours:
    """How much shared neighbours count; see `add_shared_neighbours`."""

    weight: float
    """Added to the similarity of two faces that have all their neighbours in common."""
    offset: float
    """Taken off every similarity."""

    @property
    def most(self) -> float:
        """The most that they change a similarity by, upwards."""
        return self.weight - self.offset if self.weight > 0 else 0.0

    def add(self, space: SimilaritySpace, inputs: ClusteringInput, rows: np.ndarray | None = None) -> SimilaritySpace:
        """The space with shared neighbours in it, of all faces or of these rows."""
        return add_shared_neighbours(space, inputs, self.weight, self.offset, rows)


def add_shared_neighbours(
    space: SimilaritySpace, inputs: ClusteringInput, weight: float, offset: float, rows: np.ndarray | None = None
) -> SimilaritySpace:
    """The space in which similarity is greater the more of their nearest neighbours two faces have in common.

    Faces of one photo are not each other's neighbours.

    Args:
        space: Of the faces in `rows`.
        inputs: All faces with their graph.
        weight: Added to the similarity of two faces that have all their at most MAX_NEIGHBOURS neighbours in common.
        offset: Taken off every similarity.
        rows: (r,) rows of `inputs` that the space is of; None: all.
    """
    if weight <= 0:
        return space
    from scipy.sparse import csr_matrix

    n = len(inputs)
    rows = np.arange(n) if rows is None else rows
    place = np.full(n, -1, np.int64)
    place[rows] = np.arange(len(rows))
    face, other, edge_weight = _weighted_edges(inputs, place >= 0)
    used = np.union1d(rows, other)
    signs = _random_signs(inputs.vectors[:, :8][used])
    columns = np.searchsorted(used, other)
    shared = csr_matrix((edge_weight, (place[face], columns)), shape=(len(rows), len(used))) @ signs
    shared += signs[np.searchsorted(used, rows)]
    shared *= (np.sqrt(weight) / np.maximum(np.linalg.norm(shared, axis=1), 1e-12)).astype(np.float32)[:, None]
    return SimilaritySpace(np.concatenate([space.vectors, shared], axis=1), space.offset - offset)


def _random_signs(vectors: np.ndarray) -> np.ndarray:
    """Random signs of each face, (n, SIGN_DIMENSIONS) float32, the same in whatever order and company it comes."""
    seed, signs = vector_hashes(vectors), np.empty((len(vectors), SIGN_DIMENSIONS), np.float32)
    for start in range(0, SIGN_DIMENSIONS, 64):
        seed = (seed ^ (seed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
        mixed = seed ^ (seed >> np.uint64(29))
        bits = np.unpackbits(mixed.view(np.uint8).reshape(-1, 8), axis=1)
        signs[:, start : start + 64] = 2.0 * bits - 1.0
    return signs


def _weighted_edges(inputs: ClusteringInput, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of the faces of a mask, (n,) bool, to their nearest neighbours: face, neighbour, and weight float32."""
    sources = mask.copy()
    sources[inputs.pairs[mask[inputs.pairs[:, 0]], 1]] = True
    n, (face, other) = len(inputs), _nearest_edges(inputs.with_edges(sources[inputs.pairs[:, 0]])).T.astype(np.int64)
    own = mask[face]
    mutual = np.isin(other[own] * n + face[own], face * n + other)
    return face[own], other[own], np.where(mutual, 1.0, ONE_SIDED_WEIGHT).astype(np.float32)


def _nearest_edges(inputs: ClusteringInput) -> np.ndarray:
    """The edges (m, 2) to each face's nearest neighbours in other photos."""
    apart = inputs.photos[inputs.pairs[:, 0]] != inputs.photos[inputs.pairs[:, 1]]
    pairs, similarities = inputs.pairs[apart], inputs.similarities[apart]
    pairs = pairs[np.lexsort((pairs[:, 1], -similarities, pairs[:, 0]))]
    first = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return pairs[np.arange(len(pairs)) - first < MAX_NEIGHBOURS]
