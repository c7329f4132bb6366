"""Embeds stored face chips: batches of chips become unit vectors, several batches in parallel."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from classface_assets.core.arrays import available_cores
from classface_assets.vision.alignment import try_decode_chip
from classface_assets.vision.parallel import ordered_thread_map
from classface_assets.vision.protocols import Embedder

# On a CPU each batch has one core: in MobileFaceNet a face takes 5.3 ms there alone, 5.1 among 4, 5.4 among 16.
BATCH_SIZES = {"cpu": 4, "cuda": 256}


@dataclass(frozen=True)
class EmbeddingBatch:
    """The `rows` (face_id, vector) of a batch, and the ids of the faces whose chip cannot be decoded."""

    rows: pl.DataFrame
    undecoded: list[str]


def embedding_schema(dim: int) -> pl.Schema:
    """The columns of embeddings with vectors of length `dim`."""
    return pl.Schema([("face_id", pl.String), ("vector", pl.Array(pl.Float32, dim))])


def parallel_batches(device: str) -> int:
    """How many batches are embedded in parallel: one a core; on a GPU one while another is decoded."""
    return 2 if device == "cuda" else available_cores()


def embed_faces(
    frames: Iterable[pl.DataFrame], embedder: Embedder, batch: int, workers: int = 2
) -> Iterator[EmbeddingBatch]:
    """Embed the chips of faces.

    Args:
        frames: Rows with face_id and chip; no more than one frame is in memory.
        embedder: The embedder.
        batch: How many faces a batch holds.
        workers: How many batches are decoded and embedded at a time, while the caller writes.

    Yields:
        The vectors of each batch, in the order of the faces.
    """
    batches = (rows for frame in frames for rows in frame.select("face_id", "chip").iter_slices(batch))
    for _, embedding in ordered_thread_map(partial(_embed_batch, embedder=embedder), batches, workers):
        yield embedding.result()


def _embed_batch(faces: pl.DataFrame, embedder: Embedder) -> EmbeddingBatch:
    chips = {name: try_decode_chip(data) for name, data in faces.iter_rows()}
    decoded = {name: chip for name, chip in chips.items() if chip is not None}
    vectors = embedder.embed(np.stack(list(decoded.values()))) if decoded else np.empty((0, embedder.dim), np.float32)
    rows = pl.DataFrame({"face_id": list(decoded), "vector": vectors}, schema=embedding_schema(embedder.dim))
    return EmbeddingBatch(rows, [name for name, chip in chips.items() if chip is None])
