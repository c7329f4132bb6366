"""Which photos may be shown for a purpose right now: every album, export and page of photos asks this first.

Both what is published and the ledger are read, and the stricter of the two counts, so a refusal that came after the
last run holds at once.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

from classface_assets.core.faces.photo_reasons import PhotoReason
from classface_assets.core.schemas import PhotoStatus
from classface_assets.store.consent.photos import (
    PhotoVerdict,
    Refusals,
    collect_refusals,
    photo_verdicts,
    withheld_faces,
)
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import Purpose

_FACES_SQL = """
    SELECT f.id AS face_id, f.asset_id, f.person_id, f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h,
           coalesce(p.kind = 'not a face', FALSE) AS nothing
    FROM face_instances f LEFT JOIN persons p ON p.id = f.person_id
    WHERE f.asset_id IN (SELECT asset_id FROM image_assets a WHERE a.status = '{status}' {of_year})"""
WITHHELD_STATUS = PhotoStatus.WITHHELD.value
WITHHELD_REASON = PhotoReason.WITHHELD.value


class RefusedFaces(StrEnum):
    """What is done with a photo of somebody who may not be shown."""

    WITHHOLD = "withhold"
    """It is left out."""
    BLUR = "blur"
    """The face is blurred, if the photo shows others too; else it is left out."""
    BOX = "box"
    """The face is covered by a grey box, if the photo shows others too; else it is left out."""


@dataclass(frozen=True)
class AllowedPhotos:
    """The files of an archive and whether they may be shown.

    Attributes:
        photos: Every file of `image_assets` with `verdict` (PhotoVerdict, null for files that are no photo),
            `withheld_persons` (ids), `unknown_faces`, `covered` (boxes to cover: x, y, w, h in pixels of the upright
            photo) and `cover` (RefusedFaces, null where nothing is covered). Photos that may not be shown have
            PhotoStatus.WITHHELD, those that may have OK.
        refused_faces: The ids of the faces of people who may not be shown.
    """

    photos: pl.DataFrame
    refused_faces: frozenset[str]


@dataclass(frozen=True, eq=False)
class PublishedPhotos:
    """What was published of photos, and of who may not be shown.

    Attributes:
        images: Every file of `image_assets`, by path.
        faces: CONSENT_FACES of the photos that could be read, and `nothing`: whether it was marked as no face.
        refusals: Who may not be shown.
    """

    images: pl.DataFrame
    faces: pl.DataFrame
    refusals: Refusals


def load_allowed_photos(
    database: Path,
    ledger: Ledger,
    purpose: Purpose,
    refused: RefusedFaces = RefusedFaces.WITHHOLD,
    year: str | None = None,
) -> AllowedPhotos:
    """Load the files of an archive and whether they may be shown.

    Args:
        database: The DuckDB file.
        ledger: The ledger of decisions.
        purpose: What the photos are to be shown for.
        refused: What to do with photos of people who refused.
        year: One school year; None for all.

    Returns:
        The files by path.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    return find_allowed_photos(read_published_photos(database, year), current_refusals(ledger), purpose, refused)


def read_published_photos(database: Path, year: str | None = None) -> PublishedPhotos:
    """Read the files of an archive, of one school year or of all.

    Raises:
        DatabaseError: Nothing is published yet.
    """
    of_year, given = ("", []) if year is None else ("AND a.school_year = ?", [year])
    images = query_database(database, f"SELECT * FROM image_assets a WHERE TRUE {of_year} ORDER BY path", given)
    faces = query_database(database, _FACES_SQL.format(status=PhotoStatus.OK, of_year=of_year), given)
    return PublishedPhotos(images, faces, _published_refusals(database))


