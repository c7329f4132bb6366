"""What exports take from: the photos, faces and students that may be shown; and the choice of some of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from classface_assets.albums.cards import album_photos
from classface_assets.core.errors import UserError
from classface_assets.core.schemas import PhotoStatus

ROSTER = pl.Schema(
    {
        "key": pl.String(),  # of the student among the rosters'
        "person_id": pl.String(),  # null: on the roster, but not named in any photo
        "name": pl.String(),
        "student_id": pl.String(),
        "school_year": pl.String(),
        "class": pl.String(),
        "may_be_shown": pl.Boolean(),
    }
)
WITHHELD = pl.Schema({"asset_id": pl.String(), "school_year": pl.String(), "person_id": pl.String()})


class SelectionError(UserError):
    """An export has nothing to export; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class ExportContents:
    """Everything that may be shown for one purpose.

    Attributes:
        purpose: What for: album, yearbook or web.
        photos: Every file, as `AllowedPhotos.photos`.
        faces: The faces in photos that may be shown, of people who may be shown and of unknown people: face_id,
            asset_id, path, school_year, bbox_x/y/w/h (pixels of the upright photo), landmarks (x, y of both eyes, nose,
            corners of the mouth), quality_score, blur, yaw, pitch, roll, outside, detection_confidence, person_id,
            person_name, plain_name (without what distinguishes namesakes), confirmed, assignment_probability, and
            `cropped`: whether a crop shows no part of a covered face.
        roster: ROSTER, a row a student and school year.
        withheld: WITHHELD, the people who may be shown in photos that may not: only to be counted.
        staff: The ids of people who are staff.
    """

    purpose: str
    photos: pl.DataFrame
    faces: pl.DataFrame
    roster: pl.DataFrame
    withheld: pl.DataFrame
    staff: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Selection:
    """Which photos: those that meet every condition that is given.

    Attributes:
        people: Person ids: photos that show one of them.
        classes: Photos that show a student of one of these classes, in the school year in which they are in it.
        years: Photos of these school years.
        photos: These asset ids.
    """

    people: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    years: tuple[str, ...] = ()
    photos: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no condition is given."""
        return not (self.people or self.classes or self.years or self.photos)


@dataclass(frozen=True, eq=False)
class SelectedPhotos:
    """What a selection comes to.

    Attributes:
        photos: The `album_photos` that are exported.
        faces: All their faces, columns as `ExportContents.faces`.
        subjects: The faces that the selection is about: those of the chosen people or classes, else all named ones.
        unreadable: path, school_year, status, reason of files of the chosen years that are no readable photo.
        duplicates: How many files of the chosen years have the picture of another file.
        withheld: How many photos are left out, as somebody in them may not be shown.
        covered: How many of the photos have a covered face.
    """

    photos: pl.DataFrame
    faces: pl.DataFrame
    subjects: pl.DataFrame
    unreadable: pl.DataFrame
    duplicates: int
    withheld: int
    covered: int


def select_photos(contents: ExportContents, selection: Selection) -> SelectedPhotos:
    """The photos of a selection, by school year, date and path.

    Raises:
        SelectionError: There is none.
    """
    subjects = _subjects(contents.faces, contents.roster, selection)
    photos = album_photos(contents.photos)
    files = contents.photos
    if selection.years:
        photos, files = (frame.filter(pl.col("school_year").is_in(selection.years)) for frame in (photos, files))
    if selection.photos:
        photos, files = (frame.filter(pl.col("asset_id").is_in(selection.photos)) for frame in (photos, files))
    by_people = bool(selection.people or selection.classes)
    if by_people:
        photos = photos.join(subjects, on="asset_id", how="semi", maintain_order="left")
    withheld = _count_withheld(contents, selection)
    if photos.is_empty():
        raise SelectionError(_nothing_to_export(withheld))
    in_photos = contents.faces.join(photos, on=["asset_id", "school_year"], how="semi", maintain_order="left")
    unreadable = files.filter(pl.col("status").is_in([PhotoStatus.UNREADABLE.value, PhotoStatus.NOT_A_PHOTO.value]))
    duplicates = files.filter(pl.col("status") == PhotoStatus.DUPLICATE.value)
    return SelectedPhotos(
        photos=photos,
        faces=in_photos,
        subjects=in_photos.join(subjects, on="face_id", how="semi", maintain_order="left"),
        unreadable=unreadable.select("path", "school_year", "status", "reason").clear()
        if by_people
        else unreadable.select("path", "school_year", "status", "reason").sort("path"),
        duplicates=0 if by_people else duplicates.height,
        withheld=withheld,
        covered=photos.drop_nulls("cover").height,
    )


def classes_of(roster: pl.DataFrame) -> pl.DataFrame:
    """The classes on the rosters: school_year, class, students; latest year first."""
    known = roster.filter(pl.col("class") != "")
    counted = known.group_by("school_year", "class").agg(pl.len().alias("students"))
    return counted.sort("school_year", "class", descending=[True, False])


def class_members(roster: pl.DataFrame, classes: Iterable[str], years: Iterable[str] = ()) -> pl.DataFrame:
    """The rows of the roster of these classes, whatever the case and spaces of their names, in these years or all."""
    wanted = [fold_class(name) for name in classes]
    folded = pl.col("class").map_elements(fold_class, return_dtype=pl.String)
    found = roster.filter(folded.is_in(wanted))
    chosen = list(years)
    return found.filter(pl.col("school_year").is_in(chosen)) if chosen else found


def fold_class(name: str) -> str:
    """A class as it is compared: `5 B` and `5b` are one.

    >>> fold_class("5 B")
    '5b'
    """
    return "".join(name.split()).casefold()


def _subjects(faces: pl.DataFrame, roster: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    named = faces.drop_nulls("person_id")
    if selection.people:
        named = named.filter(pl.col("person_id").is_in(selection.people))
    if selection.classes:
        members = class_members(roster, selection.classes, selection.years).drop_nulls("person_id")
        named = named.join(members, on=["person_id", "school_year"], how="semi", maintain_order="left")
    return named


def _count_withheld(contents: ExportContents, selection: Selection) -> int:
    """How many photos the selection would have beside, if everybody in them might be shown."""
    lost = contents.photos.filter(pl.col("status") == PhotoStatus.WITHHELD.value)
    if selection.years:
        lost = lost.filter(pl.col("school_year").is_in(selection.years))
    if selection.photos:
        lost = lost.filter(pl.col("asset_id").is_in(selection.photos))
    if selection.people or selection.classes:
        theirs = _subjects(contents.withheld, contents.roster, selection)
        lost = lost.join(theirs, on="asset_id", how="semi")
    return lost["asset_id"].n_unique()


def _nothing_to_export(withheld: int) -> str:
    if withheld:
        number = "The one photo" if withheld == 1 else f"All {withheld:,} photos"
        return f"{number} of this selection may not be shown, as somebody in it refused; there is nothing to export."
    return "No photo belongs to this selection; choose another person, class, school year or other photos."
