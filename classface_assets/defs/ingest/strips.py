"""What `detections` does with long strips that an older version searched: they are searched again for further faces.

Faces that are stored stay as they are, with their ids; no other photo is opened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from classface_assets.core.schemas import DETECTION_ROWS, DetectionStatus
from classface_assets.defs.ingest.reorientation import Row, detect_again, group_by_photo
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.deletion import filter_rows
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.reorientation import non_overlapping_rows
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.detection.strips import STRIP_ASPECT, STRIP_SEARCH

STRIP_COLUMNS = {**DETECTION_ROWS, "created_at": pl.Datetime("us")}


@dataclass(frozen=True)
class SearchedStrips:
    """What a second search of strips came to: how many there were, and how many faces are new."""

    strips: int = 0
    further_faces: int = 0

    def as_metadata(self) -> dict[str, int]:
        """What to report of it; nothing where no strip was searched."""
        if not self.strips:
            return {}
        return {"strips_searched_again": self.strips, "further_faces_in_strips": self.further_faces}


def search_strips_again(
    archive: Archive, models: Models, parts: PartDataset, photos: pl.DataFrame, settings: DetectionSettings
) -> SearchedStrips:
    """Search the strips among photos that were last searched by a version before STRIP_SEARCH.

    A photo that cannot be opened or decoded now is left for the next run. After a kill at any moment the next run does
    the rest.

    Args:
        archive: With the photos, and the ledger that knows which faces were erased.
        models: With the detector.
        parts: The year's detections.
        photos: IMAGES of the year that can be searched.
        settings: By which the year is searched.
    """
    outdated = _outdated_strips(parts, photos)
    if outdated.is_empty():
        return SearchedStrips()
    detected = {
        photo: rows
        for photo, rows in detect_again(archive, models, outdated, settings).items()
        if rows[0]["status"] != DetectionStatus.FAILED
    }
    stored = group_by_photo(parts.read_matching("asset_id", list(detected), list(STRIP_COLUMNS)))
    erased = erased_faces(archive.layout, archive.open_ledger().events())
    orientations: dict[str, int] = dict(outdated.select("asset_id", "orientation").iter_rows())
    further = {
        photo: _further_faces(stored[photo], rows, orientations[photo], erased) for photo, rows in detected.items()
    }
    rows = [row for photo, new in further.items() for row in _current_rows(stored[photo], new)]
    parts.append(pl.DataFrame(rows, schema=STRIP_COLUMNS))
    filter_rows(parts, lambda part: _without_outdated(part, list(detected)))
    return SearchedStrips(len(detected), sum(map(len, further.values())))


def _outdated_strips(parts: PartDataset, photos: pl.DataFrame) -> pl.DataFrame:
    """The photos that are strips, were searched, and not by the search of today."""
    sides = pl.concat_list(pl.col("width", "height").cast(pl.Float64))
    strips = photos.filter(sides.list.max() > STRIP_ASPECT * sides.list.min())
    if strips.is_empty():
        return strips
    stored = parts.read_matching("asset_id", strips["asset_id"].to_list(), ["asset_id", "status", "strip_search"])
    if not stored.width:
        return strips.clear()
    if "strip_search" not in stored.columns:
        stored = stored.with_columns(pl.lit(None, pl.Int16).alias("strip_search"))
    versions = stored.group_by("asset_id").agg(
        pl.col("strip_search").max().fill_null(0), failed=(pl.col("status") == DetectionStatus.FAILED).all()
    )
    outdated = versions.filter(pl.col("strip_search") < STRIP_SEARCH, ~pl.col("failed"))
    return strips.join(outdated, on="asset_id", how="semi").unique("asset_id", maintain_order=True)


def _further_faces(
    stored: Sequence[Row], detected: Sequence[Row], orientation: int, erased: Mapping[str, FaceRef]
) -> list[Row]:
    """The detected faces that are neither stored nor erased.

    None where stored faces lie in a photo that was upright in another way: their boxes cannot be compared.
    """
    faces = [row for row in stored if row["status"] == DetectionStatus.FACE]
    frames = {(row.get("orientation") or orientation, row["rotation"] or 0) for row in faces}
    if frames and frames != {(orientation, detected[0]["rotation"] or 0)}:
        return []
    boxes = [tuple(row[f"bbox_{side}"] for side in "xywh") for row in faces]
    boxes += [face.box for face in erased.values() if face.asset_id == detected[0]["asset_id"]]
    now = datetime.now(UTC).replace(tzinfo=None)
    new = [row for row in detected if row["status"] == DetectionStatus.FACE]
    return [{**row, "orientation": orientation, "created_at": now} for row in non_overlapping_rows(new, boxes)]


def _current_rows(stored: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """The rows of a photo from now on; the row that says that it has no face goes when it has one."""
    left = [row for row in stored if not new or row["status"] == DetectionStatus.FACE]
    return [{**row, "strip_search": STRIP_SEARCH} for row in [*left, *new]]


def _without_outdated(part: pl.DataFrame, photos: list[str]) -> pl.DataFrame:
    """The rows of a part without those of these photos from before STRIP_SEARCH."""
    if "strip_search" not in part.columns:
        return part.filter(~pl.col("asset_id").is_in(photos))
    return part.filter(~(pl.col("asset_id").is_in(photos) & (pl.col("strip_search").fill_null(0) < STRIP_SEARCH)))
