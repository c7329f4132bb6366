"""What `detections` does with photos whose EXIF orientation changed since they were searched.

Their faces keep their ids, in transformed boxes; each photo is searched again for faces that lay on their side before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.locations import decode_relative_path
from classface_assets.core.schemas import DETECTION_ROWS, DetectionStatus
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.followed_photos import AUTOMATIC_ACTOR
from classface_assets.store.catalog.photo_records import photos_with_decisions
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.deletion import filter_rows
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import SameShot, as_transform
from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.detection.reorientation import non_overlapping_rows, reorient_rows, reorientation_transform
from classface_assets.vision.detection.search import DetectionSettings

Orientation = tuple[int, int]
"""EXIF orientation, and degrees clockwise by which the photo is rotated after it."""
Row = dict[str, Any]
"""A row of detections, by column."""


@dataclass(frozen=True)
class Reorientation:
    """A photo whose orientation changed.

    Attributes:
        photo: Its asset id.
        before: As it was searched.
        now: As its file has it now.
        transform: Affine, (2, 3), from pixels before to pixels now.
        detected: The rows that a search finds now.
    """

    photo: str
    before: Orientation
    now: Orientation
    transform: np.ndarray
    detected: Sequence[Row]

    def as_same_shot(self) -> SameShot:
        """As the ledger records it."""
        return SameShot(
            self.photo, self.photo, as_transform(self.transform.ravel().tolist()), (self.before[0], self.now[0])
        )


def reorient_photos(
    archive: Archive, models: Models, parts: PartDataset, photos: pl.DataFrame, settings: DetectionSettings
) -> int:
    """Transform the faces of photos whose orientation changed since they were searched.

    A photo that cannot be opened now is left for the next run. After a kill at any moment the next run does the rest.

    Args:
        archive: With the ledger, where it is recorded for photos with decisions.
        models: With the detector.
        parts: The year's detections.
        photos: IMAGES of the year that can be searched.
        settings: By which the year is searched.

    Returns:
        The number of photos.
    """
    stored = parts.read(["asset_id", "face_id", "orientation", "rotation"])
    if not stored.width or "orientation" not in stored.columns:
        return 0
    columns = ("asset_id", "path", "width", "height", "has_orientation")
    now = photos.select(*columns, pl.col("orientation").alias("now"))
    changed = stored.drop_nulls("orientation").join(now, on="asset_id").filter(pl.col("orientation") != pl.col("now"))
    if changed.is_empty():
        return 0
    detected = detect_again(archive, models, changed.unique("asset_id"), settings)
    reorientations = [
        _reorientation(rows, detected[photo]) for photo, rows in group_by_photo(changed).items() if photo in detected
    ]
    erased = _record_reorientations(archive, [one.as_same_shot() for one in reorientations])
    _replace_rows(parts, reorientations, erased)
    return len(reorientations)


def _reorientation(stored: Sequence[Row], detected: Sequence[Row]) -> Reorientation:
    before, file = (stored[0]["orientation"], stored[0]["rotation"] or 0), stored[-1]
    now = _current_orientation(file, before, detected)
    transform = reorientation_transform(before, now, file["width"], file["height"])
    return Reorientation(file["asset_id"], before, now, transform, detected)


def _current_orientation(file: Row, before: Orientation, detected: Sequence[Row]) -> Orientation:
    """The orientation of the file now, and the rotation after it.

    That is the one of the search; where the file has no orientation and no face was found, the one that leaves the
    photo upright as it was.
    """
    rotation = detected[0]["rotation"] or 0
    if not file["has_orientation"] and not any(row["status"] == DetectionStatus.FACE for row in detected):
        for degrees in (0, 90, 180, 270):
            transform = reorientation_transform(before, (file["now"], degrees), file["width"], file["height"])
            rotation = degrees if np.allclose(transform[:, :2], np.eye(2)) else rotation
    return file["now"], rotation


def detect_again(
    archive: Archive, models: Models, photos: pl.DataFrame, settings: DetectionSettings
) -> dict[str, list[Row]]:
    """Photo → the rows that a search finds in its orientation now."""
    layout = archive.layout
    detector = models.load(layout).detector
    files = photos.select("asset_id", "path", "has_orientation").iter_rows()
    jobs = [
        PhotoJob(photo, decode_relative_path(layout.photos, path), not has_orientation)
        for photo, path, has_orientation in files
    ]
    return {
        photo: rows
        for batch in detect_photos(jobs, detector, settings)
        for photo, rows in group_by_photo(batch.rows).items()
    }


def _record_reorientations(archive: Archive, pairs: list[SameShot]) -> dict[str, list[FaceRef]]:
    """Record in the ledger which photos with decisions changed their orientation.

    Returns:
        The faces of erased people by photo, both where they were and where they are now, so that none is found again.
    """
    ledger = archive.open_ledger()
    events = ledger.events()
    before = erased_faces(archive.layout, events)
    decided = photos_with_decisions(replay(events)) | {face.asset_id for face in before.values()}
    recorded = {
        pair["to"]: tuple(pair["orientation"])[1]
        for event in events
        if event.kind == "photos_followed"
        for pair in event.payload["photos"]
        if pair["from"] == pair["to"] and "orientation" in pair
    }
    new = [p for p in pairs if p.photo in decided and p.orientation and recorded.get(p.photo) != p.orientation[1]]
    if new:
        replace(ledger, actor=AUTOMATIC_ACTOR).follow_photos(new)
    after = erased_faces(archive.layout, ledger.events())
    erased: dict[str, list[FaceRef]] = defaultdict(list)
    for face in (*before.values(), *after.values()):
        erased[face.asset_id].append(face)
    return erased


def _replace_rows(
    parts: PartDataset, reorientations: Sequence[Reorientation], erased: Mapping[str, list[FaceRef]]
) -> None:
    """Write the photos' rows as they are now, then delete the old ones."""
    photos = [one.photo for one in reorientations]
    stored = group_by_photo(parts.read_matching("asset_id", photos, list(DETECTION_ROWS)))
    rows = [
        row
        for one in reorientations
        for row in _reoriented_rows(one, stored.get(one.photo, ()), erased.get(one.photo, ()))
    ]
    parts.append(pl.DataFrame(rows, schema={**DETECTION_ROWS, "created_at": pl.Datetime("us")}))
    now = pl.DataFrame({"asset_id": photos, "now": [one.now[0] for one in reorientations]})
    outdated = (pl.col("orientation") != pl.col("now")).fill_null(value=False)

    def without_outdated(rows: pl.DataFrame) -> pl.DataFrame:
        joined = _with_orientation(rows).join(now, on="asset_id", how="left", maintain_order="left")
        return joined.filter(~outdated).drop("now")

    filter_rows(parts, without_outdated)


