"""The asset `embeddings`: one unit vector per face."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.core.languages import marked
from classface_assets.core.schemas import DetectionStatus
from classface_assets.defs.asset_factory import INFERENCE_POOL, CheckRule, archive_asset
from classface_assets.defs.automation import when_its_year_changed
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.year_changes import YearChanges
from classface_assets.defs.memoized import parts_version, with_data_version
from classface_assets.defs.metadata import markdown_table, materialize_result
from classface_assets.orchestration.batches.face_embedding import EmbeddedPart, FaceEmbedding, stored_order
from classface_assets.orchestration.batches.ray.config import RayConfig
from classface_assets.orchestration.progress import ProgressCallback, ProgressReporter
from classface_assets.orchestration.records.repaired_files import log_repaired
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import log_once, step_had_failed_checks, step_year
from classface_assets.services.archive_view.pack_change import change_note
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, erased_ids_in
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import copy_rows_from
from classface_assets.store.maintenance.damage import drop_broken_vectors, read_undamaged
from classface_assets.store.maintenance.failed_checks import BlockingCheck
from classface_assets.vision.models.pack_info import PackInfo

ONE_VECTOR_A_FACE = CheckRule(
    "one_vector_a_face",
    marked("Every face has one vector. A warning where all that lack one have a broken chip."),
    blocking=True,
)
UNIT_LENGTH = CheckRule(BlockingCheck.UNIT_LENGTH.value, marked("Length 1 within 0.001."), blocking=True)
FINITE = CheckRule(BlockingCheck.FINITE.value, marked("No vector holds NaN or infinity."), blocking=True)
NO_VECTOR_TWICE = CheckRule(
    "no_vector_twice",
    "No face has two rows in the parts. Only the first is read; `classface find-orphans --fix` removes the other.",
    severity=dg.AssetCheckSeverity.WARN,
)
REPAIR_HINT = "`classface find-orphans --fix` searches the photos of faces without a chip again, and embeds them."


class EmbeddingConfig(RayConfig):
    """How the work is divided; it changes no vector."""

    faces_a_part: int = Field(default=512, ge=1, description="Faces embedded before a part is written.")
    batch: int = Field(default=0, ge=0, description="Faces that the model sees at once; 0: 4 on a CPU, 256 on a GPU.")
    batches_at_once: int = Field(
        default=0, ge=0, description="Batches embedded in parallel; 0: one for each core, 2 on a GPU."
    )


@dataclass
class EmbeddingStats:
    """What a run embedded.

    Attributes:
        faces: Number of vectors.
        seconds: That it took.
        device: Where the embedder ran.
        undecoded: Face ids whose chip could not be decoded.
    """

    faces: int = 0
    seconds: float = 0.0
    device: str = ""
    undecoded: list[str] = field(default_factory=list)


@archive_asset(
    per_year=True,
    code_version="1",
    deps=[detections],
    group_name="ingest",
    kinds={"onnx", "parquet"},
    pool=INFERENCE_POOL,
    automate=when_its_year_changed,
    rules=(ONE_VECTOR_A_FACE, UNIT_LENGTH, FINITE, NO_VECTOR_TWICE),
    columns={"face_id": pl.String(), "vector": "Array(Float32, d)"},
)
def embeddings(
    context: dg.AssetExecutionContext,
    config: EmbeddingConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[ProgressReporter],
) -> dg.MaterializeResult:
    """One unit vector per face, computed from its chip; vectors of different model packs are never compared.

    Vectors of another version of the detector are stored separately, since its chips are cut out differently. Only
    faces without a vector of this pack are embedded, also after a killed run or when photos moved between years.
    """
    year, layout = step_year(context), archive.layout
    info = models.describe(layout)
    store = SchoolYearStore(layout, info.detector_version, year)
    parts = store.embedding_parts(info.key)
    log_repaired(context, layout, parts)
    if step_had_failed_checks():
        drop_broken_vectors(parts)
    stored = parts.ids("face_id")
    faces = _faces_to_embed(archive, store, stored)
    pending = faces - stored
    if pending:
        others = [other.embedding_parts(info.key) for other in store.other_years()]
        pending = copy_rows_from(parts, others, "face_id", pending)
    stats = EmbeddingStats()
    found = store.active_detection_parts()
    if pending and found is not None:
        note = change_note([store], info)
        if note:
            log_once(context, note)
        runner = config.runner(layout, models.pack)
        pack = None if runner.place else models.load(layout)
        place = runner.place or (f"{pack.device}, in {pack.embedder.precision}" if pack else "")
        log_once(context, f"The model pack {info.key} runs on: {place}")
        work = FaceEmbedding(layout, models.pack, found, parts, config.batch, config.batches_at_once)
        with progress.task(f"{year}: embedding faces", len(pending), "faces") as advance:
            stats = _counted(runner.run(work, stored_order(found, pending), config.faces_a_part), advance)
    parts.compact()
    result = with_data_version(embedding_report(parts, faces, stats, info), parts_version(parts))
    if all(check.passed or check.severity == dg.AssetCheckSeverity.WARN for check in result.check_results or ()):
        YearChanges(archive, models).record(year)
    return result


def _faces_to_embed(archive: Archive, store: SchoolYearStore, stored: set[str]) -> set[str]:
    """The ids of the year's faces, without those of erased people where any has no stored vector yet."""
    rows = store.detections([*LOCATION_COLUMNS, "status"])
    faces = set(rows.filter(pl.col("status") == DetectionStatus.FACE)["face_id"]) if rows.width else set()
    if faces - stored:
        faces -= erased_ids_in(rows, erased_faces(archive.layout, archive.open_ledger().events()))
    return faces


