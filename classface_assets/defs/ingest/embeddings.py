"""The asset `embeddings`: one unit vector a face.

Embedding the faces of a year that have no vector yet: from chips to parts, and what was done on the way.

What a run of `embeddings` tells: a look at every vector of the year, its checks, and what was done how fast.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.defs.automation import WHEN_ITS_YEAR_CHANGED
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.metadata import INFERENCE_POOL, OWNERS, markdown_table, materialize_result
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.partitions import school_year_partitions
from classface_assets.orchestration.progress import Progress, ProgressCallback
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    detection_parts,
    embedding_parts,
    list_school_years,
    year_detections,
)
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset, copy_rows_from
from classface_assets.store.maintenance.damage import read_undamaged
from classface_assets.vision.embedding import BATCH_SIZES, EmbeddingBatch, embed_faces, parallel_batches
from classface_assets.vision.models.registry import ModelPack


class EmbeddingConfig(dg.Config):
    """How the work is cut up; it changes no vector."""

    faces_a_part: int = Field(default=512, ge=1, description="Faces embedded before a part is written.")
    batch: int = Field(default=0, ge=0, description="Faces that the model sees at once; 0: 4 on a CPU, 256 on a GPU.")
    batches_at_once: int = Field(
        default=0, ge=0, description="Batches embedded side by side; 0: one a core, 2 on a GPU."
    )


@dataclass
class EmbeddingStats:
    """What a run embedded: how many faces, in how many seconds, where, and whose chip could not be decoded."""

    faces: int = 0
    seconds: float = 0.0
    device: str = ""
    undecoded: list[str] = field(default_factory=list)


def embed_pending_faces(
    found: PartDataset,
    pending: set[str],
    parts: PartDataset,
    pack: ModelPack,
    config: EmbeddingConfig,
    advance: ProgressCallback,
) -> EmbeddingStats:
    """Embed the pending of the found faces, a part at a time; the next batches are embedded while one is written."""
    start = time.monotonic()
    done = EmbeddingStats(device=pack.device)

    chips, batch = pending_chips(found, pending), config.batch or BATCH_SIZES[pack.device]
    batches = embed_faces(chips, pack.embedder, batch, config.batches_at_once or parallel_batches(pack.device))
    for part in merge_batches(batches, config.faces_a_part):
        parts.append(part.rows)
        done.faces += part.rows.height
        done.undecoded += part.undecoded
        advance(part.rows.height + len(part.undecoded), errors=len(part.undecoded))
    done.seconds = time.monotonic() - start
    return done


def merge_batches(batches: Iterable[EmbeddingBatch], faces: int) -> Iterator[EmbeddingBatch]:
    """The same, gathered until there are that many faces or the batches end."""
    waiting: list[EmbeddingBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.rows.height for one in waiting) >= faces:
            yield concat_batches(waiting)
            waiting = []
    if waiting:
        yield concat_batches(waiting)


def concat_batches(batches: list[EmbeddingBatch]) -> EmbeddingBatch:
    return EmbeddingBatch(pl.concat([one.rows for one in batches]), [name for one in batches for name in one.undecoded])


def pending_chips(found: PartDataset, pending: set[str]) -> Iterator[pl.DataFrame]:
    """The face ids and chips of the pending faces, a bounded frame at a time."""
    wanted = pl.DataFrame({"face_id": list(pending)}, schema={"face_id": pl.String})
    for rows in found.scan(["face_id", "chip"]):
        chosen = rows.join(wanted, on="face_id", how="semi", maintain_order="left")
        if chosen.height:
            yield chosen


REPAIR_HINT = "`classface find-orphans --fix` searches the photos of faces without a chip again, and the rest goes on."


def embedding_report(parts: PartDataset, wanted: set[str], done: EmbeddingStats, pack: str) -> dg.MaterializeResult:
    """Look at all vectors of the year that count, a bounded frame at a time."""
    names = pl.DataFrame({"face_id": list(wanted)}, schema={"face_id": pl.String})
    count, broken, off = 0, 0, 0.0
    for rows in parts.scan():
        counting = rows.join(names, on="face_id", how="semi")
        if counting.is_empty():  # of a school year that is gone, say
            continue
        vectors = counting["vector"].to_numpy().reshape(counting.height, -1)
        finite = np.isfinite(vectors).all(axis=1)
        lengths = np.linalg.norm(vectors[finite], axis=1)
        count, broken = count + counting.height, broken + int((~finite).sum())
        off = max(off, float(np.abs(lengths - 1).max(initial=0.0)))
    stored = read_undamaged(parts, ["face_id"])[0]
    twice = stored.height - stored.unique().height if stored.width else 0
    missing = len(wanted) - count
    lost = {"what to do": REPAIR_HINT} if missing else {}
    return materialize_result(
        count,
        [
            _check_result("one_vector_a_face", count == len(wanted), faces=len(wanted), vectors=count, **lost),
            _check_result("vectors_have_unit_length", off < 1e-3, **{"largest deviation": off}),
            _check_result("vectors_are_finite", not broken, **{"not finite": broken}),
            _check_result("no_vector_twice", not twice, **{"rows too many": twice}),
        ],
        model_pack=pack,
        embedded_now=done.faces,
        **({"device": done.device, "faces_a_second": round(done.faces / done.seconds, 1)} if done.seconds else {}),
        chips_not_decoded=len(done.undecoded),
        faces_whose_chip_is_broken=markdown_table(
            pl.DataFrame({"face_id": done.undecoded}, schema={"face_id": pl.String}), most=50
        ),
    )


def _check_result(name: str, passed: bool, **metadata: int | float | str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=metadata)


@dg.asset(
    partitions_def=school_year_partitions,
    deps=[detections],
    group_name="ingest",
    kinds={"onnx", "parquet"},
    owners=OWNERS,
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ITS_YEAR_CHANGED,
    check_specs=[
        dg.AssetCheckSpec("one_vector_a_face", asset="embeddings", description="Every face has one vector."),
        dg.AssetCheckSpec("vectors_have_unit_length", asset="embeddings", description="Length 1 within 0.001."),
        dg.AssetCheckSpec("vectors_are_finite", asset="embeddings", description="No vector holds NaN or infinity."),
        dg.AssetCheckSpec(
            "no_vector_twice",
            asset="embeddings",
            description="No face has two rows in the parts. Read is only the first; `classface find-orphans --fix` "
            "takes the other out.",
        ),
    ],
)
@report_user_errors
def embeddings(
    context: dg.AssetExecutionContext,
    config: EmbeddingConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """One unit vector a face, made from its chip, in a folder of the model pack's own: vectors of two packs never meet.
    Those of another version of the detector stay beside them: it cut the faces out otherwise.

    Only faces without a vector of this pack are embedded, also after a killed run or when photos moved between years.
    """
    year, layout = context.partition_key, archive.layout
    info = models.describe(layout)
    parts = embedding_parts(layout, info.detector_version, info.key, year)
    faces = year_detections(layout, info.detector_version, year, [*LOCATION_COLUMNS, "status"])
    wanted = set(faces.filter(pl.col("status") == "ok")["face_id"]) if faces.width else set()
    if wanted - parts.ids("face_id"):
        wanted -= erased_ids_in(faces, erased_faces(layout, archive.open_ledger().events()))
    elsewhere = [y for y in list_school_years(layout) if y != year]
    others = [embedding_parts(layout, info.detector_version, info.key, y) for y in elsewhere]
    pending = copy_rows_from(parts, others, "face_id", wanted - parts.ids("face_id"))
    done = EmbeddingStats()
    settings = active_detection_settings(layout, info.detector_version, year)
    if pending and settings is not None:
        pack = models.load(layout)
        context.log.info(f"The model pack {info.key} runs on: {pack.device}, in {pack.embedder.precision}")
        found = detection_parts(layout, info.detector_version, year, settings)
        with progress.task(f"{year}: embedding faces", len(pending), "faces") as advance:
            done = embed_pending_faces(found, pending, parts, pack, config, advance)
    parts.compact()
    return embedding_report(parts, wanted, done, info.key)
