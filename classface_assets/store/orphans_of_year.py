"""What does not fit together in one school year: its photos, faces and vectors compared, and what of them is broken."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from classface_assets.places import Place, entries
from classface_assets.store.damage import broken_vectors, readable, without_chip
from classface_assets.store.former_ids import FormerIds, former_ids, under_current_ids
from classface_assets.store.layout import Layout
from classface_assets.store.orphan_kinds import (
    BAD_VECTOR,
    NEVER_SEARCHED,
    NO_CHIP,
    NO_FACE,
    NO_VECTOR,
    TWICE,
    UNREADABLE,
    Orphans,
    orphan_files,
)
from classface_assets.store.parts import Parts
from classface_assets.store.year_parts import current_settings, detection_parts, embedding_parts, image_parts


@dataclass
class YearCheck:
    """A school year: its files, its faces that have a vector, and what is wrong with it."""

    layout: Layout
    name: str
    files: set[str] = field(default_factory=set)
    faces: set[str] = field(default_factory=set)
    found: list[Orphans] = field(default_factory=list)
    all_faces_read: bool = True
    """If not, a vector without a face may only lack it until the photo is searched again, and is left alone."""

    def tell(self, kind: str, names: Iterable[str], parts: Parts | None = None, rows_of: str = "") -> None:
        self.found.append(Orphans(kind, self.name, tuple(sorted(names)), (), parts, rows_of))

    def tell_unreadable(self, *files: Place) -> None:
        self.found.append(orphan_files(UNREADABLE, self.layout, sorted(set(files)), self.name))

    def tell_twice(self, parts: Parts, rows: pl.DataFrame, name: str) -> None:
        again = rows.filter(~pl.struct(parts.key).is_first_distinct()) if rows.height else rows
        self.tell(TWICE, again[name].cast(pl.String), parts)


def check_year(layout: Layout, name: str, detector: str, pack: str, size: int) -> YearCheck:
    """Look at all that one model pack made of a school year; `size`: how many numbers its vectors have."""
    year = YearCheck(layout, name)
    photos, former = _look_at_images(year)
    every_face, faces = _look_at_faces(year, detector, photos, former)
    _look_at_vectors(year, detector, pack, size, every_face, faces)
    return year


def _look_at_images(year: YearCheck) -> tuple[set[str], FormerIds]:
    """The ids of the photos that are to be searched, and what older versions called them."""
    parts = image_parts(year.layout, year.name)
    rows, broken = readable(parts, [*parts.key, "asset_id", "status", "file_digest"])
    year.tell_unreadable(*broken)
    year.tell_twice(parts, rows, "path")
    year.files = set(rows["path"])
    return set(rows.filter(pl.col("status").cast(pl.String) == "ok")["asset_id"]), former_ids(rows)


def _look_at_faces(year: YearCheck, detector: str, photos: set[str], former: FormerIds) -> tuple[set[str], set[str]]:
    """Every face of the year's thresholds, and those of them that are of photos that are still there."""
    try:
        settings = current_settings(year.layout, detector, year.name)
    except (ValueError, KeyError, TypeError):
        settings = None
        year.tell_unreadable(year.layout.parts("detections", detector, year.name) / "current.json")
    if settings is None:
        year.tell(NEVER_SEARCHED, photos)
        return set(), set()
    parts = detection_parts(year.layout, detector, year.name, settings)
    rows, broken = readable(parts, [*parts.key, "status"])
    blind, without_end = without_chip(parts)
    year.tell_unreadable(*broken, *without_end)
    year.all_faces_read = not broken
    year.tell_twice(parts, rows, "asset_id")
    rows = under_current_ids(rows, former)
    year.tell(NEVER_SEARCHED, photos - set(rows["asset_id"]))
    year.tell(NO_CHIP, blind, parts, "asset_id")
    current = rows.filter(pl.col("asset_id").is_in(list(photos)))
    return set(rows["face_id"].drop_nulls()), set(current["face_id"].drop_nulls())


def _look_at_vectors(
    year: YearCheck, detector: str, pack: str, size: int, every_face: set[str], faces: set[str]
) -> None:
    """A face of other thresholds, or of a deleted photo, may have a vector: that is for `classface prune`."""
    parts = embedding_parts(year.layout, detector, pack, year.name)
    rows, broken = readable(parts, ["face_id"])
    bad, without_end = broken_vectors(parts, size)
    known = set(rows["face_id"])
    stray = known - every_face if year.all_faces_read else set()
    year.tell_unreadable(*broken, *without_end)
    year.tell_twice(parts, rows, "face_id")
    year.tell(BAD_VECTOR, bad, parts, "face_id")
    year.tell(NO_VECTOR, faces - known)
    year.tell(NO_FACE, stray - bad - _faces_of_all_thresholds(year, detector) if stray else (), parts, "face_id")
    year.faces = faces & known - bad


def _faces_of_all_thresholds(year: YearCheck, detector: str) -> set[str]:
    found: set[str] = set()
    for folder in entries(year.layout.parts("detections", detector, year.name)):
        if folder.is_folder:
            parts = detection_parts(year.layout, detector, year.name, folder.path.name)
            found.update(readable(parts, ["face_id"])[0]["face_id"].drop_nulls())
    return found
