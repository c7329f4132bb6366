"""Nearest neighbours among more faces than can all be compared: faiss proposes some, and they are ranked exactly.

The index is an inverted file of product-quantised vectors (Jégou et al. 2011; 4 bits scanned in registers, André et al.
2017); the neighbours of neighbours are ranked with what it proposes. The recall of both is measured on faces that are
searched exactly too: it probes more lists until no more than one neighbour in a hundred of one half of them is missed,
and the other half gives the recall that is reported.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from classface_assets.identity.graph.blocks import NO_PAIRS, BlockMap, BlockResult, row_blocks, search_here
from classface_assets.identity.graph.exact import NeighbourLists, exact_knn, map_in_threads, rerank_exact
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR
from classface_assets.identity.graph.neighbour_join import join_all, join_neighbours

RECALL_SAMPLE = 1000
"""Faces in each half of the sample."""
TARGET_RECALL = 0.992
"""A little above 0.99, as the other half may do worse by chance."""
TRAINING_VECTORS_PER_LIST = 32
TRAINING_ROUNDS = 6
LISTS_A_PROBE = 256
"""Of so many lists one is probed at first."""
MAX_CODES = 64
"""Codes of 4 bits for each vector."""
RERANK_ROWS = 512
"""Faces whose candidates one thread ranks at a time."""
GPU_METHOD = "faiss flat index on the GPU"
NO_MIN_SIMILARITY = -1.5
"""Less than any cosine: all neighbours count."""


@dataclass(frozen=True)
class ApproximateResult:
    """The neighbours of all faces that an index found."""

    lists: NeighbourLists
    recall: float
    """Share of a sample's true neighbours of the least similarity that was found."""
    recall_at_k: float
    """The same of its k nearest, whatever their similarity."""
    method: str
    """How the index searched, as text."""


@dataclass(frozen=True)
class IndexSearch:
    """The search of a block by an index; the attributes are as in `search_index`."""

    index: Any
    vectors: np.ndarray
    k: int
    least: float

    def __call__(self, rows: np.ndarray) -> BlockResult:
        """See BlockSearch."""
        return search_index(self.index, self.vectors, rows, self.k, self.least), NO_PAIRS


def approximate_knn(
    vectors: np.ndarray, k: int, least: float, map_blocks: BlockMap = search_here
) -> ApproximateResult | None:
    """The k nearest of each face that have this similarity at least, nearly all.

    Args:
        vectors: (n, d) float32 of unit length, n some ten thousands at least.
        k: Greatest number of neighbours of a face.
        least: Least similarity of a neighbour.
        map_blocks: Who searches the blocks; an index on the GPU stays here.

    Returns:
        None when no index reaches TARGET_RECALL.
    """
    tuning, judging = sample_rows(len(vectors), 2)
    built = build_index(vectors, tuning, k, least)
    if built is None:
        return None
    index, method = built
    search_blocks = search_here if method == GPU_METHOD else map_blocks
    parts = search_blocks(IndexSearch(index, vectors, k, least), row_blocks(np.arange(len(vectors))))
    proposed = np.concatenate([lists[0] for lists, _ in parts])
    del parts  # as large as the result
    lists = join_all(vectors, proposed, least)
    recall = neighbour_recall(lists[0][judging], exact_knn(vectors, judging, k, least)[0])
    found = search_and_join(index, vectors, judging, k, NO_MIN_SIMILARITY)
    recall_at_k = neighbour_recall(found, exact_knn(vectors, judging, k, NO_MIN_SIMILARITY)[0])
    return ApproximateResult(lists, recall, recall_at_k, method)


def build_index(vectors: np.ndarray, tuning: np.ndarray, k: int, least: float) -> tuple[Any, str] | None:
    """An index of all vectors that reaches TARGET_RECALL: on the GPU a flat one where there is one, else on the CPU.

    Args:
        vectors: As in `approximate_knn`.
        tuning: (m,) the rows on which the recall is measured.
        k: As in `approximate_knn`.
        least: As in `approximate_knn`.

    Returns:
        The index (faiss has no type hints), and how it searches, as text, which says so where a GPU could not hold it;
        None when no index reaches that recall.
    """
    try:
        index = _gpu_index(vectors)
    except RuntimeError as error:  # the GPU has too little memory, or its driver is too old for this build of faiss
        built = _tuned_index(vectors, tuning, k, least)
        return built and (built[0], f"{built[1]} (the GPU failed: {str(error).splitlines()[0][:120]})")
    if index is not None:
        return index, GPU_METHOD
    return _tuned_index(vectors, tuning, k, least)


