"""The graph of nearest neighbours as a table: how it is held, stored, and re-indexed. How it is made is in `knn`.

The graph as it is kept from run to run: each face with a mark of the vector and the settings it was searched with.

So a graph may be added to whatever happened since: a face whose vector changed, by another model or a mended part,
is one that left and another that came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

NO_NEIGHBOUR = -1
"""Stands in `neighbours` where a face has no further neighbour; its similarity is minus infinity."""


@dataclass(frozen=True)
class KnnGraph:
    """Each face's nearest neighbours, nearest first; equally near ones in the order of their ids.

    `face_ids` (n,) strings, each once. `neighbours` (n, k) int32: row numbers of this same table, never the row itself,
    NOBODY after the last one. `similarities` (n, k) float32 cosines, minus infinity beside NOBODY.
    """

    face_ids: pl.Series
    neighbours: np.ndarray
    similarities: np.ndarray

    @staticmethod
    def empty(face_ids: pl.Series | Sequence[str], k: int) -> "KnnGraph":
        """Faces without neighbours."""
        ids = pl.Series("face_id", face_ids, pl.String)
        shape = (len(ids), k)
        return KnnGraph(ids, np.full(shape, NO_NEIGHBOUR, np.int32), np.full(shape, -np.inf, np.float32))

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> "KnnGraph":
        """What `to_frame` made of a graph; other columns are passed over."""
        return KnnGraph(
            frame["face_id"].rename("face_id"), frame["neighbours"].to_numpy(), frame["similarities"].to_numpy()
        )

    def to_frame(self) -> pl.DataFrame:
        """One row a face: face_id, neighbours Array(Int32, k), similarities Array(Float32, k)."""
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
        wanted = KnnGraph.empty(face_ids, self.neighbours.shape[1])
        if wanted.face_ids.equals(self.face_ids):
            return self
        old_row = wanted.face_ids.to_frame().join(
            self.face_ids.to_frame().with_row_index("old"), on="face_id", how="left", maintain_order="left"
        )["old"]
        known = np.flatnonzero(old_row.is_not_null().to_numpy())
        old = old_row.drop_nulls().to_numpy().astype(np.int64)
        new_row = np.full(len(self.face_ids) + 1, NO_NEIGHBOUR, np.int32)  # the last one is where NOBODY leads
        new_row[old] = known
        neighbours, similarities = compact_lists(new_row[self.neighbours[old]], self.similarities[old])
        wanted.neighbours[known], wanted.similarities[known] = neighbours, similarities
        return wanted

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The directed edges as row numbers (m, 2) int64, by face and nearest first, and similarities (m,) float32."""
        there = self.neighbours != NO_NEIGHBOUR
        rows = np.repeat(np.arange(len(self.neighbours)), there.sum(axis=1))
        return np.column_stack([rows, self.neighbours[there].astype(np.int64)]), self.similarities[there]


def compact_lists(neighbours: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists (n, k) with NOBODY among them moved to their ends, the others left in their order."""
    gone = neighbours == NO_NEIGHBOUR
    torn = np.flatnonzero((gone[:, :-1] & ~gone[:, 1:]).any(axis=1))
    order = np.argsort(gone[torn], axis=1, kind="stable")
    similarities = np.where(gone, np.float32(-np.inf), similarities)
    neighbours[torn] = np.take_along_axis(neighbours[torn], order, 1)
    similarities[torn] = np.take_along_axis(similarities[torn], order, 1)
    return neighbours, similarities


SEARCH_VERSION = 2
"""Counts up when a search finds other edges than it did, so that graphs from before are not added to."""


def to_cached_frame(graph: KnnGraph, vectors: np.ndarray, least: float) -> pl.DataFrame:
    """The graph's frame with the column made_of. vectors: (n, d) float32, row by row with its faces."""
    return graph.to_frame().with_columns(made_of=pl.Series(_vector_keys(vectors, graph.neighbours.shape[1], least)))


def from_cached_frame(
    frame: pl.DataFrame, face_ids: pl.Series, vectors: np.ndarray, k: int, least: float
) -> KnnGraph | None:
    """What was kept, with other names for the faces that are not what they were; None when nothing of it holds."""
    if "made_of" not in frame.columns:
        return None
    now = pl.DataFrame({"face_id": face_ids, "mark": _vector_keys(vectors, k, least)})
    kept = frame.join(now, on="face_id", how="left", maintain_order="left")
    holds = pl.col("mark").eq_missing(pl.col("made_of"))
    kept = kept.with_columns(pl.when(holds).then("face_id").otherwise(pl.format("{} as it was", "face_id")))
    return KnnGraph.from_frame(kept) if frame.height and kept.select(holds.any()).item() else None


def _vector_keys(vectors: np.ndarray, k: int, least: float) -> np.ndarray:
    """A number (n,) uint64 for each vector's very bits, k and least."""
    bits = np.ascontiguousarray(vectors, np.float32)
    bits = np.pad(bits, ((0, 0), (0, bits.shape[1] % 2))) if bits.shape[1] % 2 else bits
    bits = bits.view(np.uint64)
    weights = np.random.default_rng(0).integers(1 << 63, size=bits.shape[1], dtype=np.uint64)
    salt = np.uint64(hash((SEARCH_VERSION, k, float(np.float32(least)))) & (2**64 - 1))
    return np.einsum("ij,j->i", bits, 2 * weights + np.uint64(1)) ^ salt
