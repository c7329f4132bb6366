"""The graph as it is kept from run to run: each face with a mark of the vector and the settings it was searched with.

So a graph may be added to whatever happened since: a face whose vector changed, by another model or a mended part,
is one that left and another that came.
"""

import numpy as np
import polars as pl

from classface_assets.identity.graph import Graph

MADE = 2
"""Counts up when a search finds other edges than it did, so that graphs from before are not added to."""


def to_keep(graph: Graph, vectors: np.ndarray, least: float) -> pl.DataFrame:
    """The graph's frame with the column made_of. vectors: (n, d) float32, row by row with its faces."""
    return graph.to_frame().with_columns(made_of=pl.Series(_marks(vectors, graph.neighbours.shape[1], least)))


def of_kept(frame: pl.DataFrame, face_ids: pl.Series, vectors: np.ndarray, k: int, least: float) -> Graph | None:
    """What was kept, with other names for the faces that are not what they were; None when nothing of it holds."""
    if "made_of" not in frame.columns:
        return None
    now = pl.DataFrame({"face_id": face_ids, "mark": _marks(vectors, k, least)})
    kept = frame.join(now, on="face_id", how="left", maintain_order="left")
    holds = pl.col("mark").eq_missing(pl.col("made_of"))
    kept = kept.with_columns(pl.when(holds).then("face_id").otherwise(pl.format("{} as it was", "face_id")))
    return Graph.of_frame(kept) if frame.height and kept.select(holds.any()).item() else None


def _marks(vectors: np.ndarray, k: int, least: float) -> np.ndarray:
    """A number (n,) uint64 for each vector's very bits, k and least."""
    bits = np.ascontiguousarray(vectors, np.float32)
    bits = np.pad(bits, ((0, 0), (0, bits.shape[1] % 2))) if bits.shape[1] % 2 else bits
    bits = bits.view(np.uint64)
    weights = np.random.default_rng(0).integers(1 << 63, size=bits.shape[1], dtype=np.uint64)
    salt = np.uint64(hash((MADE, k, float(np.float32(least)))) & (2**64 - 1))
    return np.einsum("ij,j->i", bits, 2 * weights + np.uint64(1)) ^ salt
