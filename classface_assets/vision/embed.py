"""From stored chips to unit vectors, batch by batch: chips are decoded ahead while the model works."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import polars as pl

from classface_assets.vision.chips import chip_or_none

BATCHES = {"cpu": 16, "cuda": 256}  # on a CPU larger ones are no faster and take more memory: 130 MB at 16, 310 at 64
AHEAD = 2  # decoded batches that may wait for the model
T = TypeVar("T")


class Embedder(Protocol):
    """Gives chips (n, 192, 192, 3) their unit vectors (n, dim) float32."""

    dim: int

    def embed(self, chips: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Embedded:
    """A batch that is done: `rows` of face_id and vector, and the ids of the faces whose chip cannot be decoded."""

    rows: pl.DataFrame
    undecoded: list[str]


def embedding_schema(dim: int) -> pl.Schema:
    """The columns of embeddings of that many numbers."""
    return pl.Schema([("face_id", pl.String), ("vector", pl.Array(pl.Float32, dim))])


def embed_faces(frames: Iterable[pl.DataFrame], embedder: Embedder, batch: int) -> Iterator[Embedded]:
    """The vectors of faces, `batch` at a time, in their order. Frames have face_id and chip; no more than one is held.

    Reading the frames and decoding the chips go on in a thread of their own.
    """
    for names, chips, undecoded in ahead(_decoded(frames, batch)):
        vectors = embedder.embed(np.stack(chips)) if chips else np.empty((0, embedder.dim), np.float32)
        rows = pl.DataFrame({"face_id": names, "vector": vectors}, schema=embedding_schema(embedder.dim))
        yield Embedded(rows, undecoded)


def ahead(items: Iterator[T], waiting: int = AHEAD) -> Iterator[T]:
    """The same items, of which so many are made in another thread before they are asked for."""
    end = object()
    with ThreadPoolExecutor(1) as worker:
        made = deque(worker.submit(next, items, end) for _ in range(waiting))
        while (item := made.popleft().result()) is not end:
            made.append(worker.submit(next, items, end))
            yield item  # type: ignore[misc] # what is not the end is one of the items


def _decoded(frames: Iterable[pl.DataFrame], batch: int) -> Iterator[tuple[list[str], list[np.ndarray], list[str]]]:
    for frame in frames:
        for rows in frame.select("face_id", "chip").iter_slices(batch):
            names, chips, undecoded = [], [], []
            for name, data in rows.iter_rows():
                chip = chip_or_none(data)
                if chip is None:
                    undecoded.append(name)
                else:
                    names.append(name)
                    chips.append(chip)
            yield names, chips, undecoded