def _counted(done: Iterable[EmbeddedPart], advance: ProgressCallback) -> EmbeddingStats:
    """What was embedded, part after part."""
    start = time.monotonic()
    stats = EmbeddingStats()
    for part in done:
        stats.faces += part.faces
        stats.undecoded += part.undecoded
        stats.device = part.device
        advance(part.faces + len(part.undecoded), errors=len(part.undecoded))
    stats.seconds = time.monotonic() - start
    return stats


def embedding_report(
    parts: PartDataset, faces: set[str], stats: EmbeddingStats, pack: PackInfo
) -> dg.MaterializeResult:
    """The result of `embeddings` for all faces of a school year; a bounded frame of vectors is read at a time.

    Args:
        parts: The vectors.
        faces: The ids of the year's faces.
        stats: What this run did.
        pack: The model pack; its key and detector are what prune later knows it by.
    """
    ids = pl.DataFrame({"face_id": list(faces)}, schema={"face_id": pl.String})
    count, not_finite, deviation = 0, 0, 0.0
    for rows in parts.scan():
        current = rows.join(ids, on="face_id", how="semi")
        if current.is_empty():  # for example of a school year that is gone
            continue
        vectors = current["vector"].to_numpy().reshape(current.height, -1)
        finite = np.isfinite(vectors).all(axis=1)
        lengths = np.linalg.norm(vectors[finite], axis=1)
        count, not_finite = count + current.height, not_finite + int((~finite).sum())
        deviation = max(deviation, float(np.abs(lengths - 1).max(initial=0.0)))
    stored = read_undamaged(parts, ["face_id"])[0]
    twice = stored.height - stored.unique().height if stored.width else 0
    one_vector = ONE_VECTOR_A_FACE if count + len(stats.undecoded) < len(faces) else ONE_VECTOR_A_FACE.as_warning()
    hint = {"what to do": REPAIR_HINT} if count < len(faces) else {}
    speed = {"device": stats.device, "faces_a_second": round(stats.faces / stats.seconds, 1)} if stats.seconds else {}
    undecoded = pl.DataFrame({"face_id": stats.undecoded}, schema={"face_id": pl.String})
    return materialize_result(
        count,
        [
            one_vector.result(count == len(faces), faces=len(faces), vectors=count, **hint),
            UNIT_LENGTH.result(deviation < 1e-3, **{"largest deviation": deviation}),
            FINITE.result(not not_finite, **{"not finite": not_finite}),
            NO_VECTOR_TWICE.result(not twice, **{"rows too many": twice}),
        ],
        model_pack=pack.key,
        detector=pack.detector_version,
        embedded_now=stats.faces,
        **speed,
        chips_not_decoded=len(stats.undecoded),
        faces_whose_chip_is_broken=markdown_table(undecoded, most=50),
    )
