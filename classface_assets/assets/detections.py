"""The asset `detections`: every face of a school year's photos, cut out and measured."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.assets.common import INFERENCE_POOL, OWNERS, counted, picture, result, table
from classface_assets.assets.images import images
from classface_assets.automation import WHEN_ITS_YEAR_CHANGED
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years
from classface_assets.progress import Progress
from classface_assets.resources import Archive, Models
from classface_assets.store.facts import (
    detection_parts,
    set_current_settings,
    year_detections,
    year_images,
    years_with_images,
)
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts, adopt
from classface_assets.vision.detect import DetectionSettings, detect_photos
from classface_assets.vision.pictures import contact_sheet


class DetectionConfig(dg.Config):
    """What counts as a face. Other values make new parts beside the old ones."""

    min_confidence: float = Field(default=0.5, ge=0, le=1, description="The detector's own confidence, 0 to 1.")
    min_face_px: int = Field(default=20, ge=1, description="Shorter side of the smallest face box, in photo pixels.")

    def folder(self) -> str:
        return f"confidence-{self.min_confidence:g} size-{self.min_face_px}"


@dg.asset(
    partitions_def=school_years,
    deps=[images],
    group_name="ingest",
    kinds={"onnx", "parquet"},
    owners=OWNERS,
    pool=INFERENCE_POOL,
    automation_condition=WHEN_ITS_YEAR_CHANGED,
    check_specs=[
        dg.AssetCheckSpec(
            "every_photo_was_searched",
            asset="detections",
            description="Each photo has its faces, or a row that says that it has none or why it failed.",
        ),
        dg.AssetCheckSpec(
            "faces_lie_in_their_photo", asset="detections", description="No face lies wholly outside its photo."
        ),
    ],
)
@says_it_in_a_sentence
def detections(
    context: dg.AssetExecutionContext,
    config: DetectionConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """Every face: its box, five landmarks, confidence, quality, sharpness, and the aligned face chip.

    A photo without a face, or one that cannot be decoded, keeps a row that says so and is not tried again. A killed run
    keeps what it has found; the next does the rest. A photo that moved between years is not searched again.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    photos = year_images(layout, year).filter(pl.col("status") == "ok")
    parts = detection_parts(layout, detector, year, config.folder())
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    others = [detection_parts(layout, detector, y, config.folder()) for y in years_with_images(layout) if y != year]
    pending = adopt(parts, others, "asset_id", pending)
    if pending:
        _search(photos.filter(pl.col("asset_id").is_in(list(pending))), parts, config, models, layout, progress, year)
    parts.compact()
    set_current_settings(layout, detector, year, config.folder())
    return _report(year_detections(layout, detector, year), photos, len(pending))


def _search(
    photos: pl.DataFrame,
    parts: Parts,
    config: DetectionConfig,
    models: Models,
    layout: Layout,
    progress: Progress,
    year: str,
) -> None:
    """Search photos for faces; each batch is a part as soon as it is done."""
    settings = DetectionSettings(config.min_confidence, config.min_face_px)
    jobs = [(asset_id, layout.photos / path) for asset_id, path in photos.select("asset_id", "path").iter_rows()]
    detector = models.load(layout).detector
    with progress.task(f"{year}: finding faces", len(jobs)) as advance:
        for rows in detect_photos(jobs, detector, settings):
            now = datetime.now(UTC).replace(tzinfo=None)
            parts.append(rows.with_columns(pl.lit(now, pl.Datetime("us")).alias("created_at")))
            faces, errors = (rows.filter(pl.col("status") == status).height for status in ("ok", "failed"))
            advance(rows["asset_id"].n_unique(), faces, errors)


def _report(rows: pl.DataFrame, photos: pl.DataFrame, searched: int) -> dg.MaterializeResult:
    if not rows.width:
        return result(0, [_passed("every_photo_was_searched", not photos.height), _passed("faces_lie_in_their_photo")])
    faces = rows.filter(pl.col("status") == "ok").sort("quality_score", descending=True)
    best = faces.head(48)["chip"].to_list()
    seen = rows["asset_id"].n_unique()
    apart = faces.join(photos.select("asset_id", "width", "height"), on="asset_id").filter(
        (pl.col("bbox_x") + pl.col("bbox_w") <= 0)
        | (pl.col("bbox_y") + pl.col("bbox_h") <= 0)
        | (pl.col("bbox_x") >= pl.col("width"))
        | (pl.col("bbox_y") >= pl.col("height"))
    )
    return result(
        faces.height,
        [
            _passed("every_photo_was_searched", seen >= photos.height, photos=photos.height, searched=seen),
            _passed("faces_lie_in_their_photo", apart.is_empty(), outside=apart.height),
        ],
        photos_searched_now=searched,
        photos_by_outcome=table(counted(rows.unique("asset_id"), "status")),
        failed=table(rows.filter(pl.col("status") == "failed").select("asset_id", "reason"), most=50),
        **({"best_faces": picture(contact_sheet(best), "the faces of best quality")} if best else {}),
    )


def _passed(name: str, passed: bool = True, **metadata: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, metadata=metadata)
