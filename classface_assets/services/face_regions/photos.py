"""The photos of an archive as regions need them: every file, copies too, with its frame, and who may be named in it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import polars as pl

from classface_assets.core.languages import gettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import READABLE, PhotoStatus
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.face_regions.metadata.frames import to_stored_fractions
from classface_assets.services.face_regions.metadata.model import PhotoFrame, Region
from classface_assets.store.consent.allowed_photos import load_allowed_photos
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.transaction import UnknownError, find_person_by_name
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import Purpose

_FILES_SQL = """
    SELECT * FROM image_assets WHERE status IN (SELECT unnest(?)) AND width > 0 AND height > 0 ORDER BY path"""
_UNNAMED_KINDS = (PersonKind.NOT_A_FACE.value, PersonKind.NOT_A_STUDENT.value)
"""Albums do not name them either."""


class SelectionError(UnknownError):
    """A school year or person that the archive does not have."""


@dataclass(frozen=True)
class Selection:
    """Which photos and people; empty for all.

    Attributes:
        years: School years.
        persons: Ids or names of people.
    """

    years: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhotoFile:
    """A readable file of the photos folder: its path there, school year, picture and frame."""

    path: str
    school_year: str
    asset_id: str
    frame: PhotoFrame


@dataclass(frozen=True)
class NamedRegion:
    """A region of ours: who it is, and where."""

    person_id: str
    region: Region


@dataclass(frozen=True)
class NamedPhotos:
    """Who is named in which photo.

    Attributes:
        regions: Asset id -> the regions of those who may be named, from left to right.
        withheld: Ids of the people with faces who may not be named.
    """

    regions: Mapping[str, tuple[NamedRegion, ...]] = field(default_factory=dict)
    withheld: Set[str] = frozenset()


def photo_files(layout: ArchiveLayout, years: Sequence[str] = ()) -> list[PhotoFile]:
    """Every readable file, copies too, by path: all, or those of some school years.

    A copy of a photo has the picture of the file that counts, so the frame is the same; only its own orientation may
    be another one.

    Raises:
        DatabaseError: Nothing is published yet.
        SelectionError: There is no such school year.
    """
    rows = query_database(layout.database, _FILES_SQL, [READABLE])
    unknown = set(years) - set(rows["school_year"])
    if unknown:
        raise SelectionError(
            gettext("There is no school year %(year)s; `classface years` lists them.", year=min(unknown))
        )
    for column, default in (("rotation", 0), ("orientation", 1)):
        if column not in rows.columns:
            rows = rows.with_columns(pl.lit(default).alias(column))
    rotations = dict(rows.filter(pl.col("status") == PhotoStatus.OK).select("asset_id", "rotation").iter_rows())
    return [
        PhotoFile(
            row["path"],
            row["school_year"],
            row["asset_id"],
            PhotoFrame((row["width"], row["height"]), row["orientation"] or 1, rotations.get(row["asset_id"], 0) or 0),
        )
        for row in rows.iter_rows(named=True)
        if not years or row["school_year"] in years
    ]


def counted_frames(files: Sequence[PhotoFile], layout: ArchiveLayout) -> dict[str, PhotoFrame]:
    """By asset id the frame of the file that counts, in which the faces have their boxes."""
    counted = query_database(layout.database, "SELECT path FROM image_assets WHERE status = ?", [PhotoStatus.OK.value])
    paths = set(counted["path"])
    return {file.asset_id: file.frame for file in files if file.path in paths}


def find_persons(view: ArchiveView, persons: Sequence[str]) -> frozenset[str]:
    """The ids of the people of these ids or names, after merges.

    Raises:
        SelectionError: Nobody has that name.
    """
    found = set()
    for who in persons:
        person = view.decisions.persons.get(who) or find_person_by_name(view.decisions, who)
        if person is None or person.erased:
            raise SelectionError(
                gettext("Nobody is called %(name)s; `classface people` lists the names.", name=repr(who))
            )
        found.add(view.decisions.canonical_id(person.id))
    return frozenset(found)


def named_photos(archive: Archive, view: ArchiveView, confirmed_only: bool = False) -> NamedPhotos:
    """Who may be named in the files of which photo: those whom albums show.

    Args:
        archive: The archive.
        view: The faces as they are now.
        confirmed_only: Whether to leave out people who were recognised and not confirmed by anybody.

    Raises:
        DatabaseError: Nothing is published yet.
    """
    allowed = load_allowed_photos(archive.layout.database, archive.open_ledger(), Purpose.ALBUM)
    faces = view.faces.filter(pl.col("person_id").is_not_null())
    persons = view.decisions.persons
    people = {p: persons[p] for p in faces["person_id"].unique() if p in persons}
    refused_people = frozenset(
        faces.filter(pl.col("face_id").is_in(list(allowed.refused_faces)))["person_id"].drop_nulls()
    )
    nameable = {p for p, person in people.items() if _is_nameable(person) and p not in refused_people}
    withheld = frozenset(p for p, person in people.items() if p not in nameable and not person.erased)
    shown = faces.filter(pl.col("person_id").is_in(list(nameable)))
    if confirmed_only:
        shown = shown.filter("confirmed")
    frames = counted_frames(photo_files(archive.layout), archive.layout)
    found: dict[str, list[NamedRegion]] = defaultdict(list)
    for row in shown.iter_rows(named=True):
        frame = frames.get(row["asset_id"])
        if frame is None:
            continue
        box = to_stored_fractions((row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"]), frame)
        if box[2] > 0 and box[3] > 0:
            name = people[row["person_id"]].display_name or people[row["person_id"]].name
            found[row["asset_id"]].append(NamedRegion(row["person_id"], Region(name, box)))
    by_place = {a: tuple(sorted(r, key=lambda one: one.region.box)) for a, r in found.items()}
    return NamedPhotos(by_place, withheld)


def _is_nameable(person: Person) -> bool:
    return (
        not person.erased
        and person.merged_into_id is None
        and person.kind not in _UNNAMED_KINDS
        and Purpose.ALBUM not in person.refused
        and person.status == PersonStatus.ACTIVE
    )
