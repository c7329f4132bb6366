"""Boxes that people drew, against the faces of a school year: which become faces, which drop out, which cannot be one.

A drawn face is a row among the detector's, told by its reason. Its id and box are those of the ledger.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from classface_assets.core.layout import Layout, safe_name
from classface_assets.core.locations import entries
from classface_assets.store.catalog.school_year import image_parts, year_images, years_with_images
from classface_assets.store.decisions.reconciliation import SAME_FACE_OVERLAP, overlap
from classface_assets.store.decisions.replay import replay
from classface_assets.store.erasure.tombstones import barred_faces
from classface_assets.store.files.deletion import drop_rows
from classface_assets.store.files.parts import Parts
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import DRAWING_KINDS, Event
from classface_assets.store.model.face_ref import Box, LabelledFace

DRAWN = "drawn by hand"
NEEDED = ["asset_id", "face_id", "status", "reason", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]


@dataclass(frozen=True)
class DrawnFaces:
    """`new`: photo → the drawn faces to be made. `gone`: rows whose drawing was taken back. `kept`: how many stay.

    `refused`: (photo, why) of each drawing that is no face of this school year, though its photo is or was.
    """

    new: Mapping[str, list[LabelledFace]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    kept: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def photos_drawn_in(events: Iterable[Event], since: int) -> set[str]:
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


def years_of(layout: Layout, photos: set[str]) -> list[str]:
    """The school years in which these photos are."""
    years = years_with_images(layout) if photos else []
    return [year for year in years if photos & image_parts(layout, year).ids("asset_id")]


def drawn_faces(layout: Layout, parts: Parts, year: str, ledger: Ledger) -> DrawnFaces:
    """What is to be done with the drawings in the photos of a school year, whose detection rows are in `parts`."""
    events = ledger.events(kinds=DRAWING_KINDS)
    if not any(event.kind == "face_drawn" for event in events):
        return DrawnFaces()
    said, rows = replace(replay(events), barred=barred_faces(layout, events)), parts.read(NEEDED)
    if not rows.width:
        return DrawnFaces()
    images = year_images(layout, year)
    gone = {face.asset_id for face in said.drawn.values()} & set(rows["asset_id"]) - set(images["asset_id"])
    moved = {p for y in (years_of(layout, gone) if gone else ()) for p in image_parts(layout, y).ids("asset_id")}
    return plan(said, rows.filter(~pl.col("asset_id").is_in(list(gone & moved))), images)


def plan(said: Decisions, rows: pl.DataFrame, images: pl.DataFrame) -> DrawnFaces:
    """The same, given the detection rows (NEEDED) and the files of the year.

    A box becomes a face unless a detection, or a box drawn before, overlaps it by 0.4 or more: then that is the face,
    and has the box's name (`homes`). Boxes of photos that neither files nor rows know are another year's.
    """
    made = _drawn(rows)
    gone = frozenset(made - said.drawn.keys())
    files = dict(images.filter(pl.col("status") != "duplicate").select("asset_id", "status").iter_rows())
    rows = rows.filter(~pl.col("face_id").is_in(list(gone)).fill_null(value=False))
    failed = dict(rows.filter(pl.col("status") == "failed").select("asset_id", "reason").iter_rows())
    taken, known = _boxes(rows.filter(pl.col("status") == "ok")), set(rows["asset_id"])
    never = _by_photo((face.asset_id, face.box) for face in said.barred.values())
    new: dict[str, list[LabelledFace]] = defaultdict(list)
    refused = []
    for face in said.drawn.values():
        photo = face.asset_id
        if photo not in known and files.get(photo, "ok") == "ok":
            continue
        if photo not in files:
            refused.append((photo, "the photo is no longer in its folder"))
        elif files[photo] != "ok" or photo in failed:
            refused.append((photo, f"the photo cannot be read: {failed.get(photo) or files[photo]}"))
        elif _met(face.box, never[photo]):
            refused.append((photo, "it is the face of a person who was erased"))
        elif face.face_id not in made and not _met(face.box, taken[photo]):
            taken[photo].append(face.box)
            new[photo].append(face)
    return DrawnFaces(new, gone, len(made - gone), tuple(refused))


def as_drawn(rows: pl.DataFrame, parts: Parts) -> pl.DataFrame:
    """Detection rows made of drawings, as such, and with the look of their photos as it was found before."""
    looks = parts.pick("asset_id", rows["asset_id"].unique().to_list(), ["asset_id", "phash"])
    reason = pl.when(pl.col("reason") == "").then(pl.lit(DRAWN)).otherwise(pl.format(f"{DRAWN}: {{}}", "reason"))
    known = looks.drop_nulls("phash").unique("asset_id")
    return rows.with_columns(reason.alias("reason")).drop("phash").join(known, "asset_id", "left").select(rows.columns)


def drop_drawn(layout: Layout, parts: Parts, year: str, face_ids: frozenset[str]) -> None:
    """Take out faces whose drawing was taken back, and their vectors of every pack."""
    if not face_ids:
        return
    for pack in entries(layout.parts("embeddings")):
        drop_rows(Parts(pack.path / safe_name(year), ("face_id",)), "face_id", face_ids)
    drop_rows(parts, "face_id", face_ids)


def _drawn(rows: pl.DataFrame) -> set[str]:
    return set(rows.filter(pl.col("reason").str.starts_with(DRAWN))["face_id"].drop_nulls())


def _boxes(rows: pl.DataFrame) -> dict[str, list[Box]]:
    faces = rows.select("asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return _by_photo((photo, (x, y, w, h)) for photo, x, y, w, h in faces.iter_rows())


def _by_photo(boxes: Iterable[tuple[str, Box]]) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = defaultdict(list)
    for photo, box in boxes:
        found[photo].append(box)
    return found


def _met(box: Box, others: Iterable[Box]) -> bool:
    return any(overlap(box, other) >= SAME_FACE_OVERLAP for other in others)
