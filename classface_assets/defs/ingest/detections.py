"""The asset `detections`: every face of a school year's photos, cut out and measured.

Searching the photos of a year that were not searched yet: from files to parts, and what counts as a face.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import decode_relative_path
from classface_assets.defs.automation import WHEN_ITS_YEAR_CHANGED
from classface_assets.defs.ingest.detection_report import detection_report
from classface_assets.defs.ingest.images import images
from classface_assets.defs.ingest.manual_faces import update_manual_faces
from classface_assets.defs.ingest.reorientation import reorient_photos
from classface_assets.defs.metadata import INFERENCE_POOL, OWNERS
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.partitions import school_year_partitions
from classface_assets.orchestration.progress import Progress, ProgressCallback
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.former_ids import copy_former_rows
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    all_former_ids,
    detection_parts,
    list_school_years,
    migrate_former_ids,
    set_active_detection_settings,
    year_images,
)
from classface_assets.store.catalog.school_years import require_year_folders
from classface_assets.store.decisions.exclusions import drop_erased
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset, copy_rows_from
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.protocols import Detector


class DetectionConfig(dg.Config):
    """What counts as a face. Other values make new parts beside the old ones, and stay in force for the year."""

    min_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The detector's own confidence, 0 to 1; empty: as the year was searched last, 0.5 at first.",
    )
    min_face_px: int | None = Field(
        default=None,
        ge=1,
        description="Shorter side of the smallest face box, in photo pixels; empty: as the year was searched last, "
        "20 at first.",
    )
    photos_at_once: int = Field(default=0, ge=0, description="Photos searched side by side; 0: as the machine allows.")
    photos_a_part: int = Field(default=32, ge=1, description="Photos after which what was found is written.")

    def settings(self, last: str | None) -> DetectionSettings:
        """What is given, for the rest the settings of that name, for the rest the usual ones."""
        before = DetectionSettings.from_name(last) if last else DetectionSettings()
        return DetectionSettings(
            before.min_confidence if self.min_confidence is None else self.min_confidence,
            before.min_face_px if self.min_face_px is None else self.min_face_px,
        )


def detect_pending_photos(
    photos: pl.DataFrame,
    parts: PartDataset,
    settings: DetectionSettings,
    config: DetectionConfig,
    detector: Detector,
    layout: ArchiveLayout,
    advance: ProgressCallback,
    barred: Mapping[str, FaceRef],
) -> dict[str, str]:
    """Search photos for faces; each batch is a part as soon as it is done. Returns those that could not be opened.

    These get no row, so that the next run tries them again. Faces of people who were erased are left out. Raises
    PhotosFolderError when the whole folder is gone.
    """
    columns = ("asset_id", "path", "has_orientation")
    stated = photos.select("asset_id", pl.col("orientation").cast(pl.Int16)).unique("asset_id")
    jobs = [
        PhotoJob(a, decode_relative_path(layout.photos, path), not known)
        for a, path, known in photos.select(columns).iter_rows()
    ]
    unopened: dict[str, str] = {}
    for searched in detect_photos(jobs, detector, settings, config.photos_a_part, config.photos_at_once):
        if searched.unopened:
            require_year_folders(layout)
            unopened |= searched.unopened
        rows = drop_erased(searched.rows, barred)
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = rows.drop("orientation").join(stated, on="asset_id", how="left", maintain_order="left")
        parts.append(rows.with_columns(pl.lit(now, pl.Datetime("us")).alias("created_at")))
        failed = rows.filter(pl.col("status") == "failed").height + len(searched.unopened)
        advance(rows["asset_id"].n_unique() + len(searched.unopened), rows["face_id"].count(), failed)
    return unopened


@dg.asset(
    partitions_def=school_year_partitions,
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
@report_user_errors
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
    rest. Neither a photo that moved between years is searched again, nor one whose metadata changed. A box that
    somebody drew, where no face was found, is one too, for as long as the drawing stands.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    files = year_images(layout, year)
    photos = files.filter(pl.col("status") == "ok")
    settings = config.settings(active_detection_settings(layout, detector, year))
    parts = detection_parts(layout, detector, year, settings.name)
    migrate_former_ids(layout, year, files)
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    others = [detection_parts(layout, detector, y, settings.name) for y in list_school_years(layout) if y != year]
    pending = copy_rows_from(parts, others, "asset_id", pending)
    pending = copy_former_rows(parts, others, all_former_ids(layout), pending) if pending else pending
    unopened, device = {}, ""
    if pending:
        pack = models.load(layout)
        device = pack.device
        context.log.info(f"{pack.info.name} searches {len(pending)} photos on: {device}, in {pack.detector.precision}")
        new = photos.filter(pl.col("asset_id").is_in(list(pending)))
        with progress.task(f"{year}: finding faces", new.height) as advance:
            barred = erased_faces(layout, archive.open_ledger().events())
            unopened = detect_pending_photos(new, parts, settings, config, pack.detector, layout, advance, barred)
    turned = reorient_photos(archive, models, parts, photos, settings)
    drawn = update_manual_faces(archive, models, parts, year)
    parts.compact()
    set_active_detection_settings(layout, detector, year, settings.name)
    return detection_report(
        layout, detector, year, photos, len(pending), unopened, device, {**drawn, "photos_turned": turned}
    )
