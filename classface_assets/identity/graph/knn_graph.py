"""The nearest neighbour graph: how it is represented, re-indexed, and cached from run to run. `build` makes it.

In the cached table each face has a key (`made_of`) of its vector, of k, of the least similarity and of SEARCH_VERSION.
So a graph may be extended whatever happened since: a face whose vector changed, by another model or a repaired part, is
one that left and another that came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import polars as pl

from classface_assets.identity.sampling import exact_vector_hashes

NO_NEIGHBOUR = -1
"""In `neighbours` where a face has no further neighbour; its similarity is minus infinity."""
SEARCH_VERSION = 2
"""Counts up when a search finds other edges than it did, so that graphs from before are not extended."""


@dataclass(frozen=True)
class KnnGraph:
    """Each face's nearest neighbours, nearest first; equally near ones in the order of their ids."""

    face_ids: pl.Series
    """(n,) strings, each once."""
    neighbours: np.ndarray
    """(n, k) int32: row numbers of this same table, never the row itself, NO_NEIGHBOUR after the last one."""
    similarities: np.ndarray
    """(n, k) float32 cosines, minus infinity beside NO_NEIGHBOUR."""

    @staticmethod
    def empty(face_ids: pl.Series | Sequence[str], k: int) -> "KnnGraph":
        """Faces without neighbours."""
        ids = pl.Series("face_id", face_ids, pl.String)
        return KnnGraph(ids, *empty_lists(len(ids), k))

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "KnnGraph":
        """What `to_frame` made of a graph; other columns are ignored."""
        return KnnGraph(
            face_ids=frame["face_id"].rename("face_id"),
            neighbours=frame["neighbours"].to_numpy(),
            similarities=frame["similarities"].to_numpy(),
        )

    def to_frame(self) -> pl.DataFrame:
        """One row per face: face_id, neighbours Array(Int32, k), similarities Array(Float32, k)."""
        k = self.neighbours.shape[1]
        return pl.DataFrame(
            {"face_id": self.face_ids, "neighbours": self.neighbours, "similarities": self.similarities},
            schema={
                "face_id": pl.String(),
                "neighbours": pl.Array(pl.Int32, k),
                "similarities": pl.Array(pl.Float32, k),
            },
        )

    def of(self, face_ids: pl.Series | Sequence[str]) -> "KnnGraph":
        """The same graph for another list of faces, in its order: one that is new there has no neighbours.

        Those that left are taken out of the lists of the others, which become shorter.
        """
        ids = pl.Series("face_id", face_ids, pl.String)
        if ids.equals(self.face_ids):
            return self
        old_row = ids.to_frame().join(
            self.face_ids.to_frame().with_row_index("old"), on="face_id", how="left", maintain_order="left"
        )["old"]
        known = np.flatnonzero(old_row.is_not_null().to_numpy())
        old = old_row.drop_nulls().to_numpy().astype(np.int64)
        new_row = np.full(len(self.face_ids) + 1, NO_NEIGHBOUR, np.int32)  # the last one is where NO_NEIGHBOUR leads
        new_row[old] = known
        neighbours, similarities = empty_lists(len(ids), self.neighbours.shape[1])
        neighbours[known], similarities[known] = compact_lists(new_row[self.neighbours[old]], self.similarities[old])
        return KnnGraph(ids, neighbours, similarities)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The directed edges as row numbers (m, 2) int32, by face and nearest first, and similarities (m,) float32.

        Their products need wider numbers.
        """
        exists = self.neighbours != NO_NEIGHBOUR
        counts = exists.sum(axis=1)
        pairs = np.empty((int(counts.sum()), 2), np.int32)
        pairs[:, 0] = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        pairs[:, 1] = self.neighbours[exists]
        return pairs, self.similarities[exists]


def empty_lists(count: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours (count, k) int32 and similarities (count, k) float32 of faces without neighbours."""
    return np.full((count, k), NO_NEIGHBOUR, np.int32), np.full((count, k), -np.inf, np.float32)


def compact_lists(neighbours: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists (n, k) with NO_NEIGHBOUR among them moved to their ends, the others left in their order."""
    missing = neighbours == NO_NEIGHBOUR
    gaps = np.flatnonzero((missing[:, :-1] & ~missing[:, 1:]).any(axis=1))
    order = np.argsort(missing[gaps], axis=1, kind="stable")
    neighbours = neighbours.copy()
    similarities = np.where(missing, np.float32(-np.inf), similarities)
    neighbours[gaps] = np.take_along_axis(neighbours[gaps], order, 1)
    similarities[gaps] = np.take_along_axis(similarities[gaps], order, 1)
    return neighbours, similarities


def to_cached_frame(graph: KnnGraph, vectors: np.ndarray, least: float) -> pl.DataFrame:
    """The graph's frame with the column made_of.

    Args:
        graph: Of n faces.
        vectors: (n, d) float32, row by row with the faces.
        least: Least similarity of an edge.
    """
    k = graph.neighbours.shape[1]
    keys = exact_vector_hashes(vectors) ^ _search_key(k, least)
    return graph.to_frame().with_columns(made_of=pl.Series(keys, dtype=pl.UInt64))


def from_cached_frame(
    frame: pl.DataFrame, face_ids: pl.Series, vectors: np.ndarray, k: int, least: float
) -> KnnGraph | None:
    """The cached graph, with other names for the faces that are not what they were.

    Args:
        frame: What `to_cached_frame` made.
        face_ids: (n,) ids of the faces of today.
        vectors: (n, d) float32, row by row with them.
        k: Number of neighbours.
        least: Least similarity of an edge.

    Returns:
        The graph; None when nothing of it is valid.
    """
    if "made_of" not in frame.columns or frame.is_empty():
        return None
    now = pl.DataFrame({"face_id": face_ids, "hash": pl.Series(exact_vector_hashes(vectors), dtype=pl.UInt64)})
    cached = frame.join(now, on="face_id", how="left", maintain_order="left")
    for search_key in (_search_key(k, least), _former_search_key(k, least)):
        key = pl.Series(cached["hash"].fill_null(0).to_numpy() ^ search_key, dtype=pl.UInt64)
        valid = cached["hash"].is_not_null() & (key == cached["made_of"])
        if valid.any():
            name = pl.when(valid).then("face_id").otherwise(pl.format("{} as it was", "face_id"))
            return KnnGraph.from_frame(cached.with_columns(name.alias("face_id")))
    return None


def _search_key(k: int, least: float) -> np.uint64:
    """What else the edges depend on, as a number that is the same for every version of Python."""
    text = f"{SEARCH_VERSION} {k} {float(np.float32(least))!r}"
    return np.uint64(int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))


def _former_search_key(k: int, least: float) -> np.uint64:
    """The number that was stored before: by Python's own hash, which Python does not promise to keep.

    Graphs that have it are extended and not searched again.
    """
    return np.uint64(hash((SEARCH_VERSION, k, float(np.float32(least)))) & (2**64 - 1))
