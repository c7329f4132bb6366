"""From stored chips to unit vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import polars as pl

from classface_assets.vision.chips import decode_chip


class Embedder(Protocol):
    """Gives chips (n, 192, 192, 3) their unit vectors (n, dim) float32."""

    dim: int

    def embed(self, chips: np.ndarray) -> np.ndarray: ...


def embedding_schema(dim: int) -> pl.Schema:
    """The columns of embeddings of that many numbers."""
    return pl.Schema([("face_id", pl.String), ("vector", pl.Array(pl.Float32, dim))])


def embed_chips(chips: Sequence[bytes], embedder: Embedder, batch: int = 64) -> np.ndarray:
    """Unit vectors (n, dim) float32 of stored chips."""
    parts = [
        embedder.embed(np.stack([decode_chip(data) for data in chips[start : start + batch]]))
        for start in range(0, len(chips), batch)
    ]
    return np.concatenate(parts).astype(np.float32) if parts else np.empty((0, embedder.dim), np.float32)


def embed_faces(detections: pl.DataFrame, embedder: Embedder, batch: int = 64) -> pl.DataFrame:
    """One unit vector for each face among the detections (rows without a face have none)."""
    faces = detections.filter(pl.col("face_id").is_not_null())
    vectors = embed_chips(faces["chip"].to_list(), embedder, batch)
    return pl.DataFrame({"face_id": faces["face_id"], "vector": vectors}, schema=embedding_schema(embedder.dim))
