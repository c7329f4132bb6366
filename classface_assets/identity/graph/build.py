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
from classface_assets.identity.graph.blocks import BlockResult, ExactSearch, SearchOptions, exact_in_blocks, search_here
from classface_assets.identity.graph.exact import NeighbourLists, rerank_exact, top_k
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph, empty_lists

IN_THIS_PROCESS = SearchOptions()


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
    face_ids: pl.Series | Sequence[str],
    vectors: np.ndarray,
    k: int,
    least: float,
    before: KnnGraph | None = None,
    options: SearchOptions = IN_THIS_PROCESS,
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
        options: From how many faces on an index is used, and who searches then.
    """
    ids = pl.Series("face_id", face_ids, pl.String)
    by_id = ids.arg_sort().to_numpy().astype(np.int64)
    sorted_ids = ids[by_id]
    in_order = sorted_ids.equals(ids)
    ordered = np.ascontiguousarray(vectors if in_order else vectors[by_id], np.float32)
    if before is None or before.neighbours.shape[1] != k:
        before = KnnGraph.empty([], k)
    built = _GraphSearch(sorted_ids, ordered, k, least, options).extend(before)
    release_freed_memory()
    if in_order:
        return built
    neighbours, similarities = empty_lists(len(ids), k)
    near = built.graph.neighbours
    neighbours[by_id] = np.where(near == NO_NEIGHBOUR, NO_NEIGHBOUR, by_id[near])
    similarities[by_id] = built.graph.similarities
    return replace(built, graph=KnnGraph(ids, neighbours, similarities))


@dataclass(frozen=True)
class _GraphSearch:
    """The faces that a graph is of, sorted by id, and how they are searched; the rest is as in `update_graph`."""

    ids: pl.Series
    vectors: np.ndarray
    k: int
    least: float
    options: SearchOptions

    @property
    def is_large(self) -> bool:
        """Whether there are too many faces to compare all."""
        return len(self.ids) > self.options.max_exact_faces

    def extend(self, before: KnnGraph) -> GraphBuild:
        """The graph of all faces, out of the one before where that is less work."""
        if not len(before.face_ids):
            return self.from_scratch()
        ids, least = self.ids, self.least
        new = ~ids.is_in(before.face_ids.implode()).to_numpy()
        old = before.of(ids)
        again = np.flatnonzero(new | self._incomplete(before, old))
        if (10 if self.is_large else 2) * len(again) >= len(ids):
            return self.from_scratch()
        neighbours, similarities = old.neighbours.copy(), old.similarities.copy()
        enough = np.maximum(similarities[:, -1], np.float32(least))
        enough[again] = np.inf
        (sample,) = sample_rows(len(ids)) if self.is_large else [again]
        queries = np.union1d(again, sample)
        found, (face, near) = self._search_exactly(queries, enough)
        neighbours[again], similarities[again] = (part[np.isin(queries, again)] for part in found)
        entering = _Entering(rows=face[new[near]], neighbours=near[new[near]], least=enough)
        rows, merged = _merge_lists((neighbours, similarities), self.vectors, entering)
        neighbours[rows], similarities[rows] = merged
        recall = neighbour_recall(neighbours[sample], found[0][np.isin(queries, sample)]) if self.is_large else None
        graph = KnnGraph(ids, neighbours, similarities)
        return GraphBuild(graph, "exact, added to the graph before", len(again), recall)

    def from_scratch(self) -> GraphBuild:
        """The graph of all faces, by an index where there are too many to compare all."""
        map_blocks = self.options.map_blocks or search_here
        if self.is_large and (found := approximate_knn(self.vectors, self.k, self.least, map_blocks)) is not None:
            return GraphBuild(
                graph=KnnGraph(self.ids, *found.lists),
                method=found.method,
                searched=len(self.ids),
                recall=found.recall,
                recall_at_k=found.recall_at_k,
            )
        lists, _ = self._search_exactly(np.arange(len(self.ids)), None)
        return GraphBuild(KnnGraph(self.ids, *lists), "exact", len(self.ids))

    def _incomplete(self, before: KnnGraph, old: KnnGraph) -> np.ndarray:
        """Whose list may lack somebody, (n,) bool, by the graph before and what is left of it in these faces.

        A list that was full hid those who came next; of one that was not, everyone who is near enough is still in it.
        """
        was = before.face_ids.to_frame().with_columns(length=(before.neighbours != NO_NEIGHBOUR).sum(axis=1))
        lengths = self.ids.to_frame().join(was, on="face_id", how="left", maintain_order="left")["length"]
        is_shorter = (old.neighbours != NO_NEIGHBOUR).sum(axis=1) < self.k
        shortened: np.ndarray = (lengths.fill_null(self.k).to_numpy() == self.k) & is_shorter
        return shortened

    def _search_exactly(self, rows: np.ndarray, enough: np.ndarray | None) -> BlockResult:
        search = ExactSearch(self.vectors, self.k, self.least, enough)
        return exact_in_blocks(search, rows, self.options.map_blocks if self.is_large else None)


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
