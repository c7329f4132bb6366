"""Each face's nearest neighbours: which way they are searched, and how an old graph is brought up to date.

How a search goes is in `search` (exact) and `approximate`; what neighbours mean is decided elsewhere (assign, linkage).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.identity.graph import NOBODY, Graph
from classface_assets.identity.search import Lists, exact, nearest

EVERYONE = -1.5
"""Less than any cosine: all neighbours count."""


@dataclass(frozen=True)
class Made:
    """A graph, how it was searched, and how many faces were searched against all others for it."""

    graph: Graph
    way: str
    searched: int


def build_graph(face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float = EVERYONE) -> Graph:
    """The graph of the k nearest neighbours of each face that are at least so similar, from nothing."""
    return make_graph(face_ids, vectors, k, least).graph


def make_graph(
    face_ids: pl.Series | Sequence[str], vectors: np.ndarray, k: int, least: float, before: Graph | None = None
) -> Made:
    """The graph of the k nearest neighbours of each face that are at least so similar.

    vectors: (n, d) float32 of unit length, row by row with the ids. `before`: a graph of the same k and least over some
    of these faces with these very vectors, and perhaps others that are gone; only what is new is searched then, and the
    edges are the same as from nothing. Nothing depends on the order of the rows.
    """
    wanted = Graph.empty(face_ids, k)
    by_id = wanted.face_ids.arg_sort().to_numpy().astype(np.int64)
    sorted_ids = wanted.face_ids[by_id]
    in_order = sorted_ids.equals(wanted.face_ids)
    held = np.ascontiguousarray(vectors if in_order else vectors[by_id], np.float32)
    if before is None or before.neighbours.shape[1] != k:
        before = Graph.empty([], k)
    lists, way, searched = _added(before, sorted_ids, held, k, least)
    if in_order:
        return Made(Graph(wanted.face_ids, *lists), way, searched)
    wanted.neighbours[by_id] = np.where(lists[0] == NOBODY, NOBODY, by_id[lists[0]])
    wanted.similarities[by_id] = lists[1]
    return Made(wanted, way, searched)


def _added(before: Graph, ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> tuple[Lists, str, int]:
    """The lists of all faces, out of those of the graph before where that is less work."""
    new = ~ids.is_in(before.face_ids.implode()).to_numpy()
    old = before.of(ids)
    was = before.face_ids.to_frame().with_columns(length=(before.neighbours != NOBODY).sum(axis=1))
    lengths = (
        ids.to_frame().join(was, on="face_id", how="left", maintain_order="left")["length"].fill_null(k).to_numpy()
    )
    # A list that was full hid those who came next; of one that was not, everyone who is near enough is still there.
    torn = (lengths == k) & ((old.neighbours != NOBODY).sum(axis=1) < k)
    again = np.flatnonzero(new | torn)
    if 2 * len(again) >= len(ids):
        return exact(vectors, np.arange(len(ids)), k, least), "exact", len(ids)
    neighbours, similarities = old.neighbours.copy(), old.similarities.copy()
    neighbours[again], similarities[again] = exact(vectors, again, k, least)
    rest, fresh = np.flatnonzero(~(new | torn)), np.flatnonzero(new)
    if len(rest) and len(fresh):
        enough = np.maximum(similarities[rest, -1], np.float32(least))
        entering = exact(vectors, rest, k, enough, among=fresh)
        changed = np.flatnonzero(entering[0][:, 0] != NOBODY)
        some = rest[changed]
        both = (
            np.hstack([neighbours[some], entering[0][changed]]),
            np.hstack([similarities[some], entering[1][changed]]),
        )
        neighbours[some], similarities[some] = merged(*both, k)
    return (neighbours, similarities), "exact, added to the graph before", len(again)


def merged(neighbours: np.ndarray, similarities: np.ndarray, k: int) -> Lists:
    """Lists of the k nearest out of longer ones (n, m) that are in no order; nobody stands twice in one."""
    owner, place = np.nonzero(neighbours != NOBODY)
    other, likeness = neighbours[owner, place], similarities[owner, place]
    return nearest(len(neighbours), owner, other, likeness, k)
