"""What a run of `detections` reports: its checks, the table of outcomes, what failed, and the best faces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.languages import marked
from classface_assets.core.schemas import DETECTIONS, DetectionStatus
from classface_assets.defs.asset_factory import CheckRule
from classface_assets.defs.memoized import input_fingerprint
from classface_assets.defs.metadata import (
    image_markdown,
    markdown_table,
    materialize_result,
    value_counts,
)
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.maintenance.failed_checks import BlockingCheck
from classface_assets.vision.contact_sheet import contact_sheet

BEST_FACES = 48
REPORTED_COLUMNS = (
    *("asset_id", "face_id", "status", "reason", "rotation", "quality_score"),
    *("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)
EVERY_PHOTO_SEARCHED = CheckRule(
    "every_photo_was_searched",
    "Each photo has its faces, or a row that says that it has none or why it failed. The next run tries the others.",
    severity=dg.AssetCheckSeverity.WARN,
)
FACES_IN_PHOTO = CheckRule("faces_lie_in_their_photo", "Every box lies within its photo.")
NO_FACE_TWICE = CheckRule(BlockingCheck.NO_FACE_TWICE.value, marked("No two faces have one id."), blocking=True)
RULES = (EVERY_PHOTO_SEARCHED, FACES_IN_PHOTO, NO_FACE_TWICE)


@dataclass(frozen=True)
class DetectionRun:
    """What a run searched.

    Attributes:
        pending: Number of photos that were to be searched.
        unopened: Asset id → reason, of those that could not be opened.
        device: Where the detector ran; empty when nothing was searched.
    """

    pending: int = 0
    unopened: Mapping[str, str] = field(default_factory=dict)
    device: str = ""


def detection_report(
    store: SchoolYearStore,
    photos: pl.DataFrame,
    run: DetectionRun,
    further: Mapping[str, Any],
) -> dg.MaterializeResult:
    """The result of `detections` for all photos of a school year.

    Args:
        store: The school year, with the faces of the detector in use.
        photos: IMAGES of the year that can be searched.
        run: What this run did.
        further: Metadata of what else it did.
    """
    rows = store.detections([*REPORTED_COLUMNS])
    rows = rows if rows.width else pl.DataFrame(schema={name: DETECTIONS[name] for name in REPORTED_COLUMNS})
    current = rows.join(photos, on="asset_id", how="semi")  # a deleted photo has rows until it is pruned
    faces = current.filter(pl.col("status") == DetectionStatus.FACE).sort(
        "quality_score", "face_id", descending=[True, False]
    )
    # A photo whose only faces were drawn also has a row without a face.
    searched = current.sort("status", descending=True).unique("asset_id", keep="first")
    paths = photos.select("asset_id", "path")
    failed = (
        searched.filter(pl.col("status") == DetectionStatus.FAILED).join(paths, on="asset_id").select("path", "reason")
    )
    unopened = paths.filter(pl.col("asset_id").is_in(list(run.unopened))).with_columns(
        pl.col("asset_id").replace_strict(dict(run.unopened), default="", return_dtype=pl.String).alias("reason")
    )
    outside = _boxes_outside_photo(faces, photos)
    return materialize_result(
        faces.height,
        [
            EVERY_PHOTO_SEARCHED.result(
                searched.height == photos.height, photos=photos.height, searched=searched.height
            ),
            FACES_IN_PHOTO.result(outside == 0, outside=outside),
            NO_FACE_TWICE.result(faces["face_id"].is_unique().all(), faces=faces.height),
        ],
        photos_searched_now=run.pending - len(run.unopened),
        **({"device": run.device} if run.device else {}),
        photos_by_outcome=markdown_table(value_counts(searched, "status")),
        turned_scans=searched.filter(pl.col("rotation") != 0).height,
        failed=markdown_table(failed, most=50),
        not_opened=markdown_table(unopened.select("path", "reason"), most=50),
        **further,
        **_best_faces(store, faces.head(BEST_FACES)["face_id"].to_list()),
    )


def _best_faces(store: SchoolYearStore, face_ids: list[str]) -> dict[str, dg.MetadataValue]:
    """A contact sheet of these faces, the cached one when they are the same; empty when there are none."""
    fingerprint = input_fingerprint(store.layout, "best_faces", store.detector, face_ids, year=store.year)
    sheet = fingerprint.cached_metadata()
    if sheet is None and face_ids:
        chips = store.chips(face_ids)
        image = image_markdown(contact_sheet([chips[face] for face in face_ids]), "the faces of best quality")
        sheet = {"best_faces": image.value}
        fingerprint.record(sheet, [])
    return {name: dg.MetadataValue.md(value) for name, value in (sheet or {}).items()}


def _boxes_outside_photo(faces: pl.DataFrame, photos: pl.DataFrame) -> int:
    """The number of boxes that reach beyond their photo, which is rotated as it was searched."""
    sideways = pl.col("rotation").is_in([90, 270])
    width = pl.when(sideways).then("height").otherwise("width")
    height = pl.when(sideways).then("width").otherwise("height")
    beyond = faces.join(photos.select("asset_id", "width", "height"), on="asset_id").filter(
        (pl.col("bbox_x") < 0)
        | (pl.col("bbox_y") < 0)
        | (pl.col("bbox_x") + pl.col("bbox_w") > width + 1)
        | (pl.col("bbox_y") + pl.col("bbox_h") > height + 1)
    )
    return beyond.height
