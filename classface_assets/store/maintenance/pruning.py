"""What nothing uses any more: faces of other thresholds and detectors, vectors of other packs, rows of photos that were
deleted, school years that are gone, temporary files of killed runs.

These are pictures of minors: what was taken out of the archive can be taken out of everything that was made from it.
The ledger is never touched, and a face that was labelled under a detector that is pruned keeps its label (carry).

Something that is no longer used: what it is, where it lies, and how much room it takes.
"""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import FileEntry, Location, list_directory
from classface_assets.store.artifacts import cluster_memory
from classface_assets.store.catalog.former_ids import former_ids
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    detection_parts,
    embedding_parts,
    embedding_version,
    image_parts,
)
from classface_assets.store.files.deletion import (
    abandoned_temporary_files,
    delete_path,
    drop_rows,
    list_subfolders,
    list_tree,
    remove_empty_folders,
)
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.files.parts import PartDataset


@dataclass(frozen=True)
class UnusedData:
    """Something that is not used: whole files, or the rows of these parts whose `column` is one of `ids`."""

    kind: str
    where: str
    count: int
    size: int
    files: tuple[Location, ...] = ()
    parts: PartDataset | None = None
    column: str = ""
    ids: frozenset[str] = frozenset()


def unused_rows(kind: str, layout: ArchiveLayout, parts: PartDataset, column: str, ids: Set[str]) -> UnusedData:
    """Rows have no size of their own: their share of their part's."""
    count, size = 0, 0.0
    sizes = {e.path: e.size for e in list_directory(parts.folder)} if ids else {}
    for file in parts.files() if ids else ():
        held = read_parquet(file, [column])[column]
        hits = int(held.is_in(list(ids)).sum())
        count += hits
        size += sizes.get(file, 0) * hits / max(1, len(held))
    return UnusedData(kind, layout.relative_path(parts.folder), count, round(size), (), parts, column, frozenset(ids))


def unused_folder(kind: str, layout: ArchiveLayout, folder: Location) -> UnusedData:
    """A folder counts even when it is empty: it stands for a school year."""
    found = unused_files(kind, layout.relative_path(folder), list_tree(folder))
    return found if found.count else replace(found, count=1)


def unused_files(kind: str, where: str, files: list[FileEntry]) -> UnusedData:
    return UnusedData(kind, where, len(files), sum(e.size for e in files), tuple(e.path for e in files))


_THUMBNAIL_SUFFIX = re.compile(r"-(\d+|whole)(-page-\d+)?(-exif-\d)?(-turned-\d+)?(-(blur|box)-[0-9a-f]+)?$")


@dataclass(frozen=True)
class ActivePack:
    """A model pack whose faces and vectors stay: the version of its detector, and the key of its vectors."""

    detector: str
    vectors: str


def find_unused(layout: ArchiveLayout, in_use: Iterable[ActivePack]) -> list[UnusedData]:
    """Everything below the data folder that is not used, by what was last looked at in the photos folder."""
    kept, images = list(in_use), _photos_by_year(layout)
    detectors = sorted({k.detector for k in kept})
    gone = (folder for folder in list_subfolders(layout.parts("images")) if decode_folder_name(folder) not in images)
    found = [unused_folder("school years that are gone", layout, folder) for folder in gone]
    found += _unused_versions(
        layout, "detections", set(detectors), set(images), "faces of detectors that are not in use"
    )
    vectors = {embedding_version(k.detector, k.vectors) for k in kept}
    found += _unused_versions(layout, "embeddings", vectors, set(images), "vectors of packs not in use")
    for detector in detectors:
        found += _other_thresholds(layout, detector, images)
    named = {year: photos | _former_photo_ids(layout, year) for year, photos in images.items()}
    for year, photos in named.items():
        found += _rows_of_deleted_photos(layout, kept, year, photos)
    found.append(_outdated_changes(layout))
    found.append(_remembered_cluster_ids(layout))
    found.append(_unused_fingerprints(layout, set(images)))
    found.append(_unused_album_pictures(layout, set().union(*images.values()), _all_faces(layout, detectors, named)))
    found.append(unused_files("temporary files of killed runs", "", abandoned_temporary_files(layout)))
    return [leftover for leftover in found if leftover.count]


def prune(layout: ArchiveLayout, found: Iterable[UnusedData]) -> None:
    """Take these away. Killed at any moment, the next call does the rest."""
    for leftover in found:
        for file in leftover.files:
            delete_path(file)
        if leftover.parts is not None:
            drop_rows(leftover.parts, leftover.column, leftover.ids)
    for asset in ("images", "detections", "embeddings"):
        for folder in list_subfolders(layout.parts(asset)):
            remove_empty_folders(folder)


