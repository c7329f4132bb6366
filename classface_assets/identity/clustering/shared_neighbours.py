"""What two faces' nearest neighbours have in common, as a part of their likeness.

Two pictures of one person are near to the same other pictures, even where they are not very like one another: shared
neighbours (Jarvis and Patrick 1973), those that are each other's counting most (Zhong et al. 2017). Each face is a row
of weights of its neighbours, and the likeness of two rows their cosine. That averages over groups like any product, and
random signs for each neighbour bring it into few numbers (Achlioptas 2003).
"""

import numpy as np

from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import vector_hashes
from classface_assets.identity.similarity.whitening import SimilaritySpace

MAX_NEIGHBOURS = 8
ONE_SIDED_WEIGHT = 0.3
"""Weight of a neighbour that does not have the face among its own."""
SIGN_DIMENSIONS = 256
"""A multiple of 64: with so many numbers a face the likeness of strangers is off by 0.06 of its greatest."""


def add_shared_neighbours(
    space: SimilaritySpace, material: ClusteringInput, share: float, lift: float, rows: np.ndarray | None = None
) -> SimilaritySpace:
    """The space in which likeness is greater by up to `share`, the more of their at most eight likest neighbours two
    faces have in common, and less by lift. Faces of the same photo are nobody's neighbours. rows: those of the material
    that the space is of; all where nothing is said."""
    if share <= 0:
        return space
    from scipy.sparse import csr_matrix

    n = len(material)
    rows = np.arange(n) if rows is None else rows
    place = np.full(n, -1, np.int64)
    place[rows] = np.arange(len(rows))
    face, other, weight = _weighted_edges(material, place >= 0)
    used = np.union1d(rows, other)
    signs = _random_signs(material.vectors[:, :8][used])
    company = csr_matrix((weight, (place[face], np.searchsorted(used, other))), shape=(len(rows), len(used))) @ signs
    company += signs[np.searchsorted(used, rows)]
    company *= (np.sqrt(share) / np.maximum(np.linalg.norm(company, axis=1), 1e-12)).astype(np.float32)[:, None]
    return SimilaritySpace(np.concatenate([space.vectors, company], axis=1), space.offset - lift)


def _random_signs(vectors: np.ndarray) -> np.ndarray:
    """Random signs of each face, (n, NUMBERS) float32, the same in whatever order and company it comes."""
    seed, signs = vector_hashes(vectors), np.empty((len(vectors), SIGN_DIMENSIONS), np.float32)
    for start in range(0, SIGN_DIMENSIONS, 64):
        seed = (seed ^ (seed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
        mixed = seed ^ (seed >> np.uint64(29))
        bits = np.unpackbits(mixed.view(np.uint8).reshape(-1, 8), axis=1)
        signs[:, start : start + 64] = 2.0 * bits - 1.0
    return signs


def _weighted_edges(material: ClusteringInput, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of the faces wanted, a mask (n,), to their likest neighbours: face, neighbour, and weight float32."""
    asked = wanted.copy()
    asked[material.pairs[wanted[material.pairs[:, 0]], 1]] = True
    n, (face, other) = len(material), _nearest_edges(material.with_edges(asked[material.pairs[:, 0]])).T
    mine = wanted[face]
    mutual = np.isin(other[mine] * n + face[mine], face * n + other)
    return face[mine], other[mine], np.where(mutual, 1.0, ONE_SIDED_WEIGHT).astype(np.float32)


def _nearest_edges(material: ClusteringInput) -> np.ndarray:
    """The edges (m, 2) to each face's likest neighbours."""
    kept = material.photos[material.pairs[:, 0]] != material.photos[material.pairs[:, 1]]
    pairs, similarities = material.pairs[kept], material.similarities[kept]
    pairs = pairs[np.lexsort((pairs[:, 1], -similarities, pairs[:, 0]))]
    first = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return pairs[np.arange(len(pairs)) - first < MAX_NEIGHBOURS]
