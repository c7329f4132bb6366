"""Finding and deleting data that nothing uses any more.

That is: faces of other thresholds and detectors, vectors of other packs, rows of photos that were deleted, school years
that are gone, temporary files of killed runs. These are pictures of minors: what was removed from the archive can be
removed from everything that was made from it. The ledger is never touched, and a face that was labelled under a
detector that is pruned keeps its label.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import polars as pl

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import FileEntry, Location, list_directory
from classface_assets.store.artifacts import cluster_memory
from classface_assets.store.catalog.former_ids import former_ids
from classface_assets.store.catalog.school_year import SchoolYearStore, embedding_version, image_parts
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
from classface_assets.store.maintenance.shared_objects import unused_blobs

_THUMBNAIL_SUFFIX = re.compile(r"-(\d+|whole)(-page-\d+)?(-exif-\d)?(-turned-\d+)?(-(blur|box)-[0-9a-f]+)?$")


@dataclass(frozen=True)
class UnusedData:
    """Data that is not used: whole files, or the rows of a dataset whose `column` is one of `ids`.

    Attributes:
        kind: What it is, as people read it.
        where: Where it lies.
        count: How many files or rows.
        size: In bytes.
        files: The files to delete.
        parts: The dataset with the rows.
        column: The column of `parts` by which the rows are found.
        ids: The values of that column.
    """

    kind: str
    where: str
    count: int
    size: int
    files: tuple[Location, ...] = ()
    parts: PartDataset | None = None
    column: str = ""
    ids: frozenset[str] = frozenset()


def unused_rows(kind: str, layout: ArchiveLayout, parts: PartDataset, column: str, ids: Set[str]) -> UnusedData:
    """Unused rows of a dataset; their size is their share of their part's."""
    count, size = 0, 0.0
    sizes = {e.path: e.size for e in list_directory(parts.folder)} if ids else {}
    for file in parts.files() if ids else ():
        held = read_parquet(file, [column])[column]
        hits = int(held.is_in(list(ids)).sum())
        count += hits
        size += sizes.get(file, 0) * hits / max(1, len(held))
    return UnusedData(
        kind=kind,
        where=layout.relative_path(parts.folder),
        count=count,
        size=round(size),
        parts=parts,
        column=column,
        ids=frozenset(ids),
    )


def unused_folder(kind: str, layout: ArchiveLayout, folder: Location) -> UnusedData:
    """An unused folder; it counts even when it is empty, since it represents a school year."""
    found = unused_files(kind, layout.relative_path(folder), list_tree(folder))
    return found if found.count else replace(found, count=1)


def unused_files(kind: str, where: str, files: list[FileEntry]) -> UnusedData:
    """Unused whole files."""
    return UnusedData(kind, where, len(files), sum(e.size for e in files), tuple(e.path for e in files))


@dataclass(frozen=True)
class ActivePack:
    """A model pack whose faces and vectors stay: the version of its detector, and the key of its vectors."""

    detector: str
    vectors: str


def find_unused(layout: ArchiveLayout, in_use: Iterable[ActivePack]) -> list[UnusedData]:
    """Find everything below the data folder that is not used, by the last scan of the photos folder.

    Args:
        layout: The archive.
        in_use: The model packs whose faces and vectors stay.
    """
    packs, images = list(in_use), _photos_by_year(layout)
    detectors = sorted({pack.detector for pack in packs})
    gone = (folder for folder in list_subfolders(layout.parts("images")) if decode_folder_name(folder) not in images)
    found = [unused_folder("school years that are gone", layout, folder) for folder in gone]
    found += _unused_versions(
        layout, "detections", set(detectors), set(images), "faces of detectors that are not in use"
    )
    found += _unused_vectors(layout, packs, images)
    for detector in detectors:
        found += _other_thresholds(layout, detector, images)
    named = {year: photos | _former_photo_ids(layout, year) for year, photos in images.items()}
    for year, photos in named.items():
        found += _rows_of_deleted_photos(layout, packs, year, photos)
    found.append(_outdated_changes(layout))
    found.append(_remembered_cluster_ids(layout))
    found.append(_unused_fingerprints(layout, set(images)))
    found.append(_unused_album_pictures(layout, set().union(*images.values()), _all_faces(layout, detectors, named)))
    found.append(unused_files("old states of files that machines share", "shared", unused_blobs(layout)))
    found.append(unused_files("temporary files of killed runs", "", abandoned_temporary_files(layout)))
    return [unused for unused in found if unused.count]


