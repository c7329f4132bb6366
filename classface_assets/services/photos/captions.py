"""Captions of photos by the archive as it is now: names by consent, and which photos get a caption."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.albums.captions import (
    Caption,
    CaptionFace,
    PlaceStatus,
    caption_csv,
    caption_lines,
    create_caption,
)
from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.pending_faces import pending_manual_faces
from classface_assets.store.consent.allowed_photos import load_refused_faces
from classface_assets.store.consent.photos import CONSENT_FACES, Refusals, collect_refusals, is_withheld
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.person_kinds import PersonKind
from classface_assets.store.model.purposes import Purpose

CAPTION_FACES = 7
"""Photos with so many faces get a caption unless one asks for another number."""


class NoCaptionError(UserError):
    """There is no photo to make a caption of, or no such file can be written."""


@dataclass(frozen=True)
class CaptionSource:
    """What captions are made of.

    Attributes:
        view: The archive as it is now.
        database: The published DuckDB file.
        ledger: The ledger of decisions.
        purpose: What the captions are for: who refused it is "a student".
    """

    view: ArchiveView
    database: Path
    ledger: Ledger
    purpose: Purpose = Purpose.ALBUM


@dataclass(frozen=True)
class PhotoCaption:
    """A photo's id, school year, path, and caption."""

    asset_id: str
    school_year: str
    path: str
    caption: Caption


def photo_caption(source: CaptionSource, asset_id: str) -> PhotoCaption:
    """The caption of a photo of the view.

    Raises:
        NoCaptionError: There is no such photo.
    """
    photo = source.view.photo(asset_id)
    if photo is None:
        raise NoCaptionError(f"There is no photo {asset_id}.")
    return next(_captions(source, [photo]))


def year_captions(source: CaptionSource, year: str, min_faces: int = CAPTION_FACES) -> list[PhotoCaption]:
    """The captions of the photos of a school year that have so many faces, by path.

    Raises:
        NoCaptionError: No photo of the year has so many.
    """
    photos = source.view.photos.filter(pl.col("school_year") == year)
    counted = source.view.faces.group_by("asset_id").len().filter(pl.col("len") >= min_faces)
    chosen = photos.join(counted, on="asset_id", how="semi").sort("path").to_dicts()
    if not chosen:
        raise NoCaptionError(
            f"No photo of {year} has {min_faces} faces or more; `classface years` lists the school years, "
            "and --min-faces takes a smaller number."
        )
    return list(_captions(source, chosen))


def caption_file(captions: list[PhotoCaption], file: Path) -> None:
    """Write captions as CSV (for a name that ends in .csv) or as text (.txt).

    Raises:
        NoCaptionError: The name has another ending.
        StorageError: The file cannot be written.
    """
    rows = [(one.school_year, one.path, one.caption) for one in captions]
    writers = {".csv": lambda: caption_csv(rows).encode("utf-8-sig"), ".txt": lambda: caption_lines(rows).encode()}
    if file.suffix.lower() not in writers:
        raise NoCaptionError(f"{file} is neither .csv nor .txt; give the file one of these endings.")
    content = writers[file.suffix.lower()]()
    write_file(file, lambda out: out.write(content))


def _captions(source: CaptionSource, photos: list[dict[str, Any]]) -> Iterator[PhotoCaption]:
    kinds = dict(source.view.persons.select("id", "kind").iter_rows())
    ids = [photo["asset_id"] for photo in photos]
    faces = source.view.faces.filter(pl.col("asset_id").is_in(ids))
    found = faces.partition_by("asset_id", as_dict=True)
    rows_of_faces = faces.select(CONSENT_FACES.names()).cast(CONSENT_FACES)
    refused = load_refused_faces(source.database, source.ledger, source.purpose, rows_of_faces, _refusals_now(source))
    for photo in photos:
        key = photo["asset_id"]
        rows = found[key,].to_dicts() if (key,) in found else []
        shown = [_face(row, refused, kinds, source) for row in [*rows, *pending_manual_faces(source.view, key)]]
        yield PhotoCaption(key, photo["school_year"], photo["path"], create_caption(shown))


def _refusals_now(source: CaptionSource) -> Refusals | None:
    """Who may not be shown, if the view has all events of the ledger; None where there are newer ones."""
    decisions = source.view.decisions_at(source.ledger.last())
    return None if decisions is None else source.view.derived("refusals", lambda: collect_refusals(decisions))


def _face(row: Mapping[str, Any], refused: Set[str], kinds: Mapping[str, str], source: CaptionSource) -> CaptionFace:
    box: Box = (row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"])
    person = row["person_id"] and source.view.decisions.persons.get(row["person_id"])
    if row["face_id"] in refused or (person and is_withheld(person, source.purpose)):
        return CaptionFace(row["face_id"], box, PlaceStatus.ANONYMOUS)
    if kinds.get(row["person_id"] or "") == PersonKind.NOT_A_STUDENT:
        return CaptionFace(row["face_id"], box, PlaceStatus.LEFT_OUT)
    if not row["person_name"]:
        return CaptionFace(row["face_id"], box, PlaceStatus.MISSING)
    return CaptionFace(row["face_id"], box, PlaceStatus.NAMED, row["person_name"], bool(row["confirmed"]))
