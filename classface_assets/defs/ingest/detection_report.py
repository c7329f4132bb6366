"""What a run of `detections` tells: its checks, the table of outcomes, what failed, and the best faces."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import DETECTIONS
from classface_assets.defs.memoized import input_fingerprint
from classface_assets.defs.metadata import image_markdown, markdown_table, materialize_result, value_counts
from classface_assets.store.catalog.school_year import active_detection_settings, detection_parts, year_detections
from classface_assets.vision.contact_sheet import contact_sheet

REPORTED_COLUMNS = (
    *("asset_id", "face_id", "status", "reason", "rotation", "quality_score"),
    *("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
)


def detection_report(
    layout: ArchiveLayout,
    detector: str,
    year: str,
    photos: pl.DataFrame,
    searched: int,
    unopened: dict[str, str],
    device: str,
    drawn: Mapping[str, Any],
) -> dg.MaterializeResult:
    """Look at the faces of the year that count; `searched` and `unopened` are photos of this run."""
    rows = year_detections(layout, detector, year, [*REPORTED_COLUMNS])
    rows = rows if rows.width else pl.DataFrame(schema={name: DETECTIONS[name] for name in REPORTED_COLUMNS})
    there = rows.join(photos, on="asset_id", how="semi")  # a deleted photo has rows until it is pruned
    faces = there.filter(pl.col("status") == "ok").sort("quality_score", "face_id", descending=[True, False])
    # A photo whose only faces were drawn has a row too that says that none was found.
    done = there.sort("status", descending=True).unique("asset_id", keep="first")
    paths = photos.select("asset_id", "path")
    broken = done.filter(pl.col("status") == "failed").join(paths, on="asset_id").select("path", "reason")
    lost = paths.filter(pl.col("asset_id").is_in(list(unopened))).with_columns(
        pl.col("asset_id").replace_strict(unopened, default="", return_dtype=pl.String).alias("reason")
    )
    beyond = _boxes_outside_photo(faces, photos)
    return materialize_result(
        faces.height,
        [
            _check_result(
                "every_photo_was_searched", done.height == photos.height, photos=photos.height, searched=done.height
            ),
            _check_result("faces_lie_in_their_photo", beyond == 0, outside=beyond),
            _check_result("no_face_twice", faces["face_id"].is_unique().all(), faces=faces.height),
        ],
        photos_searched_now=searched - len(unopened),
        **({"device": device} if device else {}),
        photos_by_outcome=markdown_table(value_counts(done, "status")),
        turned_scans=done.filter(pl.col("rotation") != 0).height,
        failed=markdown_table(broken, most=50),
        not_opened=markdown_table(lost.select("path", "reason"), most=50),
        **drawn,
        **_best_faces(layout, detector, year, faces.head(48)["face_id"].to_list()),
    )


def _best_faces(layout: ArchiveLayout, detector: str, year: str, face_ids: list[str]) -> dict[str, dg.MetadataValue]:
    """A contact sheet of these faces, the last one again when they are the same; empty when there are none."""
    stamp = input_fingerprint(layout, "best_faces", detector, face_ids, year=year)
    told = stamp.cached_metadata()
    if told is None and face_ids:
        sheet = image_markdown(contact_sheet(_chips(layout, detector, year, face_ids)), "the faces of best quality")
        told = {"best_faces": sheet.value}
        stamp.record(told, [])
    return {name: dg.MetadataValue.md(value) for name, value in (told or {}).items()}


def _chips(layout: ArchiveLayout, detector: str, year: str, face_ids: list[str]) -> list[bytes]:
    """The chips of a few faces, in that order, without reading the whole year into memory."""
    settings = active_detection_settings(layout, detector, year)
    parts = detection_parts(layout, detector, year, settings or "")
    found = dict(parts.read_matching("face_id", face_ids, ["face_id", "chip"]).iter_rows()) if face_ids else {}
    return [found[face_id] for face_id in face_ids]


def _boxes_outside_photo(faces: pl.DataFrame, photos: pl.DataFrame) -> int:
    """How many boxes reach beyond their photo, turned as they were found."""
    turned = pl.col("rotation").is_in([90, 270])
    size = photos.select("asset_id", "width", "height")
    width = pl.when(turned).then("height").otherwise("width")
    height = pl.when(turned).then("width").otherwise("height")
    beyond = faces.join(size, on="asset_id").filter(
        (pl.col("bbox_x") < 0)
        | (pl.col("bbox_y") < 0)
        | (pl.col("bbox_x") + pl.col("bbox_w") > width + 1)
        | (pl.col("bbox_y") + pl.col("bbox_h") > height + 1)
    )
    return beyond.height


def _check_result(name: str, passed: bool, **metadata: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, metadata=metadata)
