"""Contact sheets, printed albums and portraits for yearbooks: read from the archive, laid out by `albums.exports`."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import BinaryIO

import polars as pl
from PIL import Image

from classface_assets.albums.cards import GROUP_PHOTO_FACES, photo_from_row
from classface_assets.albums.exports.captions import photo_captions
from classface_assets.albums.exports.contents import (
    ExportContents,
    SelectedPhotos,
    Selection,
    SelectionError,
    class_members,
    select_photos,
)
from classface_assets.albums.exports.head_crop import DPI, HeadCrop, cut_portrait, plan_crop
from classface_assets.albums.exports.portraits import best_portraits
from classface_assets.albums.exports.print.album import Chapter, PrintedPhoto, print_album
from classface_assets.albums.exports.print.contact_sheet import (
    PrintedDocument,
    SheetGroup,
    SheetPerson,
    contact_sheet,
)
from classface_assets.albums.exports.print.document import PrintOptions
from classface_assets.albums.exports.pspa import IMAGE_FOLDER, PspaPerson, image_name, index_text
from classface_assets.albums.names import sort_key
from classface_assets.albums.pictures.originals import Originals, Photo, list_originals, read_upright
from classface_assets.albums.pictures.thumbnails import LARGE, thumbnail_path
from classface_assets.core.languages import gettext
from classface_assets.core.layout import ArchiveLayout

ProgressCallback = Callable[[int, int], None]
NO_CLASS = ""
PORTRAIT_QUALITY = 95
README = """Portraits for a yearbook, in the format of the Professional School Photographers Association (PSPA).

INDEX.TXT: a line a person, columns separated by tabs, UTF-8, without a header: volume, image folder, image file name,
grade, last name, first name, home room, period, teacher, track, department, title, image size.
{folder}: the images, JPEG, sRGB, 640 x 800 pixels (8 x 10), heads of one size, eyes level at 42 % from the top.
"""


@dataclass(frozen=True, eq=False)
class ExportSource:
    """A selection and where its pictures are.

    Attributes:
        layout: The archive.
        contents: Everything that may be shown.
        selection: What was chosen.
        selected: What it comes to.
        originals: Where the photos are.
    """

    layout: ArchiveLayout
    contents: ExportContents
    selection: Selection
    selected: SelectedPhotos
    originals: Originals

    @classmethod
    def of(cls, layout: ArchiveLayout, contents: ExportContents, selection: Selection) -> "ExportSource":
        """The source of a selection.

        Raises:
            SelectionError: It has no photo.
            StorageError: Photos at a URL cannot be listed.
        """
        selected = select_photos(contents, selection)
        return cls(layout, contents, selection, selected, list_originals(layout.photos, selected.photos["path"]))

    def portrait(self, photo: Photo, crop: HeadCrop) -> Image.Image | None:
        """The portrait of a face; None where its photo cannot be read any more."""
        return read_portrait(self.originals, photo, crop)

    def picture(self, photo: Photo) -> Image.Image | None:
        """The photo as it is printed, from the album's thumbnail where there is one; None where it is gone."""
        thumbnail = self.layout.albums / thumbnail_path(photo, LARGE)
        try:
            if thumbnail.exists():
                with Image.open(thumbnail) as image:
                    return image.convert("RGB")
            return read_upright(self.originals, photo, LARGE)
        except OSError:
            return None


def read_portrait(originals: Originals, photo: Photo, crop: HeadCrop) -> Image.Image | None:
    """The portrait of a face; None where its photo cannot be read any more."""
    side = max(photo.width, photo.height)
    try:
        picture = read_upright(originals, photo, ceil(side * min(crop.scale, 1.0)))
    except OSError:
        return None
    return cut_portrait(picture, crop, picture.width / photo.width)


@dataclass(frozen=True, eq=False)
class ChosenPortrait:
    """The best portrait of a person in a school year, and how to read it."""

    person_id: str
    name: str
    plain_name: str
    school_year: str
    photo: Photo
    crop: HeadCrop


def chosen_portraits(source: ExportSource) -> list[ChosenPortrait]:
    """The best portraits of those whom the selection is about."""
    selected = source.selected
    best = best_portraits(selected.faces, selected.photos, selected.subjects)
    photos = {(row["school_year"], row["asset_id"]): row for row in selected.photos.iter_rows(named=True)}
    details = {
        face: (landmarks, name)
        for face, landmarks, name in selected.faces.select("face_id", "landmarks", "plain_name").iter_rows()
    }
    portraits = []
    for row in best.iter_rows(named=True):
        photo = photo_from_row(photos[row["school_year"], row["asset_id"]])
        landmarks, plain_name = details[row["face_id"]]
        portraits.append(
            ChosenPortrait(
                person_id=row["person_id"],
                name=row["person_name"],
                plain_name=plain_name or row["person_name"],
                school_year=row["school_year"],
                photo=photo,
                crop=plan_crop(landmarks, photo.width, photo.height),
            )
        )
    return sorted(portraits, key=lambda one: (sort_key(one.name), one.person_id, one.school_year))


