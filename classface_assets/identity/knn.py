"""Each face's nearest neighbours by cosine similarity. What they mean is decided elsewhere (assign, linkage)."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from classface_assets.identity.graph import Graph


def neighbours(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other rows of each row, nearest first.

    vectors: (n, d) float32 of unit length. Returns indices (n, k') int64 and similarities (n, k') float32 with
    k' = min(k, n - 1). Exact inner product (faiss IndexFlatIP), on the GPU where faiss sees one; equal similarities
    are ordered by index, so that the same vectors always give the same answer.
    """
    n = len(vectors)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), np.int64), np.empty((n, 0), np.float32)
    import faiss

    vectors = np.ascontiguousarray(vectors, np.float32)
    index: faiss.Index = faiss.IndexFlatIP(vectors.shape[1])
    if faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(vectors)
    similarities, indices = index.search(vectors, k + 1)
    # A face is not always its own first hit: duplicates of it are as near, and may have crowded it out.
    own = indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    indices, similarities = indices[~own].reshape(n, k), similarities[~own].reshape(n, k)
    order = np.lexsort((indices, -similarities), axis=1)
    return np.take_along_axis(indices, order, 1), np.take_along_axis(similarities, order, 1)


def build_graph(face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int) -> Graph:
    """The graph of the k nearest neighbours of each face. vectors: (n, d) float32 of unit length, row by row."""
    graph = Graph.empty(face_ids, k)
    by_id = graph.face_ids.arg_sort().to_numpy().astype(np.int64)
    indices, similarities = neighbours(vectors[by_id], k)
    graph.neighbours[by_id, : indices.shape[1]] = by_id[indices]
    graph.similarities[by_id, : indices.shape[1]] = similarities
    return graph
