"""The asset `embeddings`: one unit vector a face."""

import dagster as dg
import polars as pl

from classface_assets.assets.common import INFERENCE_POOL, OWNERS
from classface_assets.assets.detections import detections
from classface_assets.assets.embedding_run import Done, EmbeddingConfig, embed
from classface_assets.assets.embeddings_report import embeddings_report
from classface_assets.automation.conditions import WHEN_ITS_YEAR_CHANGED
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years
from classface_assets.progress import Progress
from classface_assets.resources import Archive, Models
from classface_assets.store.barred import PLACES, barred_in
from classface_assets.store.parts import adopt
from classface_assets.store.tombstones import barred_faces
from classface_assets.store.year_parts import (
    current_settings,
    detection_parts,
    embedding_parts,
    year_detections,
    years_with_images,
)


@dg.asset(
    partitions_def=school_years,
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
@says_it_in_a_sentence
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
    faces = year_detections(layout, info.detector_version, year, [*PLACES, "status"])
    wanted = set(faces.filter(pl.col("status") == "ok")["face_id"]) if faces.width else set()
    if wanted - parts.ids("face_id"):
        wanted -= barred_in(faces, barred_faces(layout, archive.open_ledger().events()))
    elsewhere = [y for y in years_with_images(layout) if y != year]
    others = [embedding_parts(layout, info.detector_version, info.key, y) for y in elsewhere]
    pending = adopt(parts, others, "face_id", wanted - parts.ids("face_id"))
    done = Done()
    settings = current_settings(layout, info.detector_version, year)
    if pending and settings is not None:
        pack = models.load(layout)
        context.log.info(f"The model pack {info.key} runs on: {pack.device}, in {pack.embedder.numbers}")
        found = detection_parts(layout, info.detector_version, year, settings)
        with progress.task(f"{year}: embedding faces", len(pending), "faces") as advance:
            done = embed(found, pending, parts, pack, config, advance)
    parts.compact()
    return embeddings_report(parts, wanted, done, info.key)