def find_allowed_photos(
    published: PublishedPhotos, now: Refusals, purpose: Purpose, refused: RefusedFaces = RefusedFaces.WITHHOLD
) -> AllowedPhotos:
    """Which of the files may be shown.

    Args:
        published: The files.
        now: Who may not be shown according to the ledger now.
        purpose: What the photos are to be shown for.
        refused: What to do with photos of people who refused.

    Returns:
        The files by path.
    """
    images, faces, refusals = published.images, published.faces, _combine_refusals(now, published.refusals)
    ids = images.filter(pl.col("status") == PhotoStatus.OK)["asset_id"]
    verdicts = photo_verdicts(ids, faces, refusals, [purpose]).drop("purpose")
    theirs = withheld_faces(faces, refusals, purpose)
    covers = _boxes_to_cover(faces.filter(~pl.col("nothing")), theirs, refused)
    photos = images.join(verdicts, on="asset_id", how="left", maintain_order="left")
    photos = photos.join(covers, on="asset_id", how="left", maintain_order="left")
    photo = pl.col("status") == PhotoStatus.OK
    own = ("verdict", "withheld_persons", "unknown_faces", "covered", "cover")
    photos = photos.with_columns(pl.when(photo).then(column).alias(column) for column in own)
    withheld = (pl.col("verdict") == PhotoVerdict.WITHHELD.value) & pl.col("cover").is_null()
    photos = photos.with_columns(
        pl.when(withheld).then(pl.lit(WITHHELD_STATUS)).otherwise("status").alias("status"),
        pl.when(withheld).then(pl.lit(WITHHELD_REASON)).otherwise("reason").alias("reason"),
    )
    return AllowedPhotos(photos, frozenset(theirs["face_id"]))


def load_refused_faces(
    database: Path, ledger: Ledger, purpose: Purpose, faces: pl.DataFrame, now: Refusals | None = None
) -> frozenset[str]:
    """The ids of those of some faces whose people may not be shown, by what is published and by the ledger now.

    Args:
        database: The DuckDB file.
        ledger: The ledger of decisions.
        purpose: What the faces are to be named or shown for.
        faces: CONSENT_FACES, every face of the photos in question.
        now: Who may not be shown according to the ledger now, if that is known already.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    refusals = _combine_refusals(current_refusals(ledger) if now is None else now, _published_refusals(database))
    return frozenset(withheld_faces(faces, refusals, purpose)["face_id"])


def load_refusals(database: Path, ledger: Ledger, decisions: Decisions | None = None) -> Refusals:
    """Who may not be shown by what is published or by the ledger now; its `decisions`, if they were read already.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    now = current_refusals(ledger) if decisions is None else collect_refusals(decisions)
    return _combine_refusals(now, _published_refusals(database))


def current_refusals(ledger: Ledger) -> Refusals:
    """Who may not be shown according to the ledger now; replayed again only when it has new events."""
    return _refusals_at(ledger, ledger.last())


@functools.lru_cache(maxsize=2)
def _refusals_at(ledger: Ledger, _last: Sequence[object] | None) -> Refusals:
    return collect_refusals(ledger.decisions())


def _published_refusals(database: Path) -> Refusals:
    """Who may not be shown according to the publication, which in older versions has one answer for all purposes."""
    persons = query_database(database, "SELECT * FROM persons")
    people = {}
    for purpose in Purpose:
        column = f"consent_{purpose}" if f"consent_{purpose}" in persons.columns else "consent"
        refused = ~pl.col(column).fill_null(value=True) | (pl.col("status") == PersonStatus.HIDDEN)
        people[purpose] = frozenset(persons.filter(refused, pl.col("kind") != PersonKind.NOT_A_FACE)["id"])
    return Refusals(people)


def _combine_refusals(now: Refusals, published: Refusals) -> Refusals:
    return Refusals({p: now.of(p) | published.of(p) for p in Purpose}, now.labels, now.erased_faces)


def _boxes_to_cover(faces: pl.DataFrame, refused: pl.DataFrame, how: RefusedFaces) -> pl.DataFrame:
    """asset_id, `covered`, `cover` of each photo that shows both somebody who may not be shown and others."""
    box = pl.concat_list("bbox_x", "bbox_y", "bbox_w", "bbox_h")
    covered = refused.sort("bbox_x", "bbox_y", "face_id").group_by("asset_id").agg(box.alias("covered"))
    others = faces.join(refused, on="face_id", how="anti")
    covered = covered.join(others, on="asset_id", how="semi").with_columns(pl.lit(how.value).alias("cover"))
    return covered if how is not RefusedFaces.WITHHOLD else covered.clear()
