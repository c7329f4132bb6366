"""Loads what exports may show: the published faces with all decisions up to now, and the stricter of all consents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from classface_assets.albums.anonymization import faces_near_covered
from classface_assets.albums.exports.contents import (
    ROSTER,
    WITHHELD,
    ExportContents,
    Selection,
    SelectionError,
    class_members,
    classes_of,
)
from classface_assets.core.languages import gettext
from classface_assets.core.schemas import PhotoStatus
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.cache import ArchiveViewCache
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.consent.allowed_photos import (
    AllowedPhotos,
    RefusedFaces,
    find_allowed_photos,
    read_published_photos,
)
from classface_assets.store.consent.photos import collect_refusals, is_withheld
from classface_assets.store.decisions.roster import roster_people
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.published.queries import face_measures

_FACE_COLUMNS = (
    *("face_id", "asset_id", "path", "school_year", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "quality_score"),
    *("detection_confidence", "person_id", "person_name", "confirmed", "assignment_probability"),
)


def current_view(archive: Archive) -> ArchiveView:
    """The published archive with all decisions up to now, for a command.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    return ArchiveViewCache(archive.layout.database, archive.open_ledger()).current()


def load_contents(archive: Archive, view: ArchiveView, purpose: Purpose) -> ExportContents:
    """Everything that may be shown for a purpose.

    What albums do not show, exports do not either: photos of people who refused, are hidden or were erased, or their
    faces are covered (the setting `refused` of the archive); people who are no students or staff are not named.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    refused = RefusedFaces(archive.refused)
    return view.derived(("contents", purpose, refused), lambda: _read_contents(archive, view, purpose, refused))


def _read_contents(archive: Archive, view: ArchiveView, purpose: Purpose, refused: RefusedFaces) -> ExportContents:
    database = archive.layout.database
    published = view.reused("published photos", (view.published,), lambda: read_published_photos(database))
    now = collect_refusals(view.decisions)
    allowed = view.reused(
        ("allowed photos", purpose, refused),
        (published, now),
        lambda: find_allowed_photos(published, now, purpose, refused),
    )
    measures = view.reused("face measures", (view.published,), lambda: face_measures(database))
    faces = view.faces.select(_FACE_COLUMNS).join(measures, on="face_id", how="left")
    return ExportContents(
        purpose=purpose.value,
        photos=allowed.photos,
        faces=_shown_faces(faces, allowed, view.decisions, purpose),
        roster=roster_table(view.decisions, purpose),
        withheld=_faces_in_withheld_photos(faces, allowed),
        staff=frozenset(p.id for p in view.decisions.persons.values() if p.kind == PersonKind.STAFF),
    )


def roster_table(decisions: Decisions, purpose: Purpose) -> pl.DataFrame:
    """The students of the rosters, a row a school year; of students without a year none. ROSTER, by name."""
    erased = {person.id for person in decisions.persons.values() if person.erased}
    rows = [row for row in _roster_rows(decisions, purpose) if row[1] not in erased]
    return pl.DataFrame(rows, schema=ROSTER, orient="row").sort("school_year", "class", "name", "key")


def _roster_rows(decisions: Decisions, purpose: Purpose) -> Iterator[tuple[object, ...]]:
    for entry, person, name in roster_people(decisions):
        agreed = entry.consents.get(purpose, entry.consent) is not False and not entry.consent_in_doubt
        shown = agreed and not (person and is_withheld(person, purpose))
        for year, school_class in entry.classes.items():
            yield entry.key, person.id if person else None, name, entry.student_id, year, school_class, shown


def _shown_faces(faces: pl.DataFrame, allowed: AllowedPhotos, decisions: Decisions, purpose: Purpose) -> pl.DataFrame:
    """The faces of people who may be shown, and of unknown people, in photos that may be shown."""
    photos = allowed.photos.filter(pl.col("status") == PhotoStatus.OK.value)
    left_out = [
        p.id
        for p in decisions.persons.values()
        if is_withheld(p, purpose)
        or p.erased
        or p.status == PersonStatus.HIDDEN
        or p.kind in (PersonKind.NOT_A_STUDENT, PersonKind.NOT_A_FACE)
    ]
    person = pl.col("person_id")
    shown = faces.filter(
        ~pl.col("face_id").is_in(list(allowed.refused_faces)) & (person.is_null() | ~person.is_in(left_out))
    ).join(photos, on="path", how="semi")
    names = {p.id: p.name for p in decisions.persons.values()}
    return shown.with_columns(
        ~pl.col("face_id").is_in(faces_near_covered(shown, photos)).alias("cropped"),
        person.replace_strict(names, default=None, return_dtype=pl.String).alias("plain_name"),
    ).sort("path", "bbox_x", "face_id")


def _faces_in_withheld_photos(faces: pl.DataFrame, allowed: AllowedPhotos) -> pl.DataFrame:
    """WITHHELD: those who may be shown, in photos that may not."""
    photos = allowed.photos.filter(pl.col("status") == PhotoStatus.WITHHELD.value)
    there = faces.join(photos, on="asset_id", how="semi").filter(
        ~pl.col("face_id").is_in(list(allowed.refused_faces)), pl.col("person_id").is_not_null()
    )
    return there.select(WITHHELD.names()).cast(WITHHELD)


@dataclass(frozen=True)
class SelectionRequest:
    """A selection as people type it.

    Attributes:
        people: Names, or ids.
        classes: Classes of the roster.
        years: School years.
        photos: Paths below the photos folder, folders of it, or ids.
    """

    people: Sequence[str] = ()
    classes: Sequence[str] = ()
    years: Sequence[str] = ()
    photos: Sequence[str] = ()


def resolve_selection(contents: ExportContents, view: ArchiveView, request: SelectionRequest) -> Selection:
    """The selection that a request means.

    Raises:
        SelectionError: Nothing is chosen, or there is no such person, class, year or photo.
    """
    years = set(view.photos["school_year"]) | set(contents.roster["school_year"])
    for year in request.years:
        if year not in years:
            raise SelectionError(
                gettext(
                    "There is no school year %(year)s; choose one of %(years)s.",
                    year=year,
                    years=_listed(sorted(years)),
                )
            )
    for name in request.classes:
        if class_members(contents.roster, [name], request.years).is_empty():
            known = classes_of(contents.roster).sort("class")["class"].unique(maintain_order=True).to_list()
            raise SelectionError(
                gettext("No roster has a class %(name)s; choose one of %(classes)s.", name=name, classes=_listed(known))
                if known
                else gettext("No roster with classes was imported, so a class cannot be chosen; import one first.")
            )
    selection = Selection(
        people=tuple(_person_id(view, name) for name in request.people),
        classes=tuple(request.classes),
        years=tuple(request.years),
        photos=tuple(asset for text in request.photos for asset in _asset_ids(view, text)),
    )
    if selection.is_empty:
        raise SelectionError(gettext("Choose a person, a class, a school year or photos to export."))
    return selection


def _person_id(view: ArchiveView, name: str) -> str:
    person = view.decisions.find_current_person(name) or view.decisions.persons.get(name)
    if person is None or person.erased or person.kind == PersonKind.NOT_A_FACE:
        several = len(view.decisions.people_named(name)) > 1
        reason = (
            gettext("Several people have the name %(name)s; give it as the list of people shows it.", name=name)
            if several
            else gettext("Nobody has the name %(name)s; give it as the list of people shows it.", name=name)
        )
        raise SelectionError(reason)
    return view.decisions.canonical_id(person.id)


def _asset_ids(view: ArchiveView, text: str) -> list[str]:
    """The ids of a photo, or of the photos in a folder and the folders in it."""
    path = text.strip("/")
    photos = view.photos
    found = photos.filter(
        (pl.col("path") == path) | (pl.col("asset_id") == path) | pl.col("path").str.starts_with(f"{path}/")
    )
    if found.is_empty():
        raise SelectionError(
            gettext("There is no photo or folder %(path)s; give its path in the photos folder.", path=text)
        )
    return found.sort("path")["asset_id"].to_list()


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} … ({len(names):,} in all)" if len(names) > most else shown
