"""Whether most photos are missing: a drive that is not connected looks like a folder that was emptied.

A known photo is one that the last runs listed. It is present as long as there is a file at its path, or one of its name
and size anywhere below the photos folder: a photo that was renamed, moved or edited in place is not lost.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from functools import reduce

import polars as pl

from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import are_lost
from classface_assets.core.schemas import READABLE
from classface_assets.store.catalog.photo_folders import list_signatures
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.catalog.school_years import PhotosFolderError, require_year_folders

SHOWN_FOLDERS = 5
_PHOTOS = pl.Schema({"path": pl.String, "size": pl.Int64})


class LostPhotosError(PhotosFolderError):
    """More than half of the known photos are missing at once; nothing was removed."""


def refuse_lost_photos(
    layout: ArchiveLayout,
    year: str | None = None,
    listing: pl.DataFrame | None = None,
    unchanged: Collection[str] = (),
) -> None:
    """Raise an error where most of the known photos are missing.

    Args:
        layout: The archive.
        year: A school year, whose photos are looked for first: without an error where most of them are present.
        listing: Path and size of the files of that school year.
        unchanged: School years of which every file is as the last runs listed it, so that only the others are listed.

    Raises:
        LostPhotosError: Most of the known photos are missing.
        PhotosFolderError: The photos folder cannot be read.
    """
    if year is not None and listing is not None:
        known = _known(layout, year)
        if 2 * _gone(known, listing).height <= known.height:
            return
    years = list_school_years(layout)
    if unchanged:
        doubtful = _known_in(layout, [one for one in years if one not in unchanged])
        # Those that are gone from their school year may be in another one: then even fewer are lost.
        gone = _gone(doubtful, _present(layout, unchanged))
        if not gone.height or not are_lost(_known_in(layout, years).height, gone.height):
            return
    known = _known_in(layout, years)
    if not known.height:
        return
    gone = _gone(known, _present(layout))
    if are_lost(known.height, gone.height):
        raise LostPhotosError(_error_message(layout, known, gone))


def _known_in(layout: ArchiveLayout, years: Iterable[str]) -> pl.DataFrame:
    """`_known` of some school years."""
    return pl.concat([pl.DataFrame(schema=_PHOTOS), *(_known(layout, year) for year in years)])


def _known(layout: ArchiveLayout, year: str) -> pl.DataFrame:
    """Path and size of the photos of a school year that the last runs listed."""
    rows = image_parts(layout, year).read(["path", "size", "status"])
    if not rows.width:
        return pl.DataFrame(schema=_PHOTOS)
    return rows.filter(pl.col("status").is_in(READABLE)).select(_PHOTOS.names())


def _present(layout: ArchiveLayout, without: Collection[str] = ()) -> pl.DataFrame:
    """Path and size of all files in the folders of school years, but for some of these."""
    folders_of_years = [folders for year, folders in require_year_folders(layout).items() if year not in without]
    files = [file for folders in folders_of_years for file in list_signatures(layout.photos, folders)]
    rows = [(path, size) for path, size, _ in files if size >= 0]
    return pl.DataFrame(rows, schema=_PHOTOS, orient="row")


def _gone(known: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """The known photos that are neither at their path nor, by name and size, anywhere else."""
    name = pl.col("path").str.split("/").list.last().alias("name")
    missing = known.join(present, on="path", how="anti").with_columns(name)
    return missing.join(present.with_columns(name), on=["name", "size"], how="anti")


def _error_message(layout: ArchiveLayout, known: pl.DataFrame, gone: pl.DataFrame) -> str:
    total = Counter(_folder(path) for path in known["path"])
    missing = Counter(_folder(path) for path in gone["path"])
    where = [
        sentence(
            "%(folder)s %(missing)s of %(all)s",
            folder=folder or sentence("the folder itself"),
            missing=count,
            all=total[folder],
        )
        for folder, count in missing.most_common()
    ]
    shown = reduce(lambda some, one: sentence("%(first)s, %(second)s", first=some, second=one), where[:SHOWN_FOLDERS])
    if len(where) > SHOWN_FOLDERS:
        more = len(where) - SHOWN_FOLDERS
        shown = sentence("%(folders)s and %(number)s more folders", folders=shown, number=more)
    return sentence(
        "%(gone)s of %(all)s known photos are gone from %(folder)s (%(where)s); nothing was removed. Connect the drive "
        "that they are on; if they were removed on purpose, run `classface run --photos-are-gone`.",
        gone=gone.height,
        all=known.height,
        folder=layout.photos,
        where=shown,
    )


def _folder(path: str) -> str:
    return path.rpartition("/")[0].partition("/")[0]
