"""The asset `detections`: every face of a school year's photos, cut out and measured.

Searching the photos of a year that were not searched yet: from files to parts, and what counts as a face.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.layout import Layout
from classface_assets.core.locations import place_of
from classface_assets.defs.automation import WHEN_ITS_YEAR_CHANGED
from classface_assets.defs.ingest.detection_report import detections_report
from classface_assets.defs.ingest.images import images
from classface_assets.defs.ingest.manual_faces import make_drawn
from classface_assets.defs.ingest.reorientation import turn_photos
from classface_assets.defs.metadata import INFERENCE_POOL, OWNERS
from classface_assets.orchestration.failures import says_it_in_a_sentence
from classface_assets.orchestration.partitions import school_years
from classface_assets.orchestration.progress import Advance, Progress
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.former_ids import adopt_former
from classface_assets.store.catalog.school_year import (
    all_former_ids,
    current_settings,
    detection_parts,
    set_current_settings,
    under_todays_ids,
    year_images,
    years_with_images,
)
from classface_assets.store.catalog.school_years import folders_still_there
from classface_assets.store.decisions.exclusions import without_barred
from classface_assets.store.erasure.tombstones import barred_faces
from classface_assets.store.files.parts import Parts, adopt
from classface_assets.store.model.face_ref import LabelledFace
from classface_assets.vision.detection.multiscale import Detector
from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.detection.search import DetectionSettings


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
        before = DetectionSettings.named(last) if last else DetectionSettings()
        return DetectionSettings(
            before.min_confidence if self.min_confidence is None else self.min_confidence,
            before.min_face_px if self.min_face_px is None else self.min_face_px,
        )


def search(
    photos: pl.DataFrame,
    parts: Parts,
    settings: DetectionSettings,
    config: DetectionConfig,
    detector: Detector,
    layout: Layout,
    advance: Advance,
    barred: Mapping[str, LabelledFace],
) -> dict[str, str]:
    """Search photos for faces; each batch is a part as soon as it is done. Returns those that could not be opened.

    These get no row, so that the next run tries them again. Faces of people who were erased are left out. Raises
    PhotosFolderError when the whole folder is gone.
    """
    columns = ("asset_id", "path", "has_orientation")
    stated = photos.select("asset_id", pl.col("orientation").cast(pl.Int16)).unique("asset_id")
    jobs = [
        PhotoJob(a, place_of(layout.photos, path), not known) for a, path, known in photos.select(columns).iter_rows()
    ]
    unopened: dict[str, str] = {}
    for searched in detect_photos(jobs, detector, settings, config.photos_a_part, config.photos_at_once):
        if searched.unopened:
            folders_still_there(layout)
            unopened |= searched.unopened
        rows = without_barred(searched.rows, barred)
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = rows.drop("orientation").join(stated, on="asset_id", how="left", maintain_order="left")
        parts.append(rows.with_columns(pl.lit(now, pl.Datetime("us")).alias("created_at")))
        failed = rows.filter(pl.col("status") == "failed").height + len(searched.unopened)
        advance(rows["asset_id"].n_unique() + len(searched.unopened), rows["face_id"].count(), failed)
    return unopened


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
    rest. Neither a photo that moved between years is searched again, nor one whose metadata changed. A box that
    somebody drew, where no face was found, is one too, for as long as the drawing stands.
    """
    year, layout = context.partition_key, archive.layout
    detector = models.describe(layout).detector_version
    files = year_images(layout, year)
    photos = files.filter(pl.col("status") == "ok")
    settings = config.settings(current_settings(layout, detector, year))
    parts = detection_parts(layout, detector, year, settings.name)
    under_todays_ids(layout, year, files)
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    others = [detection_parts(layout, detector, y, settings.name) for y in years_with_images(layout) if y != year]
    pending = adopt(parts, others, "asset_id", pending)
    pending = adopt_former(parts, others, all_former_ids(layout), pending) if pending else pending
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