def _photos_by_year(layout: ArchiveLayout) -> dict[str, set[str]]:
    """School year → the ids of its photos; a year without a single file is gone."""
    years = (decode_folder_name(folder) for folder in list_subfolders(layout.parts("images")))
    photos = {year: image_parts(layout, year).ids("asset_id") for year in years}
    return {year: ids for year, ids in photos.items() if ids}


def _former_photo_ids(layout: ArchiveLayout, year: str) -> set[str]:
    """What older versions called the photos, until `detections` has rewritten their rows."""
    rows = image_parts(layout, year).read(["asset_id", "path", "file_digest"])
    return set(former_ids(rows).current) if rows.width else set()


def _unused_versions(
    layout: ArchiveLayout, asset: str, kept: Set[str], years: Set[str], kind: str
) -> Iterator[UnusedData]:
    for version in list_subfolders(layout.parts(asset)):
        if decode_folder_name(version) not in kept:
            yield unused_folder(kind, layout, version)
        else:
            gone = (year for year in list_subfolders(version) if decode_folder_name(year) not in years)
            yield from (unused_folder("school years that are gone", layout, year) for year in gone)


def _other_thresholds(layout: ArchiveLayout, detector: str, years: Iterable[str]) -> Iterator[UnusedData]:
    """Where no thresholds count yet, a first run was killed, and the next goes on with what is there."""
    for year in years:
        current = active_detection_settings(layout, detector, year)
        for folder in list_subfolders(layout.parts("detections", detector, year)) if current else ():
            if folder.name != current:
                yield unused_folder("faces of thresholds that are not in use", layout, folder)


def _rows_of_deleted_photos(
    layout: ArchiveLayout, kept: Iterable[ActivePack], year: str, photos: Set[str]
) -> Iterator[UnusedData]:
    for pack in kept:
        settings = active_detection_settings(layout, pack.detector, year)
        if settings is not None:
            found = detection_parts(layout, pack.detector, year, settings)
            yield unused_rows("faces of deleted photos", layout, found, "asset_id", found.ids("asset_id") - photos)
            vectors = embedding_parts(layout, pack.detector, pack.vectors, year)
            faces = _faces_of_year(layout, pack.detector, year, photos)
            yield unused_rows(
                "vectors of faces no longer there", layout, vectors, "face_id", vectors.ids("face_id") - faces
            )


def _faces_of_year(layout: ArchiveLayout, detector: str, year: str, photos: Set[str]) -> set[str]:
    settings = active_detection_settings(layout, detector, year)
    rows = detection_parts(layout, detector, year, settings).read(["asset_id", "face_id"]) if settings else None
    if rows is None or not rows.width:
        return set()
    return set(rows.filter(pl.col("asset_id").is_in(list(photos)))["face_id"].drop_nulls())


def _all_faces(layout: ArchiveLayout, detectors: Iterable[str], images: dict[str, set[str]]) -> set[str]:
    return {f for d in detectors for year, photos in images.items() for f in _faces_of_year(layout, d, year, photos)}


def _unused_album_pictures(layout: ArchiveLayout, photos: Set[str], faces: Set[str]) -> UnusedData:
    """Thumbnails are named `<asset id>-<size>.jpg`, with more where the photo is turned or a face in it is covered;
    face crops `<face id>.jpg`."""
    crops = [e for e in list_tree(layout.albums / "faces") if e.path.stem not in faces]
    thumbnails = [
        e for e in list_tree(layout.albums / "thumbs") if _THUMBNAIL_SUFFIX.sub("", e.path.stem) not in photos
    ]
    return unused_files("album pictures of deleted photos", "albums", [*crops, *thumbnails])


def _outdated_changes(layout: ArchiveLayout) -> UnusedData:
    """The list of what the last publication moved, where it names faces that are no longer there."""
    table = layout.table("changes")
    listed = [e for e in list_directory(table.parent) if e.path == table]
    gone = listed and read_parquet(table, ["to"])["to"].null_count()
    return unused_files("what moved, of faces no longer there", layout.relative_path(table), listed if gone else [])


def _remembered_cluster_ids(layout: ArchiveLayout) -> UnusedData:
    """They are kept for photos that may come back; these are given up now."""
    table = layout.table(cluster_memory.TABLE)
    listed = [e for e in list_directory(table.parent) if e.path == table]
    gone = listed and read_parquet(table, ["face_id"]).height
    return unused_files("cluster numbers of faces no longer there", layout.relative_path(table), listed if gone else [])


def _unused_fingerprints(layout: ArchiveLayout, years: Set[str]) -> UnusedData:
    """What was noted of the albums and of the best faces, with their picture, of years that are gone."""
    noted = [
        e
        for asset in ("albums", "best_faces", "ingest_year")
        for e in list_directory(layout.fingerprint_file(asset, "any year").parent)
    ]
    of_no_year = [e for e in noted if decode_folder_name(e.path.with_suffix("")) not in years]
    return unused_files("school years that are gone", "stamps", of_no_year)