def prune(layout: ArchiveLayout, found: Iterable[UnusedData]) -> None:
    """Delete unused data. Killed at any moment, the next call does the rest."""
    for unused in found:
        for file in unused.files:
            delete_path(file)
        if unused.parts is not None:
            drop_rows(unused.parts, unused.column, unused.ids)
    for asset in ("images", "detections", "embeddings"):
        for folder in list_subfolders(layout.parts(asset)):
            remove_empty_folders(folder)


def _photos_by_year(layout: ArchiveLayout) -> dict[str, set[str]]:
    """School year → the ids of its photos; a year without a single file is gone."""
    years = (decode_folder_name(folder) for folder in list_subfolders(layout.parts("images")))
    photos = {year: image_parts(layout, year).ids("asset_id") for year in years}
    return {year: ids for year, ids in photos.items() if ids}


def _former_photo_ids(layout: ArchiveLayout, year: str) -> set[str]:
    """The former ids of the photos, until `detections` has rewritten their rows."""
    rows = image_parts(layout, year).read(["asset_id", "path", "file_digest"])
    return set(former_ids(rows).current) if rows.width else set()


def _unused_versions(
    layout: ArchiveLayout, asset: str, in_use: Set[str], years: Set[str], kind: str
) -> Iterator[UnusedData]:
    for version in list_subfolders(layout.parts(asset)):
        yield from _unused_versions_of(layout, version, in_use, years, kind)


def _unused_versions_of(
    layout: ArchiveLayout, version: Location, in_use: Set[str], years: Set[str], kind: str
) -> Iterator[UnusedData]:
    """The folder of a version that is not in use; else those of its school years that are gone."""
    if decode_folder_name(version) not in in_use:
        yield unused_folder(kind, layout, version)
        return
    gone = (year for year in list_subfolders(version) if decode_folder_name(year) not in years)
    yield from (unused_folder("school years that are gone", layout, year) for year in gone)


def _unused_vectors(
    layout: ArchiveLayout, packs: Sequence[ActivePack], images: Mapping[str, Set[str]]
) -> Iterator[UnusedData]:
    """Vectors of other packs, and of school years that are gone.

    In a school year whose faces no pack in use has embedded yet, as after a change of the pack, the vectors of the same
    chips by others are what its names and groups still rest on.
    """
    kind = "vectors of packs not in use"
    in_use = {embedding_version(pack.detector, pack.vectors) for pack in packs}
    same_chips = tuple(f" {pack.detector}" for pack in packs)
    waiting = {year: _faces_to_embed(layout, packs, year, photos) for year, photos in images.items()}
    for version in list_subfolders(layout.parts("embeddings")):
        name = decode_folder_name(version)
        retained = {year for year in list_subfolders(version) if waiting.get(decode_folder_name(year))}
        if name in in_use or not name.endswith(same_chips) or not retained:
            yield from _unused_versions_of(layout, version, in_use, set(images), kind)
            continue
        yield from (unused_folder(kind, layout, year) for year in list_subfolders(version) if year not in retained)
        for year in retained:
            parts = PartDataset(year, ("face_id",))
            gone = parts.ids("face_id") - waiting[decode_folder_name(year)]
            yield unused_rows("vectors of faces no longer there", layout, parts, "face_id", gone)


def _faces_to_embed(layout: ArchiveLayout, packs: Iterable[ActivePack], year: str, photos: Set[str]) -> set[str]:
    """The faces of a school year if no pack in use has a vector of any; else none."""
    faces: set[str] = set()
    for pack in packs:
        store = SchoolYearStore(layout, pack.detector, year)
        if store.embedding_parts(pack.vectors).files():
            return set()
        faces |= _faces_of_year(store, photos)
    return faces