def _reoriented_rows(one: Reorientation, stored: Sequence[Row], erased: Sequence[FaceRef]) -> list[Row]:
    """The photo's faces in transformed boxes, and those that are found only now; one row without a face if none."""
    photo_columns = {"orientation": one.now[0], "rotation": one.now[1], "phash": one.detected[0]["phash"]}
    transformed = reorient_rows(
        [row for row in stored if row["status"] == DetectionStatus.FACE], one.transform, **photo_columns
    )
    boxes = [tuple(row[f"bbox_{side}"] for side in "xywh") for row in transformed]
    boxes += [face.box for face in erased]
    new = non_overlapping_rows([row for row in one.detected if row["status"] == DetectionStatus.FACE], boxes)
    if not transformed and not new:
        new = [{**one.detected[0], **dict.fromkeys(_FACE_COLUMNS), "status": DetectionStatus.NO_FACE.value}]
    created_at = datetime.now(UTC).replace(tzinfo=None)
    return transformed + [{**row, **photo_columns, "created_at": created_at} for row in new]


_FACE_COLUMNS = [name for name in DETECTION_ROWS if name not in ("asset_id", "status", "reason", "phash", "rotation")]


def _with_orientation(rows: pl.DataFrame) -> pl.DataFrame:
    if "orientation" in rows.columns:
        return rows
    return rows.with_columns(pl.lit(None, pl.Int16).alias("orientation"))


def group_by_photo(rows: pl.DataFrame) -> dict[str, list[Row]]:
    """The rows of each photo, by its asset id."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows.iter_rows(named=True):
        groups[row["asset_id"]].append(row)
    return groups
