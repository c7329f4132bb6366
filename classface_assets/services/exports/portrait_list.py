"""The best portrait of each student in each school year: the list, page by page, and the picture of each."""

from dataclasses import dataclass

import polars as pl
from PIL import Image

from classface_assets.albums.cards import album_photos, photo_from_row
from classface_assets.albums.exports.contents import ExportContents, Selection, class_members
from classface_assets.albums.exports.head_crop import plan_crop
from classface_assets.albums.exports.portraits import best_portraits, portrait_candidates
from classface_assets.albums.pictures.originals import list_originals
from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.exports.documents import read_portrait

_PERSON_YEAR = ("person_id", "school_year")


@dataclass(frozen=True, eq=False)
class PortraitList:
    """Who has a portrait in which school year. Faces are compared only for the rows that are asked for.

    Attributes:
        rows: person_id, person_name, school_year: by name and year.
        candidates: The faces to choose from.
        contents: Everything that may be shown.
        photos: The photos that albums show.
    """

    rows: pl.DataFrame
    candidates: pl.DataFrame
    contents: ExportContents
    photos: pl.DataFrame

    def best(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The best portraits of some of the rows: columns of PORTRAITS, path, and class and student_id of the roster.

        Class and student id are null of people who are on no roster of that year.
        """
        subjects = self.candidates.join(rows, on=_PERSON_YEAR, how="semi").drop("width", "height")
        faces = self.contents.faces.join(subjects, on="asset_id", how="semi")
        paths = faces.select("face_id", "path")
        entries = self.contents.roster.drop_nulls("person_id").unique(_PERSON_YEAR, keep="last")
        found = best_portraits(faces, self.photos, subjects).join(paths, on="face_id", how="left")
        return found.join(entries.select(*_PERSON_YEAR, "class", "student_id"), on=_PERSON_YEAR, how="left").sort(
            "person_name", "person_id", "school_year"
        )


def list_portraits(contents: ExportContents, selection: Selection) -> PortraitList:
    """The students and school years of a selection that have a portrait; an empty selection means all.

    The portrait is the best one of the school year, whichever photos are chosen, as in the contact sheet of the year.
    """
    photos = album_photos(contents.photos)
    candidates = portrait_candidates(contents.faces, photos)
    if selection.people:
        candidates = candidates.filter(pl.col("person_id").is_in(selection.people))
    if selection.years:
        candidates = candidates.filter(pl.col("school_year").is_in(selection.years))
    if selection.classes:
        members = class_members(contents.roster, selection.classes, selection.years).drop_nulls("person_id")
        candidates = candidates.join(members, on=_PERSON_YEAR, how="semi")
    rows = candidates.select("person_id", "person_name", "school_year").unique(_PERSON_YEAR)
    return PortraitList(rows.sort("person_name", "person_id", "school_year"), candidates, contents, photos)


def portrait_picture(layout: ArchiveLayout, contents: ExportContents, face_id: str) -> Image.Image | None:
    """The portrait of a face; None where it may not be shown, or its photo cannot be read.

    Raises:
        StorageError: Photos at a URL cannot be listed.
    """
    photos = album_photos(contents.photos)
    found = portrait_candidates(contents.faces.filter(pl.col("face_id") == face_id), photos)
    if found.is_empty():
        return None
    where = found.row(0, named=True)
    row = photos.row(
        by_predicate=(pl.col("asset_id") == where["asset_id"]) & (pl.col("school_year") == where["school_year"]),
        named=True,
    )
    photo = photo_from_row(row)
    crop = plan_crop(where["landmarks"], photo.width, photo.height)
    return read_portrait(list_originals(layout.photos, [photo.path]), photo, crop)