def _other_thresholds(layout: ArchiveLayout, detector: str, years: Iterable[str]) -> Iterator[UnusedData]:
    """Faces of other thresholds; none where no thresholds are active yet, since a killed first run goes on there."""
    for store in (SchoolYearStore(layout, detector, year) for year in years):
        current = store.active_settings()
        for parts in store.all_detection_parts() if current else ():
            if parts.folder.name != current:
                yield unused_folder("faces of thresholds that are not in use", layout, parts.folder)


def _rows_of_deleted_photos(
    layout: ArchiveLayout, packs: Iterable[ActivePack], year: str, photos: Set[str]
) -> Iterator[UnusedData]:
    for pack in packs:
        store = SchoolYearStore(layout, pack.detector, year)
        found = store.active_detection_parts()
        if found is not None:
            yield unused_rows("faces of deleted photos", layout, found, "asset_id", found.ids("asset_id") - photos)
            vectors, faces = store.embedding_parts(pack.vectors), _faces_of_year(store, photos)
            yield unused_rows(
                "vectors of faces no longer there", layout, vectors, "face_id", vectors.ids("face_id") - faces
            )


def _faces_of_year(store: SchoolYearStore, photos: Set[str]) -> set[str]:
    parts = store.active_detection_parts()
    rows = pl.DataFrame() if parts is None else parts.read(["asset_id", "face_id"])
    if not rows.width:
        return set()
    return set(rows.filter(pl.col("asset_id").is_in(list(photos)))["face_id"].drop_nulls())


def _all_faces(layout: ArchiveLayout, detectors: Iterable[str], images: dict[str, set[str]]) -> set[str]:
    of_years = (
        _faces_of_year(SchoolYearStore(layout, detector, year), photos)
        for detector in detectors
        for year, photos in images.items()
    )
    return set().union(*of_years)


def _unused_album_pictures(layout: ArchiveLayout, photos: Set[str], faces: Set[str]) -> UnusedData:
    """Thumbnails and face crops of albums whose photo or face is gone.

    Thumbnails are named `<asset id>-<size>.jpg`, with more where the photo is turned or a face in it is covered; face
    crops `<face id>.jpg`.
    """
    crops = [e for e in list_tree(layout.albums / "faces") if e.path.stem not in faces]
    thumbnails = [
        e for e in list_tree(layout.albums / "thumbs") if _THUMBNAIL_SUFFIX.sub("", e.path.stem) not in photos
    ]
    return unused_files("album pictures of deleted photos", "albums", [*crops, *thumbnails])


def _outdated_changes(layout: ArchiveLayout) -> UnusedData:
    """The table of changes of the last publication, if it names faces that are no longer there."""
    table = layout.table("changes")
    listed = [e for e in list_directory(table.parent) if e.path == table]
    gone = listed and read_parquet(table, ["to"])["to"].null_count()
    return unused_files("what moved, of faces no longer there", layout.relative_path(table), listed if gone else [])


def _remembered_cluster_ids(layout: ArchiveLayout) -> UnusedData:
    """The remembered clusters of faces whose photos may come back; these are given up now."""
    table = layout.table(cluster_memory.TABLE)
    listed = [e for e in list_directory(table.parent) if e.path == table]
    gone = listed and read_parquet(table, ["face_id"]).height
    return unused_files("cluster numbers of faces no longer there", layout.relative_path(table), listed if gone else [])


def _unused_fingerprints(layout: ArchiveLayout, years: Set[str]) -> UnusedData:
    """The records of memoization, with their pictures, of school years that are gone."""
    records = [
        e
        for asset in ("albums", "best_faces", "ingest_year")
        for e in list_directory(layout.fingerprint_file(asset, "any year").parent)
    ]
    of_no_year = [e for e in records if decode_folder_name(e.path.with_suffix("")) not in years]
    return unused_files("school years that are gone", "stamps", of_no_year)