def sample_rows(n: int, halves: int = 1) -> list[np.ndarray]:
    """RECALL_SAMPLE row numbers below n for each half, ascending, the same for every call."""
    rows = np.random.default_rng(0).permutation(n)[: halves * RECALL_SAMPLE]
    return [np.sort(part) for part in np.array_split(rows, halves)]


def neighbour_recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Of the true neighbours (m, k) the share that is in the lists found (m, k); 1 when there are none."""
    exists = truth != NO_NEIGHBOUR
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2) & exists
    return float(hits.sum() / exists.sum()) if exists.any() else 1.0


def _gpu_index(vectors: np.ndarray) -> Any:
    """A flat index over all GPUs; None where there is none. Raises RuntimeError of faiss when it does not fit."""
    import faiss

    if faiss.get_num_gpus() == 0:
        return None
    index: Any = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(vectors.shape[1]))
    index.add(vectors)
    return index


def _tuned_index(vectors: np.ndarray, tuning: np.ndarray, k: int, least: float) -> tuple[Any, str] | None:
    """An inverted file that probes as many lists as TARGET_RECALL needs, and its method; None when none suffice."""
    truth = exact_knn(vectors, tuning, k, least)[0]
    index = _train_index(vectors)
    index.nprobe = max(index.nlist // LISTS_A_PROBE, 1)
    while neighbour_recall(search_and_join(index, vectors, tuning, k, least), truth) < TARGET_RECALL:
        if 2 * index.nprobe > index.nlist:
            return None
        index.nprobe += (index.nprobe + 1) // 2
    return index, f"faiss IVF{index.nlist},PQ{index.pq.M}x4fs, nprobe {index.nprobe}"


def _train_index(vectors: np.ndarray) -> Any:
    """An inverted file of about 4·√n lists that holds all vectors (faiss has no type hints)."""
    import faiss

    n, d = vectors.shape
    lists = int(4 * n**0.5)
    codes = next(m for m in range(min(MAX_CODES, d), 0, -1) if d % m == 0)
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(d), d, lists, codes, 4, faiss.METRIC_L2)
    index.cp.niter, index.cp.max_points_per_centroid = TRAINING_ROUNDS, TRAINING_VECTORS_PER_LIST
    index.cp.min_points_per_centroid = 1
    index.train(vectors[np.random.default_rng(1).permutation(n)[: lists * TRAINING_VECTORS_PER_LIST]])
    for rows in row_blocks(np.arange(n)):
        index.add(vectors[rows[0] : rows[-1] + 1])
    return index


def search_and_join(index: Any, vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> np.ndarray:
    """The neighbours (m, k) of some faces as `approximate_knn` finds them, without searching all faces for it.

    Args:
        index: Of `build_index`.
        vectors: (n, d) float32, those in the index.
        rows: (m,) the faces.
        k: Greatest number of neighbours of a face.
        least: Least similarity of a neighbour.
    """
    proposed = search_index(index, vectors, rows, k, least)[0]
    near = np.unique(proposed[proposed != NO_NEIGHBOUR])
    theirs = [search_index(index, vectors, near[block], k, least)[0] for block in row_blocks(np.arange(len(near)))]
    lists = np.concatenate([np.empty((0, k), np.int32), *theirs])
    return join_neighbours(vectors, rows, proposed, lambda some: lists[np.searchsorted(near, some)], least)[0]


def search_index(index: Any, vectors: np.ndarray, rows: np.ndarray, k: int, least: float) -> NeighbourLists:
    """The k nearest, by exact similarity, of those that the index proposes, twice as many.

    Args:
        index: Of `build_index`.
        vectors: (n, d) float32, those in the index.
        rows: (m,) the rows whose neighbours are wanted.
        k: Greatest number of neighbours of a face.
        least: Least similarity of a neighbour.
    """
    proposed = index.search(vectors[rows], 2 * k + 4)[1]

    def part(start: int) -> NeighbourLists:
        some = slice(start, start + RERANK_ROWS)
        owner, place = np.nonzero(proposed[some] != NO_NEIGHBOUR)
        other = proposed[some][owner, place]
        return rerank_exact(vectors, rows[some], owner, other, k, np.full(len(rows[some]), least, np.float32))

    found = map_in_threads(part, range(0, len(rows), RERANK_ROWS), lambda: None)
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
