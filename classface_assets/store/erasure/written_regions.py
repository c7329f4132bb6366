"""Which names were written into sidecars and photo files, so that they can be changed and taken back.

The record and the metadata that files had before lie in the data folder, beside the photos' other data; an erasure
reads the record, and removes from it what it removed from the files.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, remove_file
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet

FOLDER = "face_regions"
WRITTEN_REGIONS = pl.Schema(
    {
        "path": pl.String(),  # the photo, below the photos folder
        "place": pl.String(),  # Place
        "asset_id": pl.String(),  # of the photo, by which it is found when it was moved or renamed
        "person_id": pl.String(),
        "name": pl.String(),
        "x": pl.Float64(),  # of the upper left corner, in fractions of the picture as it is stored
        "y": pl.Float64(),
        "w": pl.Float64(),
        "h": pl.Float64(),
        "keyword": pl.Boolean(),  # the name was added to the file's keywords, too
        "made_file": pl.Boolean(),  # there was no sidecar, or no metadata of this kind in the file
    }
)


class Place(StrEnum):
    """Where names were written."""

    SIDECAR = "sidecar"
    """In `photo.jpg.xmp` beside the photo."""
    FILE = "file"
    """In the photo's file."""


def read_written_regions(layout: ArchiveLayout) -> pl.DataFrame:
    """WRITTEN_REGIONS, by path; empty where nothing was written yet.

    Raises:
        DamagedFileError: The record cannot be read.
        StorageError: The disk, drive or server fails.
    """
    return read_parquet_or_empty(_record(layout), WRITTEN_REGIONS)


def store_written_regions(layout: ArchiveLayout, rows: pl.DataFrame) -> None:
    """Store WRITTEN_REGIONS in place of what is there.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    if rows.height or read_written_regions(layout).height:
        write_parquet(rows.select(WRITTEN_REGIONS.names()).sort("path", "place", "x", "y"), _record(layout))


def back_up_metadata(layout: ArchiveLayout, path: str, place: Place, data: bytes) -> None:
    """Store the metadata that a file had before names were written into it, unless it is stored already.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    file = _backup(layout, path, place)
    if not file.exists():
        write_file(file, lambda out: out.write(data))


def backed_up_metadata(layout: ArchiveLayout, path: str, place: Place) -> bytes | None:
    """The metadata that a file had before; None where it had none.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    try:
        return read_file(_backup(layout, path, place))
    except FileNotFoundError:
        return None


def remove_backups(layout: ArchiveLayout, files: Iterable[tuple[str, Place]]) -> None:
    """Remove the backups of these files, which hold nothing of ours any more.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    for path, place in files:
        remove_file(_backup(layout, path, place))


def _record(layout: ArchiveLayout) -> Location:
    return layout.data / FOLDER / "written.parquet"


def _backup(layout: ArchiveLayout, path: str, place: Place) -> Location:
    name = hashlib.blake2b(f"{place}:{path}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return layout.data / FOLDER / "before" / f"{name}.xmp"
