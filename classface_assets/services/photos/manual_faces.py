"""Faces that people drew by hand: which of the ledger's boxes become detection rows, and which rows are removed.

A manual face is a row among the detector's, with a reason that starts with MANUAL_REASON. Its id and box are those of
the ledger.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from classface_assets.core.geometry import SAME_FACE_IOU, Box, box_iou
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.core.locations import list_directory
from classface_assets.core.schemas import DetectionStatus, PhotoStatus
from classface_assets.store.catalog.school_year import image_parts, list_school_years, year_images
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import erased_faces
from classface_assets.store.files.deletion import drop_rows
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import DRAWING_KINDS, Event
from classface_assets.store.model.face_ref import FaceRef

MANUAL_REASON = "drawn by hand"
MIN_BOX_SIDE = 8
"""Pixels; a smaller box holds no face."""
REQUIRED_COLUMNS = ["asset_id", "face_id", "status", "reason", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]


@dataclass(frozen=True)
class ManualFaceChanges:
    """What has to change in the detection rows of a school year.

    Attributes:
        new: Asset id → the manual faces to be added.
        gone: Ids of faces to be removed, since their box was removed.
        existing: How many manual faces there are and stay.
        refused: (asset id, reason) of each box that cannot be a face, in a photo that is or was in this school year.
    """

    new: Mapping[str, list[FaceRef]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    existing: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def drawn_face(asset_id: str, size: tuple[int, int], box: Box) -> FaceRef | None:
    """The face of a box in a photo; None where the box is too small for one.

    Args:
        asset_id: The photo.
        size: Its width and height in pixels, upright.
        box: x, y, width and height in pixels; what lies outside the photo is cut off.
    """
    x, y, w, h = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(size[0], round(x + w)), min(size[1], round(y + h))
    if right - left < MIN_BOX_SIDE or bottom - top < MIN_BOX_SIDE:
        return None
    clipped = (left, top, right - left, bottom - top)
    face_id = str(uuid.uuid5(uuid.UUID(asset_id), ",".join(map(str, clipped))))
    return FaceRef(face_id, asset_id, clipped)


def photos_with_new_boxes(events: Iterable[Event], since: int) -> set[str]:
    """Asset ids of the photos in which a box was drawn, removed or restored after the event with that id."""
    by_id = {event.id: event for event in events}
    photos = set()
    for event in by_id.values():
        original: Event | None = event
        while original is not None and original.kind == "undone":
            original = by_id.get(original.payload["event_id"])
        if event.id > since and original is not None and original.kind == "face_drawn":
            photos |= {face["asset_id"] for face in original.payload["faces"]}
    return photos


def school_years_of_photos(layout: ArchiveLayout, photos: set[str]) -> list[str]:
    """The school years that contain any of these photos (asset ids)."""
    years = list_school_years(layout) if photos else []
    return [year for year in years if photos & image_parts(layout, year).ids("asset_id")]


def find_manual_face_changes(layout: ArchiveLayout, parts: PartDataset, year: str, ledger: Ledger) -> ManualFaceChanges:
    """Compare the boxes in the ledger with the detection rows of a school year.

    Args:
        layout: The archive.
        parts: The detections of the school year.
        year: The school year.
        ledger: The ledger with the boxes.
    """
    events = ledger.events(kinds=DRAWING_KINDS)
    if not any(event.kind == "face_drawn" for event in events):
        return ManualFaceChanges()
    decisions = replace(replay(events), erased_faces=erased_faces(layout, events))
    rows = parts.read(REQUIRED_COLUMNS)
    if not rows.width:
        return ManualFaceChanges()
    images = year_images(layout, year)
    gone = {face.asset_id for face in decisions.drawn.values()} & set(rows["asset_id"]) - set(images["asset_id"])
    new_years = school_years_of_photos(layout, gone) if gone else []
    moved = {photo for new_year in new_years for photo in image_parts(layout, new_year).ids("asset_id")}
    return plan_manual_face_changes(decisions, rows.filter(~pl.col("asset_id").is_in(list(gone & moved))), images)


def plan_manual_face_changes(decisions: Decisions, rows: pl.DataFrame, images: pl.DataFrame) -> ManualFaceChanges:
    """Decide what becomes of each box of the ledger.

    A box becomes a face unless a detection, or an earlier box, overlaps it by an IoU of 0.4 or more: that is the same
    face then, and gets the box's name. Boxes in photos that neither `rows` nor `images` contain are of another school
    year.

    Args:
        decisions: The replayed decisions, with the boxes in `drawn`.
        rows: The detection rows of the school year, with REQUIRED_COLUMNS.
        images: asset_id and status of its files.
    """
    manual = _manual_face_ids(rows)
    gone = frozenset(manual - decisions.drawn.keys())
    files = dict(images.filter(pl.col("status") != PhotoStatus.DUPLICATE).select("asset_id", "status").iter_rows())
    rows = rows.filter(~pl.col("face_id").is_in(list(gone)).fill_null(value=False))
    failed = dict(rows.filter(pl.col("status") == DetectionStatus.FAILED).select("asset_id", "reason").iter_rows())
    taken, searched = _boxes_by_photo(rows.filter(pl.col("status") == DetectionStatus.FACE)), set(rows["asset_id"])
    erased = _group_by_photo((face.asset_id, face.box) for face in decisions.erased_faces.values())
    new: dict[str, list[FaceRef]] = defaultdict(list)
    refused = []
    for face in decisions.drawn.values():
        photo = face.asset_id
        if photo not in searched and files.get(photo, PhotoStatus.OK) == PhotoStatus.OK:
            continue
        if photo not in files:
            refused.append((photo, "the photo is no longer in its folder"))
        elif files[photo] != PhotoStatus.OK or photo in failed:
            refused.append((photo, f"the photo cannot be read: {failed.get(photo) or files[photo]}"))
        elif _overlaps_any(face.box, erased[photo]):
            refused.append((photo, "it is the face of a person who was erased"))
        elif face.face_id not in manual and not _overlaps_any(face.box, taken[photo]):
            taken[photo].append(face.box)
            new[photo].append(face)
    return ManualFaceChanges(new, gone, len(manual - gone), tuple(refused))


def mark_as_manual(rows: pl.DataFrame, parts: PartDataset) -> pl.DataFrame:
    """Give detection rows of drawn boxes the reason of manual faces, and the perceptual hash of their photos."""
    hashes = parts.read_matching("asset_id", rows["asset_id"].unique().to_list(), ["asset_id", "phash"])
    hashes = hashes.drop_nulls("phash").unique("asset_id")
    reason = (
        pl.when(pl.col("reason") == "")
        .then(pl.lit(MANUAL_REASON))
        .otherwise(pl.format(f"{MANUAL_REASON}: {{}}", "reason"))
    )
    return rows.with_columns(reason.alias("reason")).drop("phash").join(hashes, "asset_id", "left").select(rows.columns)


def drop_manual_faces(layout: ArchiveLayout, parts: PartDataset, year: str, face_ids: frozenset[str]) -> None:
    """Remove manual faces from the detections of a school year, and their vectors of every model pack."""
    if not face_ids:
        return
    for pack in list_directory(layout.parts("embeddings")):
        drop_rows(PartDataset(pack.path / encode_folder_name(year), ("face_id",)), "face_id", face_ids)
    drop_rows(parts, "face_id", face_ids)


def _manual_face_ids(rows: pl.DataFrame) -> set[str]:
    return set(rows.filter(pl.col("reason").str.starts_with(MANUAL_REASON))["face_id"].drop_nulls())


def _boxes_by_photo(rows: pl.DataFrame) -> dict[str, list[Box]]:
    faces = rows.select("asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return _group_by_photo((photo, (x, y, w, h)) for photo, x, y, w, h in faces.iter_rows())


def _group_by_photo(boxes: Iterable[tuple[str, Box]]) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = defaultdict(list)
    for photo, box in boxes:
        found[photo].append(box)
    return found


def _overlaps_any(box: Box, others: Iterable[Box]) -> bool:
    return any(box_iou(box, other) >= SAME_FACE_IOU for other in others)