def print_contact_sheet(
    source: ExportSource, options: PrintOptions, out: BinaryIO, progress: ProgressCallback = lambda *_: None
) -> PrintedDocument:
    """Write a contact sheet: the best portrait of each student, by school year and class.

    Of chosen classes and school years, students of the roster without a photo have an empty frame.
    """
    people: dict[tuple[str, str], list[SheetPerson]] = {}
    classes = _classes(source.contents.roster)
    portraits = chosen_portraits(source)
    for one in portraits:
        key = one.school_year, classes.get((one.person_id, one.school_year), NO_CLASS)
        people.setdefault(key, []).append(SheetPerson(one.name, partial(source.portrait, one.photo, one.crop)))
    shown = {(one.person_id, one.school_year) for one in portraits}
    for person_id, name, year, school_class in _expected(source):
        if (person_id, year) not in shown:
            people.setdefault((year, school_class), []).append(SheetPerson(name))
    if not people:
        raise SelectionError(gettext("Nobody in these photos has a name yet; name some faces first."))
    ordered = sorted(people, key=lambda key: (key[0], key[1] == NO_CLASS, sort_key(key[1])))
    groups = [
        SheetGroup(
            f"{school_class}, {year}" if school_class else year,
            sorted(people[year, school_class], key=lambda person: sort_key(person.name)),
        )
        for year, school_class in ordered
    ]
    return contact_sheet(options, groups, out, progress)


def print_photo_album(
    source: ExportSource, options: PrintOptions, out: BinaryIO, progress: ProgressCallback = lambda *_: None
) -> PrintedDocument:
    """Write an album of the photos of the selection, a chapter a school year, with captions."""
    selected = source.selected
    captions = photo_captions(selected.photos, selected.faces)
    counts = dict(selected.faces.group_by("asset_id").agg(pl.len()).iter_rows())
    chapters = []
    for (year,), rows in selected.photos.group_by("school_year", maintain_order=True):
        photos = [photo_from_row(row) for row in rows.iter_rows(named=True)]
        printed = tuple(
            PrintedPhoto(
                ratio=photo.width / photo.height,
                caption=captions[str(year), photo.asset_id],
                large=counts.get(photo.asset_id, 0) >= GROUP_PHOTO_FACES,
                read=partial(source.picture, photo),
            )
            for photo in photos
        )
        chapters.append(Chapter(str(year), printed))
    return print_album(options, chapters, out, progress)


@dataclass(frozen=True)
class PspaResult:
    """What was written for a yearbook.

    Attributes:
        portraits: How many portraits.
        without: Names of students of the roster who are in no photo that can be used.
        enlarged: Names of people whose face is smaller than a portrait needs.
        not_shown: How many students of the roster are left out, as they may not be shown.
    """

    portraits: int
    without: tuple[str, ...]
    enlarged: tuple[str, ...]
    not_shown: int


def write_pspa(
    source: ExportSource, volume: str, out: BinaryIO, progress: ProgressCallback = lambda *_: None
) -> PspaResult:
    """Write a ZIP file with the folder of portraits, INDEX.TXT and README.TXT for a yearbook, portrait by portrait.

    Args:
        source: The selection, of one school year.
        volume: The name of the school, or another name of the volume.
        out: What it is written to.
        progress: Called with the portraits written and the portraits in all.

    Raises:
        SelectionError: The selection has several school years, or nobody in it has a name.
    """
    from zipstream import ZipStream

    portraits = chosen_portraits(source)
    years = sorted({one.school_year for one in portraits})
    if len(years) > 1:
        raise SelectionError(
            gettext(
                "A yearbook is of one school year, and these photos are of %(number)s; choose one.", number=len(years)
            )
        )
    if not portraits:
        raise SelectionError(gettext("Nobody in these photos has a name yet; name some faces first."))
    classes, archive = _classes(source.contents.roster), ZipStream()
    people: list[PspaPerson] = []
    written, enlarged = set(), []
    for number, one in enumerate(portraits, start=1):
        picture = source.portrait(one.photo, one.crop)
        if picture is not None:
            name = image_name(len(people) + 1)
            archive.add(portrait_jpeg(picture), f"{IMAGE_FOLDER}/{name}")
            out.writelines(archive.all_files())
            school_class = classes.get((one.person_id, one.school_year), NO_CLASS)
            people.append(PspaPerson(name, one.plain_name, school_class, one.person_id in source.contents.staff))
            written.add((one.person_id, one.school_year))
            enlarged += [one.name] if one.crop.scale > 2 else []
        progress(number, len(portraits))
    archive.add(index_text(volume, people).encode(), "INDEX.TXT")
    archive.add(README.format(folder=IMAGE_FOLDER).replace("\n", "\r\n").encode(), "README.TXT")
    out.writelines(archive.finalize())
    without = [name for person_id, name, year, _ in _expected(source) if (person_id, year) not in written]
    return PspaResult(len(people), tuple(without), tuple(enlarged), _not_shown(source))


def portrait_jpeg(picture: Image.Image) -> bytes:
    """A portrait as JPEG for print."""
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=PORTRAIT_QUALITY, dpi=(DPI, DPI), subsampling=0)
    return jpeg.getvalue()


def _classes(roster: pl.DataFrame) -> dict[tuple[str, str], str]:
    """(person id, school year) -> class."""
    rows = roster.drop_nulls("person_id").select("person_id", "school_year", "class").iter_rows()
    return {(person, year): school_class for person, year, school_class in rows}


def _expected(source: ExportSource) -> Iterator[tuple[str | None, str, str, str]]:
    """(person id, name, school year, class) of the students of the chosen classes or years who may be shown."""
    rows = _chosen_roster(source).filter("may_be_shown").sort("class", "name")
    yield from rows.select("person_id", "name", "school_year", "class").iter_rows()


def _not_shown(source: ExportSource) -> int:
    return _chosen_roster(source).filter(~pl.col("may_be_shown")).height


def _chosen_roster(source: ExportSource) -> pl.DataFrame:
    """The rows of the roster of the chosen classes, or years; none where people or photos were chosen."""
    selection, roster = source.selection, source.contents.roster
    if selection.people or selection.photos:
        return roster.clear()
    if selection.classes:
        return class_members(roster, selection.classes, selection.years)
    return roster.filter(pl.col("school_year").is_in(selection.years))
