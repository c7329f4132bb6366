"""Embedding the faces of a year that have no vector yet: from chips to parts, and what was done on the way."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.progress import Advance
from classface_assets.store.parts import Parts
from classface_assets.vision.embed import BATCHES, Embedded, batches_at_once, embed_faces
from classface_assets.vision.packs import ModelPack


class EmbeddingConfig(dg.Config):
    """How the work is cut up; it changes no vector."""

    faces_a_part: int = Field(default=512, ge=1, description="Faces embedded before a part is written.")
    batch: int = Field(default=0, ge=0, description="Faces that the model sees at once; 0: 4 on a CPU, 256 on a GPU.")
    batches_at_once: int = Field(
        default=0, ge=0, description="Batches embedded side by side; 0: one a core, 2 on a GPU."
    )


@dataclass
class Done:
    """What a run embedded: how many faces, in how many seconds, where, and whose chip could not be decoded."""

    faces: int = 0
    seconds: float = 0.0
    device: str = ""
    undecoded: list[str] = field(default_factory=list)


def embed(
    found: Parts, pending: set[str], parts: Parts, pack: ModelPack, config: EmbeddingConfig, advance: Advance
) -> Done:
    """Embed the pending of the found faces, a part at a time; the next batches are embedded while one is written."""
    start = time.monotonic()
    done = Done(device=pack.device)

    chips, batch = pending_chips(found, pending), config.batch or BATCHES[pack.device]
    batches = embed_faces(chips, pack.embedder, batch, config.batches_at_once or batches_at_once(pack.device))
    for part in in_parts(batches, config.faces_a_part):
        parts.append(part.rows)
        done.faces += part.rows.height
        done.undecoded += part.undecoded
        advance(part.rows.height + len(part.undecoded), errors=len(part.undecoded))
    done.seconds = time.monotonic() - start
    return done


def in_parts(batches: Iterable[Embedded], faces: int) -> Iterator[Embedded]:
    """The same, gathered until there are that many faces or the batches end."""
    waiting: list[Embedded] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.rows.height for one in waiting) >= faces:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def joined(batches: list[Embedded]) -> Embedded:
    return Embedded(pl.concat([one.rows for one in batches]), [name for one in batches for name in one.undecoded])


def pending_chips(found: Parts, pending: set[str]) -> Iterator[pl.DataFrame]:
    """The face ids and chips of the pending faces, a bounded frame at a time."""
    wanted = pl.DataFrame({"face_id": list(pending)}, schema={"face_id": pl.String})
    for rows in found.scan(["face_id", "chip"]):
        chosen = rows.join(wanted, on="face_id", how="semi", maintain_order="left")
        if chosen.height:
            yield chosen
