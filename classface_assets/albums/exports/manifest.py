"""The manifest of an export: each photo with who is in it, what was left out and why; it names nobody who refused."""

import csv
import io
from collections.abc import Iterator, Mapping

import polars as pl

from classface_assets.albums.exports.contents import SelectedPhotos
from classface_assets.core.schemas import PhotoStatus

MANIFEST_COLUMNS = ("file", "photo", "school_year", "taken_at", "people", "unnamed_faces", "note")
_STATUS_NOTES = {
    PhotoStatus.UNREADABLE.value: "left out: it cannot be read",
    PhotoStatus.NOT_A_PHOTO.value: "left out: it is no photo",
}


def manifest_csv(selected: SelectedPhotos, files: Mapping[str, str], notes: Mapping[str, str]) -> bytes:
    """The manifest as CSV, as spreadsheets read it.

    Args:
        selected: What is exported.
        files: Path of a photo -> its file in the export; a photo without one is left out.
        notes: Path of a photo -> why it is left out, or changed.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(MANIFEST_COLUMNS)
    rows.writerows(map(as_plain_cell, row) for row in _rows(selected, files, notes))
    return out.getvalue().encode("utf-8-sig")


def as_plain_cell(value: object) -> object:
    """The value, so that no spreadsheet takes it for a formula: a text that begins like one gets an apostrophe.

    >>> as_plain_cell("=1+1")
    "'=1+1"
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def people_in_photos(faces: pl.DataFrame) -> dict[str, tuple[str, int]]:
    """Asset id -> the names of the people in the photo from left to right, and how many faces have no name."""
    in_order = faces.sort("asset_id", "bbox_x", "face_id")
    named = pl.col("person_name").drop_nulls().unique(maintain_order=True)
    rows = in_order.group_by("asset_id").agg(named, pl.col("person_name").null_count().alias("unnamed"))
    return {asset: ("; ".join(names), unnamed) for asset, names, unnamed in rows.iter_rows()}


def _rows(selected: SelectedPhotos, files: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    people = people_in_photos(selected.faces)
    for row in selected.photos.iter_rows(named=True):
        names, unnamed = people.get(row["asset_id"], ("", 0))
        note = notes.get(row["path"], "")
        if not note and row["cover"]:
            note = "a copy in which the face of somebody who may not be shown is covered"
        taken = row["taken_at"].isoformat(sep=" ", timespec="seconds") if row["taken_at"] else ""
        yield files.get(row["path"], ""), row["path"], row["school_year"], taken, names, unnamed, note
    for path, year, status, reason in selected.unreadable.iter_rows():
        note = _STATUS_NOTES[status] + (f" ({reason})" if reason else "")
        yield "", path, year, "", "", "", note
    if selected.duplicates:
        yield "", "", "", "", "", "", f"left out: {selected.duplicates:,} copies of photos that are in the list"
    if selected.withheld:
        photos = "1 photo" if selected.withheld == 1 else f"{selected.withheld:,} photos"
        yield "", "", "", "", "", "", f"left out: {photos} of somebody who may not be shown"
