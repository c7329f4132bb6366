"""From stored chips to unit vectors, several batches side by side, each in a thread of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import polars as pl

from classface_assets.core.arrays import available_cores
from classface_assets.vision.alignment import try_decode_chip
from classface_assets.vision.parallel import ordered_thread_map

# On a CPU each batch has one core: in MobileFaceNet a face takes 5.3 ms there alone, 5.1 among 4, 5.4 among 16.
BATCH_SIZES = {"cpu": 4, "cuda": 256}


class Embedder(Protocol):
    """Gives chips (n, 192, 192, 3) their unit vectors (n, dim) float32; may be called from many threads.

    `numbers` is what it computes in: float32 or bfloat16.
    """

    dim: int
    precision: str

    def embed(self, chips: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class EmbeddingBatch:
    """A batch that is done: `rows` of face_id and vector, and the ids of the faces whose chip cannot be decoded."""

    rows: pl.DataFrame
    undecoded: list[str]


def embedding_schema(dim: int) -> pl.Schema:
    """The columns of embeddings of that many numbers."""
    return pl.Schema([("face_id", pl.String), ("vector", pl.Array(pl.Float32, dim))])


def parallel_batches(device: str) -> int:
    """One a core, or on a GPU one while another is decoded."""
    return 2 if device == "cuda" else available_cores()


def embed_faces(
    frames: Iterable[pl.DataFrame], embedder: Embedder, batch: int, at_once: int = 2
) -> Iterator[EmbeddingBatch]:
    """The vectors of faces, `batch` at a time, in their order. Frames have face_id and chip; no more than one is held.

    `at_once` batches are decoded and embedded side by side, while the caller writes.
    """
    batches = (rows for frame in frames for rows in frame.select("face_id", "chip").iter_slices(batch))
    for _, embedding in ordered_thread_map(partial(_embed_batch, embedder=embedder), batches, at_once):
        yield embedding.result()


def _embed_batch(faces: pl.DataFrame, embedder: Embedder) -> EmbeddingBatch:
    chips = {name: try_decode_chip(data) for name, data in faces.iter_rows()}
    decoded = {name: chip for name, chip in chips.items() if chip is not None}
    vectors = embedder.embed(np.stack(list(decoded.values()))) if decoded else np.empty((0, embedder.dim), np.float32)
    rows = pl.DataFrame({"face_id": list(decoded), "vector": vectors}, schema=embedding_schema(embedder.dim))
    return EmbeddingBatch(rows, [name for name, chip in chips.items() if chip is None])
