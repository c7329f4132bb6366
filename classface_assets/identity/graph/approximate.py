"""Nearest neighbours among more faces than can all be compared: faiss points some out, and they are ranked exactly.

The index is an inverted file of product-quantised vectors (Jégou et al. 2011; 4 bits scanned in registers, André et al.
2017). What it misses is measured on faces that are searched exactly too: it looks into more lists until it misses no
more than one neighbour in a hundred of one half of them, and the other half says what it came to.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from classface_assets.identity.graph.exact import Lists, exact, in_parallel, ranked
from classface_assets.identity.graph.knn_graph import NOBODY

SAMPLE, AIM = 1000, 0.992
"""Faces in each half of the sample; the aim is a little above 0.99, as the other half may do worse by chance."""
TRAINED_ON, ROUNDS, CODES = 32, 6, 64
"""Vectors for each list that training looks at, its rounds, and the codes of 4 bits for each vector at most."""
AT_ONCE = 16_384
EVERYONE = -1.5
"""Less than any cosine: all neighbours count."""


@dataclass(frozen=True)
class Approximate:
    """The lists of all faces; of a sample's true neighbours that are alike enough, and of the k nearest whatever their
    likeness, the shares that the index found; and how it searched."""

    lists: Lists
    recall: float
    recall_at_k: float
    way: str


def approximate(vectors: np.ndarray, k: int, least: float) -> Approximate | None:
    """The k nearest of each face that are at least so similar, nearly all; None when no index comes near enough.

    vectors: (n, d) float32 of unit length, n some ten thousands at least.
    """
    import faiss

    tune, judge = sample_of(len(vectors), 2)
    truth = exact(vectors, tune, k, least)[0]
    if faiss.get_num_gpus() > 0:
        index: Any = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(vectors.shape[1]))
        index.add(vectors)
        way = "faiss flat index on the GPU"
    else:
        index = _trained(vectors)
        index.nprobe = index.nlist // 64
        while share_found(_ask(index, vectors, tune, k, least)[0], truth) < AIM:
            if 2 * index.nprobe > index.nlist:
                return None
            index.nprobe = 3 * index.nprobe // 2
        way = f"faiss IVF{index.nlist},PQ{index.pq.M}x4fs, nprobe {index.nprobe}"
    parts = [_ask(index, vectors, rows, k, least) for rows in _blocks(np.arange(len(vectors)))]
    neighbours, similarities = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    recall = share_found(neighbours[judge], exact(vectors, judge, k, least)[0])
    plain = share_found(_ask(index, vectors, judge, k, EVERYONE)[0], exact(vectors, judge, k, EVERYONE)[0])
    return Approximate((neighbours, similarities), recall, plain, way)


def sample_of(n: int, halves: int = 1) -> list[np.ndarray]:
    """Some row numbers, ascending, always the same of n."""
    rows = np.random.default_rng(0).permutation(n)[: halves * SAMPLE]
    return [np.sort(part) for part in np.array_split(rows, halves)]


def share_found(found: np.ndarray, truth: np.ndarray) -> float:
    """Of the true neighbours (m, k) the share that is in the lists found (m, k); 1 when there are none."""
    there = truth != NOBODY
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / there.sum()) if there.any() else 1.0


def _trained(vectors: np.ndarray) -> Any:
    """An inverted file of about 4·√n lists that holds all vectors."""
    import faiss

    n, d = vectors.shape
    lists = int(4 * n**0.5)
    codes = next(m for m in range(min(CODES, d), 0, -1) if d % m == 0)
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(d), d, lists, codes, 4, faiss.METRIC_L2)
    index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = ROUNDS, TRAINED_ON, 1
    index.train(vectors[np.random.default_rng(1).permutation(n)[: lists * TRAINED_ON]])
    for rows in _blocks(np.arange(n)):
        index.add(vectors[rows[0] : rows[-1] + 1])
    return index


def _ask(index: Any, vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> Lists:
    """The k nearest of those that the index points out, twice as many."""
    pointed_out = index.search(vectors[rows], 2 * k + 4)[1]

    def part(start: int) -> Lists:
        some = slice(start, start + 512)
        owner, place = np.nonzero(pointed_out[some] != NOBODY)
        other = pointed_out[some][owner, place]
        return ranked(vectors, rows[some], owner, other, k, np.full(len(rows[some]), least, np.float32))

    found = in_parallel(part, range(0, len(rows), 512), lambda: None)
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, range(AT_ONCE, len(rows), AT_ONCE))
