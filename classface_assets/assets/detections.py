"""The asset `detections`: every face of a school year's photos, cut out and measured."""

import dagster as dg
import polars as pl

from classface_assets.assets.common import INFERENCE_POOL, OWNERS
from classface_assets.assets.detection_run import DetectionConfig, search
from classface_assets.assets.detections_report import detections_report
from classface_assets.assets.drawn import make_drawn
from classface_assets.assets.images import images
from classface_assets.assets.turned import turn_photos
from classface_assets.automation.conditions import WHEN_ITS_YEAR_CHANGED
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years
from classface_assets.progress import Progress
from classface_assets.resources import Archive, Models
from classface_assets.store.parts import adopt
from classface_assets.store.tombstones import barred_faces
from classface_assets.store.year_parts import (
    current_settings,
    detection_parts,
    set_current_settings,
    year_images,
    years_with_images,
)


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
            "faces_lie_in_their_photo", asset="detections", description="Every box lies within its photo."
        ),
        dg.AssetCheckSpec("no_face_twice", asset="detections", description="No two faces have one id."),
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
    """Every face: its box, five landmarks, confidence, quality, sharpness, light, pose, and the aligned face chip.

    A photo without a face, or one that cannot be decoded, keeps a row that says so and is not tried again. A scan that
    does not say which way is up is turned until its faces are. A killed run keeps what it has found; the next does the
    rest. A photo that moved between years is not searched again. A box that somebody drew, where no face was found, is
    one too, for as long as the drawing stands.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    photos = year_images(layout, year).filter(pl.col("status") == "ok")
    settings = config.settings(current_settings(layout, detector, year))
    parts = detection_parts(layout, detector, year, settings.name)
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    others = [detection_parts(layout, detector, y, settings.name) for y in years_with_images(layout) if y != year]
    pending = adopt(parts, others, "asset_id", pending)
    unopened, device = {}, ""
    if pending:
        pack = models.load(layout)
        device = pack.device
        context.log.info(f"{pack.info.name} searches {len(pending)} photos on: {device}, in {pack.detector.numbers}")
        new = photos.filter(pl.col("asset_id").is_in(list(pending)))
        with progress.task(f"{year}: finding faces", new.height) as advance:
            barred = barred_faces(layout, archive.open_ledger().events())
            unopened = search(new, parts, settings, config, pack.detector, layout, advance, barred)
    turned = turn_photos(archive, models, parts, photos, settings)
    drawn = make_drawn(archive, models, parts, year)
    parts.compact()
    set_current_settings(layout, detector, year, settings.name)
    return detections_report(
        layout, detector, year, photos, len(pending), unopened, device, {**drawn, "photos_turned": turned}
    )
