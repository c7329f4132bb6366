"""The asset `embeddings`: one unit vector a face."""

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from classface_assets.assets.common import INFERENCE_POOL, OWNERS, result
from classface_assets.assets.detections import detections
from classface_assets.automation import WHEN_ITS_YEAR_CHANGED
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years
from classface_assets.progress import Progress
from classface_assets.resources import Archive, Models
from classface_assets.store.facts import embedding_parts, year_detections, years_with_images
from classface_assets.store.parts import adopt
from classface_assets.vision.embed import embed_faces


class EmbeddingConfig(dg.Config):
    """How the work is cut up; it changes no vector."""

    faces_a_part: int = Field(default=512, ge=1, description="Faces embedded before a part is written.")


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
        dg.AssetCheckSpec(
            "vectors_have_unit_length", asset="embeddings", description="Length 1 within 0.001, and no NaN."
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

    Only faces without a vector of this pack are embedded, also after a killed run or when photos moved between years.
    """
    year, layout = context.partition_key, archive.layout
    pack = models.describe(layout)
    parts = embedding_parts(layout, pack.key, year)
    faces = year_detections(layout, pack.detector_version, year, ["asset_id", "face_id", "status"])
    wanted = set(faces.filter(pl.col("status") == "ok")["face_id"]) if faces.width else set()
    others = [embedding_parts(layout, pack.key, y) for y in years_with_images(layout) if y != year]
    pending = adopt(parts, others, "face_id", wanted - parts.ids("face_id"))
    if pending:
        rows = year_detections(layout, pack.detector_version, year, ["asset_id", "face_id", "chip"])
        rows = rows.filter(pl.col("face_id").is_in(list(pending)))
        embedder = models.load(layout).embedder
        with progress.task(f"{year}: embedding faces", rows.height, "faces") as advance:
            for batch in rows.iter_slices(config.faces_a_part):
                parts.append(embed_faces(batch, embedder))
                advance(batch.height)
    parts.compact()
    stored = parts.read()
    vectors = stored.filter(pl.col("face_id").is_in(list(wanted))) if stored.width else stored
    return _report(vectors, len(wanted), len(pending), pack.key)


def _report(vectors: pl.DataFrame, faces: int, embedded: int, pack: str) -> dg.MaterializeResult:
    lengths = np.linalg.norm(vectors["vector"].to_numpy(), axis=1) if vectors.height else np.ones(1)
    off = float(np.abs(lengths - 1).max())
    return result(
        vectors.height,
        [
            dg.AssetCheckResult(
                check_name="one_vector_a_face",
                passed=vectors.height == faces,
                metadata={"faces": faces, "vectors": vectors.height},
            ),
            dg.AssetCheckResult(
                check_name="vectors_have_unit_length",
                passed=bool(np.isfinite(lengths).all() and off < 1e-3),
                metadata={"largest deviation": off},
            ),
        ],
        model_pack=pack,
        embedded_now=embedded,
    )
