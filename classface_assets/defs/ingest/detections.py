"""The asset `detections`: every face of a school year's photos, with its aligned chip."""

from collections.abc import Iterable

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.schemas import DETECTIONS, PhotoStatus
from classface_assets.defs.asset_factory import INFERENCE_POOL, archive_asset
from classface_assets.defs.automation import when_its_year_changed
from classface_assets.defs.ingest.detection_report import RULES, DetectionRun, detection_report
from classface_assets.defs.ingest.images import images
from classface_assets.defs.ingest.manual_faces import update_manual_faces
from classface_assets.defs.ingest.reorientation import reorient_photos
from classface_assets.defs.ingest.strips import SearchedStrips, search_strips_again
from classface_assets.defs.memoized import parts_version, with_data_version
from classface_assets.orchestration.batches.photo_search import PhotoSearch, SearchedPart, pending_photos
from classface_assets.orchestration.batches.ray.config import RayConfig
from classface_assets.orchestration.progress import ProgressCallback, ProgressReporter
from classface_assets.orchestration.records.repaired_files import log_repaired
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import log_once, step_had_failed_checks, step_year
from classface_assets.store.catalog.former_ids import copy_former_rows
from classface_assets.store.catalog.school_year import (
    SchoolYearStore,
    all_former_ids,
    migrate_former_ids,
    year_images,
)
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import copy_rows_from, held_ids
from classface_assets.store.maintenance.damage import drop_repeated_faces
from classface_assets.vision.detection.search import DetectionSettings


class DetectionConfig(RayConfig):
    """What counts as a face. Other values make new parts beside the old ones, and stay in force for the year."""

    min_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Least confidence of the detector, 0 to 1; empty: as the year was searched last, 0.5 at first.",
    )
    min_face_px: int | None = Field(
        default=None,
        ge=1,
        description="Shorter side of the smallest face box, in photo pixels (three fifths of it in long panoramas); "
        "empty: as the year was searched last, 20 at first.",
    )
    most_photos: int = Field(
        default=0,
        ge=0,
        description="Search at most so many photos that are not searched yet, in the order of their paths; a later run "
        "searches the others. 0: all.",
    )
    skip_photos: int = Field(
        default=0, ge=0, description="Leave out so many photos that are not searched yet, before the first is searched."
    )
    photos_at_once: int = Field(default=0, ge=0, description="Photos searched in parallel; 0: as the machine allows.")
    photos_a_part: int = Field(default=32, ge=1, description="Photos after which the faces found are written.")

    def settings(self, active: str | None) -> DetectionSettings:
        """The settings given here; for the rest the active ones of that name, or the defaults."""
        before = DetectionSettings.from_name(active) if active else DetectionSettings()
        return DetectionSettings(
            before.min_confidence if self.min_confidence is None else self.min_confidence,
            before.min_face_px if self.min_face_px is None else self.min_face_px,
        )

    def chosen(self, pending: pl.DataFrame) -> pl.DataFrame:
        """Those of the photos (IMAGES) without a search that this run searches."""
        return pending.sort("path").slice(self.skip_photos, self.most_photos or None)


@archive_asset(
    per_year=True,
    code_version="1",
    deps=[images],
    group_name="ingest",
    kinds={"onnx", "parquet"},
    pool=INFERENCE_POOL,
    automate=when_its_year_changed,
    rules=RULES,
    columns={**DETECTIONS, "chip": pl.Binary()},
)
def detections(
    context: dg.AssetExecutionContext,
    config: DetectionConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[ProgressReporter],
) -> dg.MaterializeResult:
    """Every face: its box, five landmarks, confidence, quality, sharpness, light, pose, and the aligned face chip.

    A photo without a face, or one that cannot be decoded, has a row with that status and is not searched again. A scan
    without an orientation is rotated until its faces are upright. What a killed run has found is stored; the next run
    continues there. A photo that moved between years, or whose metadata changed, is not searched again. A box that
    somebody drew where no face was found is a face too, until the drawing is undone.
    """
    year, layout = step_year(context), archive.layout
    store = SchoolYearStore(layout, models.describe(layout).detector_version, year)
    log_repaired(context, layout, *store.all_detection_parts())
    files = year_images(layout, year)
    photos = files.filter(pl.col("status") == PhotoStatus.OK)
    settings = config.settings(store.active_settings())
    parts = store.detection_parts(settings.name)
    if step_had_failed_checks():
        drop_repeated_faces(parts)
    migrate_former_ids(layout, year, files)
    pending = _copy_known(store, parts, photos, settings.name)
    run = DetectionRun()
    new = config.chosen(photos.filter(pl.col("asset_id").is_in(list(pending))))
    if new.height:
        runner = config.runner(layout, models.pack)
        pack = None if runner.place else models.load(layout)
        place = runner.place or (f"{pack.device}, in {pack.detector.precision}" if pack else "")
        log_once(context, f"{models.describe(layout).name} searches photos on: {place}")
        erased = erased_faces(layout, archive.open_ledger().events())
        search = PhotoSearch(layout, models.pack, parts, settings, erased, config.photos_at_once)
        with progress.task(f"{year}: finding faces", new.height) as advance:
            done = runner.run(search, pending_photos(new), config.photos_a_part)
            run = _counted(new.height, done, advance)
    reoriented, strips = 0, SearchedStrips()
    if new["asset_id"].n_unique() < photos["asset_id"].n_unique():  # of those that were just searched none is outdated
        reoriented = reorient_photos(archive, models, parts, photos, settings)
        strips = search_strips_again(archive, models, parts, photos, settings)
    manual = update_manual_faces(archive, models, parts, year)
    parts.compact()
    store.set_active_settings(settings.name)
    result = detection_report(store, photos, run, {**manual, "photos_turned": reoriented, **strips.as_metadata()})
    return with_data_version(result, parts_version(parts))


def _copy_known(store: SchoolYearStore, parts: PartDataset, photos: pl.DataFrame, settings: str) -> set[str]:
    """Copy the rows of photos that other school years or older versions have searched.

    Args:
        store: The school year, with the faces of the detector in use.
        parts: Where the rows go.
        photos: IMAGES of the year.
        settings: The name of the detection settings.

    Returns:
        The asset ids of the photos that are left to be searched.
    """
    pending = set(photos["asset_id"]) - parts.ids("asset_id")
    if not pending:
        return pending
    years = store.other_years()
    others = [other.detection_parts(settings) for other in years]
    former = all_former_ids(store.layout, [store.year, *(other.year for other in years)])
    held = list(held_ids(others, "asset_id", pending | former.ids))
    pending = copy_rows_from(parts, others, "asset_id", pending, held)
    return copy_former_rows(parts, others, former, pending, held)


def _counted(pending: int, done: Iterable[SearchedPart], advance: ProgressCallback) -> DetectionRun:
    """What was searched of so many photos, part after part."""
    unopened: dict[str, str] = {}
    device = ""
    for part in done:
        unopened |= part.unopened
        device = part.device
        advance(part.photos, part.faces, part.failed)
    return DetectionRun(pending, unopened, device)
