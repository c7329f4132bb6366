"""What `detections` does with photos whose file says another way up than when they were searched.

Their faces keep their ids, at turned places; each photo is searched again for faces that lay on their side before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.locations import decode_relative_path
from classface_assets.core.schemas import DETECTION_ROWS
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
"""EXIF orientation, and degrees clockwise by which the photo is turned after it."""


def reorient_photos(
    archive: Archive, models: Models, parts: PartDataset, photos: pl.DataFrame, settings: DetectionSettings
) -> int:
    """Bring the faces of the year's `photos` to the way up that their files say now; how many photos there were.

    A photo that cannot be opened now is left for the next run. Killed at any moment, the next run does the rest.
    """
    held = parts.read(["asset_id", "face_id", "orientation", "rotation"])
    if not held.width or "orientation" not in held.columns:
        return 0
    columns = ("asset_id", "path", "width", "height", "has_orientation")
    now = photos.select(*columns, pl.col("orientation").alias("now"))
    turned = held.drop_nulls("orientation").join(now, on="asset_id").filter(pl.col("orientation") != pl.col("now"))
    if turned.is_empty():
        return 0
    found = _detect_again(archive, models, turned.unique("asset_id"), settings)
    before = {
        photo: (rows[0]["orientation"], rows[0]["rotation"] or 0)
        for photo, rows in _group_by_photo(turned.select("asset_id", "orientation", "rotation")).items()
        if photo in found
    }
    files = {row["asset_id"]: row for row in turned.iter_rows(named=True)}
    ways = {photo: _current_orientation(files[photo], way, found[photo]) for photo, way in before.items()}
    turns = {
        photo: reorientation_transform(way, ways[photo], files[photo]["width"], files[photo]["height"])
        for photo, way in before.items()
    }
    pairs = [
        SameShot(photo, photo, as_transform(turn.ravel().tolist()), (before[photo][0], ways[photo][0]))
        for photo, turn in turns.items()
    ]
    barred = _record_reorientations(archive, pairs)
    _replace_rows(parts, found, turns, ways, barred)
    return len(turns)


def _current_orientation(
    file: Mapping[str, Any], before: Orientation, searched: Sequence[Mapping[str, Any]]
) -> Orientation:
    """The orientation that the file says now, and by how much it is turned after it: as the search found it; where the
    file says nothing and the search found no face, as it stood before."""
    rotation = searched[0]["rotation"] or 0
    if not file["has_orientation"] and not any(row["status"] == "ok" for row in searched):
        for turned in (0, 90, 180, 270):
            turn = reorientation_transform(before, (file["now"], turned), file["width"], file["height"])
            rotation = turned if np.allclose(turn[:, :2], np.eye(2)) else rotation
    return file["now"], rotation


def _detect_again(
    archive: Archive, models: Models, turned: pl.DataFrame, settings: DetectionSettings
) -> dict[str, list[dict[str, Any]]]:
    """Photo → the rows that a search finds the way up it is now."""
    layout = archive.layout
    detector = models.load(layout).detector
    files = turned.select("asset_id", "path", "has_orientation").iter_rows()
    jobs = [PhotoJob(photo, decode_relative_path(layout.photos, path), not known) for photo, path, known in files]
    return {
        photo: rows
        for searched in detect_photos(jobs, detector, settings)
        for photo, rows in _group_by_photo(searched.rows).items()
    }


def _record_reorientations(archive: Archive, pairs: list[SameShot]) -> dict[str, list[FaceRef]]:
    """Note in the ledger which decided photos lie otherwise; returns the faces of erased people by photo, as they lay
    before and as they lie now: where in doubt, none is found again."""
    ledger = archive.open_ledger()
    events = ledger.events()
    before = erased_faces(archive.layout, events)
    decided = photos_with_decisions(replay(events)) | {face.asset_id for face in before.values()}
    known = {
        pair["to"]: tuple(pair["orientation"])[1]
        for event in events
        if event.kind == "photos_followed"
        for pair in event.payload["photos"]
        if pair["from"] == pair["to"] and "orientation" in pair
    }
    new = [p for p in pairs if p.photo in decided and p.orientation and known.get(p.photo) != p.orientation[1]]
    if new:
        replace(ledger, actor=AUTOMATIC_ACTOR).follow_photos(new)
    after = erased_faces(archive.layout, ledger.events())
    barred: dict[str, list[FaceRef]] = defaultdict(list)
    for face in (*before.values(), *after.values()):
        barred[face.asset_id].append(face)
    return barred


def _replace_rows(
    parts: PartDataset,
    found: Mapping[str, list[dict[str, Any]]],
    turns: Mapping[str, np.ndarray],
    ways: Mapping[str, Orientation],
    barred: Mapping[str, list[FaceRef]],
) -> None:
    """Write the photos' rows as they are now, then take out the old ones."""
    old = _group_by_photo(parts.read_matching("asset_id", list(turns), list(DETECTION_ROWS)))
    made_now = datetime.now(UTC).replace(tzinfo=None)
    rows: list[dict[str, Any]] = []
    for photo, turn in turns.items():
        searched = found[photo]
        same = {"orientation": ways[photo][0], "rotation": ways[photo][1], "phash": searched[0]["phash"]}
        kept = reorient_rows([row for row in old.get(photo, ()) if row["status"] == "ok"], turn, **same)
        boxes = [tuple(row[f"bbox_{side}"] for side in "xywh") for row in kept]
        boxes += [face.box for face in barred.get(photo, ())]
        fresh = non_overlapping_rows([row for row in searched if row["status"] == "ok"], boxes)
        none = [{**searched[0], **dict.fromkeys(_FACE_COLUMNS), "status": "no face"}] if not kept and not fresh else []
        rows += kept + [{**row, **same, "created_at": made_now} for row in (*fresh, *none)]
    schema = {**DETECTION_ROWS, "created_at": pl.Datetime("us")}
    parts.append(pl.DataFrame(rows, schema=schema))
    now = pl.DataFrame({"asset_id": list(ways), "now": [orientation for orientation, _ in ways.values()]})
    outdated = (pl.col("orientation") != pl.col("now")).fill_null(value=False)
    filter_rows(parts, lambda held: _with_orientation(held).join(now, on="asset_id", how="left", maintain_order="left")
              .filter(~outdated).drop("now"))  # fmt: skip


_FACE_COLUMNS = [name for name in DETECTION_ROWS if name not in ("asset_id", "status", "reason", "phash", "rotation")]


def _with_orientation(rows: pl.DataFrame) -> pl.DataFrame:
    if "orientation" in rows.columns:
        return rows
    return rows.with_columns(pl.lit(None, pl.Int16).alias("orientation"))


def _group_by_photo(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.iter_rows(named=True):
        found[row["asset_id"]].append(row)
    return found
