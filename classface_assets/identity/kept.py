"""The graph as it is kept from run to run: each face with a mark of the vector and the settings it was searched with.

So a graph may be added to whatever happened since: a face whose vector changed, by another model or a mended part,
is one that left and another that came.
"""

import numpy as np
import polars as pl

from classface_assets.identity.graph import Graph

MADE = 1
"""Counts up when a search finds other edges than it did, so that graphs from before are not added to."""
AT_ONCE = 8192


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
    weights = np.random.default_rng(0).integers(1 << 63, size=vectors.shape[1] if len(vectors) else 0, dtype=np.uint64)
    salt = np.uint64(hash((MADE, k, float(np.float32(least)))) & (2**64 - 1))
    marks = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), AT_ONCE):
        bits = np.ascontiguousarray(vectors[start : start + AT_ONCE], np.float32).view(np.uint32)
        marks[start : start + AT_ONCE] = (bits.astype(np.uint64) * (2 * weights + np.uint64(1))).sum(axis=1) ^ salt
    return marks
