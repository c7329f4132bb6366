"""Each face's nearest neighbours: which way they are searched, and how an old graph is brought up to date.

How a search goes is in `search` (exact) and `approximate`; what neighbours mean is decided elsewhere (assign, linkage).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.graph.approximate import (
    NO_MIN_SIMILARITY,
    approximate_knn,
    neighbour_recall,
    sample_rows,
)
from classface_assets.identity.graph.exact import NeighbourLists, exact_knn, exact_knn_with_reverse, rerank_exact, top_k
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph

EXACT_FACES = 200_000
"""Of more faces, an index finds nearly all neighbours."""


@dataclass(frozen=True)
class GraphBuild:
    """A graph, how it was searched, how many faces were for it, and what was found of what there is.

    `recall`: the share of the edges of a sample that is in the graph, `recall_at_k`: of the sample's k nearest whatever
    their likeness the share that the index found; None where the search was exact, or no index was asked.
    """

    graph: KnnGraph
    way: str = "exact"
    searched: int = 0
    recall: float | None = None
    recall_at_k: float | None = None


def build_graph(
    face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float = NO_MIN_SIMILARITY
) -> KnnGraph:
    """The graph of the k nearest neighbours of each face that are at least so similar, from nothing."""
    return update_graph(face_ids, vectors, k, least).graph


def update_graph(
    face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float, before: KnnGraph | None = None
) -> GraphBuild:
    """The graph of the k nearest neighbours of each face that are at least so similar.

    vectors: (n, d) float32 of unit length, row by row with the ids. `before`: a graph of the same k and least over some
    of these faces with these very vectors, and perhaps others that are gone; only what is new is searched then, and the
    edges are the same as from nothing. Nothing depends on the order of the rows.
    """
    wanted = KnnGraph.empty(face_ids, k)
    by_id = wanted.face_ids.arg_sort().to_numpy().astype(np.int64)
    sorted_ids = wanted.face_ids[by_id]
    in_order = sorted_ids.equals(wanted.face_ids)
    held = np.ascontiguousarray(vectors if in_order else vectors[by_id], np.float32)
    if before is None or before.neighbours.shape[1] != k:
        before = KnnGraph.empty([], k)
    made = _extend_graph(before, sorted_ids, held, k, least)
    if in_order:
        return made
    near = made.graph.neighbours
    wanted.neighbours[by_id] = np.where(near == NO_NEIGHBOUR, NO_NEIGHBOUR, by_id[near])
    wanted.similarities[by_id] = made.graph.similarities
    return replace(made, graph=wanted)


def _extend_graph(before: KnnGraph, ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> GraphBuild:
    """The graph of all faces, out of the one before where that is less work."""
    new = ~ids.is_in(before.face_ids.implode()).to_numpy()
    old = before.of(ids)
    was = before.face_ids.to_frame().with_columns(length=(before.neighbours != NO_NEIGHBOUR).sum(axis=1))
    lengths = (
        ids.to_frame().join(was, on="face_id", how="left", maintain_order="left")["length"].fill_null(k).to_numpy()
    )
    # A list that was full hid those who came next; of one that was not, everyone who is near enough is still there.
    torn = (lengths == k) & ((old.neighbours != NO_NEIGHBOUR).sum(axis=1) < k)
    again = np.flatnonzero(new | torn)
    many = len(ids) > EXACT_FACES
    if (10 if many else 2) * len(again) >= len(ids):
        return _build_from_scratch(ids, vectors, k, least)
    lists = old.neighbours.copy(), old.similarities.copy()
    enough = np.maximum(old.similarities[:, -1], np.float32(least))
    enough[again] = np.inf
    (sample,) = sample_rows(len(ids)) if many else [again]
    asked = np.union1d(again, sample)
    found, (face, near) = exact_knn_with_reverse(vectors, asked, k, least, enough)
    lists[0][again], lists[1][again] = (mine[np.isin(asked, again)] for mine in found)
    _insert_neighbours(lists, vectors, face[new[near]], near[new[near]], enough)
    recall = neighbour_recall(lists[0][sample], found[0][np.isin(asked, sample)]) if many else None
    return GraphBuild(KnnGraph(ids, *lists), "exact, added to the graph before", len(again), recall)


def _build_from_scratch(ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> GraphBuild:
    everyone = np.arange(len(ids))
    if len(ids) > EXACT_FACES and (found := approximate_knn(vectors, k, least)) is not None:
        return GraphBuild(KnnGraph(ids, *found.lists), found.way, len(ids), found.recall, found.recall_at_k)
    return GraphBuild(KnnGraph(ids, *exact_knn(vectors, everyone, k, least)), "exact", len(ids))


def _insert_neighbours(
    lists: NeighbourLists, vectors: np.ndarray, face: np.ndarray, near: np.ndarray, enough: np.ndarray
) -> None:
    """Puts faces into the lists of others where they are near enough: `near[i]` into that of `face[i]`."""
    k = lists[0].shape[1]
    some, position = np.unique(face, return_inverse=True)
    entering = rerank_exact(vectors, some, position, near, k, enough[some])
    both = [np.hstack([mine[some], theirs]) for mine, theirs in zip(lists, entering, strict=True)]
    owner, place = np.nonzero(both[0] != NO_NEIGHBOUR)
    lists[0][some], lists[1][some] = top_k(len(some), owner, both[0][owner, place], both[1][owner, place], k)
