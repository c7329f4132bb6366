"""Boxes that people drew, against the faces of a school year: which become faces, which drop out, which cannot be one.

A drawn face is a row among the detector's, told by its reason. Its id and box are those of the ledger.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from classface_assets.core.geometry import SAME_FACE_IOU, Box, box_iou
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.core.locations import list_directory
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
REQUIRED_COLUMNS = ["asset_id", "face_id", "status", "reason", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]


@dataclass(frozen=True)
class ManualFaceChanges:
    """`new`: photo → the drawn faces to be made. `gone`: rows whose drawing was taken back. `kept`: how many stay.

    `refused`: (photo, why) of each drawing that is no face of this school year, though its photo is or was.
    """

    new: Mapping[str, list[FaceRef]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    kept: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def photos_with_new_boxes(events: Iterable[Event], since: int) -> set[str]:
    """The photos in which a face was drawn after that event, or its drawing was taken back or brought back."""
    by_id = {event.id: event for event in events}
    photos = set()
    for event in by_id.values():
        what: Event | None = event
        while what is not None and what.kind == "undone":
            what = by_id.get(what.payload["event_id"])
        if event.id > since and what is not None and what.kind == "face_drawn":
            photos |= {face["asset_id"] for face in what.payload["faces"]}
    return photos


def school_years_of_photos(layout: ArchiveLayout, photos: set[str]) -> list[str]:
    """The school years in which these photos are."""
    years = list_school_years(layout) if photos else []
    return [year for year in years if photos & image_parts(layout, year).ids("asset_id")]


def find_manual_face_changes(layout: ArchiveLayout, parts: PartDataset, year: str, ledger: Ledger) -> ManualFaceChanges:
    """What is to be done with the drawings in the photos of a school year, whose detection rows are in `parts`."""
    events = ledger.events(kinds=DRAWING_KINDS)
    if not any(event.kind == "face_drawn" for event in events):
        return ManualFaceChanges()
    said, rows = replace(replay(events), erased_faces=erased_faces(layout, events)), parts.read(REQUIRED_COLUMNS)
    if not rows.width:
        return ManualFaceChanges()
    images = year_images(layout, year)
    gone = {face.asset_id for face in said.drawn.values()} & set(rows["asset_id"]) - set(images["asset_id"])
    moved = {
        p
        for y in (school_years_of_photos(layout, gone) if gone else ())
        for p in image_parts(layout, y).ids("asset_id")
    }
    return plan_manual_face_changes(said, rows.filter(~pl.col("asset_id").is_in(list(gone & moved))), images)


def plan_manual_face_changes(said: Decisions, rows: pl.DataFrame, images: pl.DataFrame) -> ManualFaceChanges:
    """The same, given the detection rows (NEEDED) and the files of the year.

    A box becomes a face unless a detection, or a box drawn before, overlaps it by 0.4 or more: then that is the face,
    and has the box's name (`homes`). Boxes of photos that neither files nor rows know are another year's.
    """
    made = _manual_face_ids(rows)
    gone = frozenset(made - said.drawn.keys())
    files = dict(images.filter(pl.col("status") != "duplicate").select("asset_id", "status").iter_rows())
    rows = rows.filter(~pl.col("face_id").is_in(list(gone)).fill_null(value=False))
    failed = dict(rows.filter(pl.col("status") == "failed").select("asset_id", "reason").iter_rows())
    taken, known = _boxes_by_photo(rows.filter(pl.col("status") == "ok")), set(rows["asset_id"])
    never = _group_by_photo((face.asset_id, face.box) for face in said.erased_faces.values())
    new: dict[str, list[FaceRef]] = defaultdict(list)
    refused = []
    for face in said.drawn.values():
        photo = face.asset_id
        if photo not in known and files.get(photo, "ok") == "ok":
            continue
        if photo not in files:
            refused.append((photo, "the photo is no longer in its folder"))
        elif files[photo] != "ok" or photo in failed:
            refused.append((photo, f"the photo cannot be read: {failed.get(photo) or files[photo]}"))
        elif _overlaps_any(face.box, never[photo]):
            refused.append((photo, "it is the face of a person who was erased"))
        elif face.face_id not in made and not _overlaps_any(face.box, taken[photo]):
            taken[photo].append(face.box)
            new[photo].append(face)
    return ManualFaceChanges(new, gone, len(made - gone), tuple(refused))


def mark_as_manual(rows: pl.DataFrame, parts: PartDataset) -> pl.DataFrame:
    """Detection rows made of drawings, as such, and with the look of their photos as it was found before."""
    looks = parts.read_matching("asset_id", rows["asset_id"].unique().to_list(), ["asset_id", "phash"])
    reason = (
        pl.when(pl.col("reason") == "")
        .then(pl.lit(MANUAL_REASON))
        .otherwise(pl.format(f"{MANUAL_REASON}: {{}}", "reason"))
    )
    known = looks.drop_nulls("phash").unique("asset_id")
    return rows.with_columns(reason.alias("reason")).drop("phash").join(known, "asset_id", "left").select(rows.columns)


def drop_manual_faces(layout: ArchiveLayout, parts: PartDataset, year: str, face_ids: frozenset[str]) -> None:
    """Take out faces whose drawing was taken back, and their vectors of every pack."""
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
