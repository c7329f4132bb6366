"""The metadata of one photo, in its sidecar or its file: read, written, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import StorageError
from classface_assets.core.languages import gettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, decode_relative_path, remove_file
from classface_assets.services.face_regions.metadata.jpeg_xmp import read_embedded_packet, replace_packet
from classface_assets.services.face_regions.metadata.model import Region, RegionError
from classface_assets.services.face_regions.metadata.packet_update import OwnedNames
from classface_assets.store.erasure.written_regions import Place

SIDECAR_SUFFIX = ".xmp"
Key = tuple[str, Place]
"""The path of a photo below the photos folder, and where its names are."""


class FileStatus(StrEnum):
    """What becomes of a photo's file or sidecar."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    """Names were taken out, and none of ours is left."""
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class FileResult:
    """What became of one photo: its path, the names in it now, and why it was left out."""

    path: str
    status: FileStatus
    names: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class WriteReport:
    """What was written, or would be.

    Attributes:
        applied: Whether it was.
        files: Every photo that has, had or should have names, by path.
        conflicts: (path, our name, the other program's name) of faces that another program named differently.
        withheld: How many people may not be named, as albums do not show them.
        unnamed_photos: How many photos of the selection show nobody who may be named.
    """

    applied: bool
    files: tuple[FileResult, ...] = ()
    conflicts: tuple[tuple[str, str, str], ...] = ()
    withheld: int = 0
    unnamed_photos: int = 0

    def count(self, status: FileStatus) -> int:
        """How many files have that status."""
        return sum(file.status == status for file in self.files)


def owned_names(rows: pl.DataFrame) -> OwnedNames:
    """What a file holds of ours by the record."""
    regions = tuple(
        Region(name, (x, y, w, h)) for name, x, y, w, h in rows.select("name", "x", "y", "w", "h").iter_rows()
    )
    return OwnedNames(regions, tuple(dict.fromkeys(rows.filter("keyword")["name"])))


def reason_of(error: Exception) -> str:
    """Why a file was left out, as people read it."""
    if isinstance(error, PermissionError):
        return gettext("the file or its folder is read-only")
    if isinstance(error, StorageError) and isinstance(error.__cause__ or error.__context__, PermissionError):
        return gettext("the file or its folder is read-only")
    return str(error)


def sidecar_of(layout: ArchiveLayout, path: str) -> Location:
    """The sidecar that is written beside a photo: `photo.jpg.xmp`, as digiKam and darktable name it."""
    return decode_relative_path(layout.photos, path + SIDECAR_SUFFIX)


def rows_by_key(record: pl.DataFrame) -> dict[Key, pl.DataFrame]:
    """The rows of WRITTEN_REGIONS by photo and place."""
    if record.is_empty():
        return {}
    parts = record.partition_by("path", "place", as_dict=True, maintain_order=True)
    return {(str(path), Place(place)): rows for (path, place), rows in parts.items()}


def read_metadata(layout: ArchiveLayout, key: Key) -> bytes | None:
    """The XMP of a photo's file, or its sidecar; None where there is none.

    Raises:
        RegionError: The file is damaged.
        StorageError: It cannot be read now.
    """
    path, place = key
    if place == Place.FILE:
        try:
            return read_embedded_packet(decode_relative_path(layout.photos, path))
        except FileNotFoundError:
            return None
    try:
        return read_file(sidecar_of(layout, path))
    except FileNotFoundError:
        return None


def write_metadata(layout: ArchiveLayout, key: Key, data: bytes | None) -> None:
    """Write the XMP of a photo's file, or its sidecar; None removes it.

    Raises:
        RegionError: The file cannot hold it.
        StorageError: The disk fails, or the file or folder may not be written.
    """
    path, place = key
    if place == Place.FILE:
        file = decode_relative_path(layout.photos, path)
        if not isinstance(file, Path):
            raise RegionError(gettext("files at a URL are not changed; write sidecars instead"))
        replace_packet(file, data)
    elif data is None:
        remove_file(sidecar_of(layout, path))
    else:
        content = data
        write_file(sidecar_of(layout, path), lambda out: out.write(content))
