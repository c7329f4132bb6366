"""Building the nearest neighbour graph: by which search, and how a graph of an earlier run is extended.

The searches are in `exact` and `approximate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.core.arrays import release_freed_memory
from classface_assets.identity.graph.approximate import (
    NO_MIN_SIMILARITY,
    approximate_knn,
    neighbour_recall,
    sample_rows,
)
from classface_assets.identity.graph.exact import (
    NeighbourLists,
    exact_knn,
    exact_knn_with_reverse,
    rerank_exact,
    top_k,
)
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph, empty_lists

MAX_EXACT_FACES = 200_000
"""Of more faces, an index finds nearly all neighbours."""


@dataclass(frozen=True)
class GraphBuild:
    """A graph and how it was built."""

    graph: KnnGraph
    method: str = "exact"
    """How it was searched, as text."""
    searched: int = 0
    """Number of faces that were searched."""
    recall: float | None = None
    """Share of the edges of a sample that is in the graph; None where the search was exact."""
    recall_at_k: float | None = None
    """Of the sample's k nearest, whatever their similarity, the share that the index found; None without an index."""


def build_graph(
    face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float = NO_MIN_SIMILARITY
) -> KnnGraph:
    """The graph of the k nearest neighbours of each face that have this similarity at least, built from scratch.

    >>> faces = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    >>> build_graph(["a", "b", "c"], faces, 1).neighbours.tolist()
    [[1], [0], [1]]
    """
    return update_graph(face_ids, vectors, k, least).graph


def update_graph(
    face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float, before: KnnGraph | None = None
) -> GraphBuild:
    """The graph of the k nearest neighbours of each face that have this similarity at least.

    Only what is new is searched, and the edges are the same as from scratch. Nothing depends on the order of the rows.

    Args:
        face_ids: (n,) ids, each once.
        vectors: (n, d) float32 of unit length, row by row with the ids.
        k: Greatest number of neighbours of a face.
        least: Least similarity of an edge.
        before: A graph of the same k and least over some of these faces with these very vectors, and perhaps others
            that are gone.
    """
    ids = pl.Series("face_id", face_ids, pl.String)
    by_id = ids.arg_sort().to_numpy().astype(np.int64)
    sorted_ids = ids[by_id]
    in_order = sorted_ids.equals(ids)
    ordered = np.ascontiguousarray(vectors if in_order else vectors[by_id], np.float32)
    if before is None or before.neighbours.shape[1] != k:
        before = KnnGraph.empty([], k)
    built = _extend_graph(before, sorted_ids, ordered, k, least)
    release_freed_memory()
    if in_order:
        return built
    neighbours, similarities = empty_lists(len(ids), k)
    near = built.graph.neighbours
    neighbours[by_id] = np.where(near == NO_NEIGHBOUR, NO_NEIGHBOUR, by_id[near])
    similarities[by_id] = built.graph.similarities
    return replace(built, graph=KnnGraph(ids, neighbours, similarities))


def _extend_graph(before: KnnGraph, ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> GraphBuild:
    """The graph of all faces, out of the one before where that is less work."""
    if not len(before.face_ids):
        return _build_from_scratch(ids, vectors, k, least)
    new = ~ids.is_in(before.face_ids.implode()).to_numpy()
    old = before.of(ids)
    was = before.face_ids.to_frame().with_columns(length=(before.neighbours != NO_NEIGHBOUR).sum(axis=1))
    lengths = (
        ids.to_frame().join(was, on="face_id", how="left", maintain_order="left")["length"].fill_null(k).to_numpy()
    )
    # A list that was full hid those who came next; of one that was not, everyone who is near enough is still in it.
    incomplete = (lengths == k) & ((old.neighbours != NO_NEIGHBOUR).sum(axis=1) < k)
    again = np.flatnonzero(new | incomplete)
    many = len(ids) > MAX_EXACT_FACES
    if (10 if many else 2) * len(again) >= len(ids):
        return _build_from_scratch(ids, vectors, k, least)
    neighbours, similarities = old.neighbours.copy(), old.similarities.copy()
    enough = np.maximum(similarities[:, -1], np.float32(least))
    enough[again] = np.inf
    (sample,) = sample_rows(len(ids)) if many else [again]
    queries = np.union1d(again, sample)
    found, (face, near) = exact_knn_with_reverse(vectors, queries, k, least, enough)
    neighbours[again], similarities[again] = (part[np.isin(queries, again)] for part in found)
    entering = _Entering(rows=face[new[near]], neighbours=near[new[near]], least=enough)
    rows, merged = _merge_lists((neighbours, similarities), vectors, entering)
    neighbours[rows], similarities[rows] = merged
    recall = neighbour_recall(neighbours[sample], found[0][np.isin(queries, sample)]) if many else None
    graph = KnnGraph(ids, neighbours, similarities)
    return GraphBuild(graph, "exact, added to the graph before", len(again), recall)


def _build_from_scratch(ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> GraphBuild:
    """The graph of all faces, by an index where there are too many to compare all."""
    rows = np.arange(len(ids))
    if len(ids) > MAX_EXACT_FACES and (found := approximate_knn(vectors, k, least)) is not None:
        return GraphBuild(
            graph=KnnGraph(ids, *found.lists),
            method=found.method,
            searched=len(ids),
            recall=found.recall,
            recall_at_k=found.recall_at_k,
        )
    return GraphBuild(KnnGraph(ids, *exact_knn(vectors, rows, k, least)), "exact", len(ids))


@dataclass(frozen=True)
class _Entering:
    """Faces that enter the lists of others."""

    rows: np.ndarray
    """(q,) the faces whose lists are entered."""
    neighbours: np.ndarray
    """(q,) who enters each."""
    least: np.ndarray
    """(n,) float32, least similarity that each list takes."""


def _merge_lists(lists: NeighbourLists, vectors: np.ndarray, entering: _Entering) -> tuple[np.ndarray, NeighbourLists]:
    """The rows whose lists change, and their lists with those that enter where they are near enough."""
    k = lists[0].shape[1]
    rows, position = np.unique(entering.rows, return_inverse=True)
    found = rerank_exact(vectors, rows, position, entering.neighbours, k, entering.least[rows])
    neighbours, similarities = (np.hstack([old[rows], new]) for old, new in zip(lists, found, strict=True))
    owner, place = np.nonzero(neighbours != NO_NEIGHBOUR)
    return rows, top_k(len(rows), owner, neighbours[owner, place], similarities[owner, place], k)
