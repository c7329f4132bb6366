"""Erasing people from everything that was made from their faces, in every version of detector and thresholds.

Who is erased, and where their faces lie, is in the ledger: erasing starts from there, so a call that was killed is
finished by the next one. Photos are never touched; those that show erased people are reported.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

import polars as pl

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import marked
from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.schemas import IMAGES
from classface_assets.store.catalog.portraits import all_portrait_parts, remove_portrait_chips
from classface_assets.store.catalog.school_year import (
    SchoolYearStore,
    all_former_ids,
    conform_to_schema,
    image_parts,
    list_school_years,
)
from classface_assets.store.decisions.exclusions import LOCATION_COLUMNS, drop_erased, erased_ids_in
from classface_assets.store.erasure.derived import erase_derived
from classface_assets.store.erasure.receipt import RemovedItem
from classface_assets.store.files.deletion import abandoned_temporary_files, delete_path, filter_rows, list_subfolders
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef


def erase_faces(
    layout: ArchiveLayout, erased: Mapping[str, FaceRef], persons: Set[str], new: bool = False
) -> list[RemovedItem]:
    """Remove all that was made from some faces; killed, the next call goes on.

    The ids of a face under other detectors and thresholds are found by its box, so the faces themselves go last.

    Args:
        layout: The archive.
        erased: Face id → face, of the erased persons.
        persons: The ids of the erased persons.
        new: Whether some were not yet erased from this machine, so that everything goes that may name or show them.

    Returns:
        What was removed.

    Raises:
        StorageError: The disk, drive or server fails.
        DamagedFileError: A file cannot be read, so what is in it is unknown.
    """
    found, known, ids = list(_all_detection_parts(layout)), set[str](), set(erased)
    erased = _with_former_ids(layout, erased)
    for _, parts in found:
        rows = parts.read(LOCATION_COLUMNS)
        known |= set(rows["face_id"].drop_nulls()) if rows.width else set()
        ids |= erased_ids_in(rows, erased)
    removed = [*erase_derived(layout, ids, persons, new), _erase_temporary_files(layout)]
    reached(Failpoint.TEMPORARY_FILES_REMOVED)
    removed += _erase_portraits(layout, persons)
    reached(Failpoint.PORTRAITS_REMOVED)
    removed += _erase_vectors(layout, ids, known)
    reached(Failpoint.VECTORS_REMOVED)
    removed += [
        RemovedItem(marked("faces and their chips"), where, _erase_rows(parts, erased)) for where, parts in found
    ]
    reached(Failpoint.FACES_REMOVED)
    return [one for one in removed if one.count]


def photos_showing(layout: ArchiveLayout, erased: Mapping[str, FaceRef]) -> list[str]:
    """The paths below the photos folder of the photos that show these faces."""
    photos = [face.asset_id for face in erased.values()]
    theirs = pl.col("asset_id").is_in(photos) | pl.col("file_digest").is_in(photos).fill_null(value=False)
    rows = (
        conform_to_schema(IMAGES, image_parts(layout, year).read(list(IMAGES))) for year in list_school_years(layout)
    )
    return sorted({path for files in rows for path in files.filter(theirs)["path"]})


def _with_former_ids(layout: ArchiveLayout, erased: Mapping[str, FaceRef]) -> dict[str, FaceRef]:
    """The faces, and each once more for every other id that its photo has or had.

    Detections of older versions may have any of them.
    """
    former, more = all_former_ids(layout), {}
    for face_id, face in erased.items():
        today = former.current.get(face.asset_id, face.asset_id)
        for other in {today, *former.first.get(today, ())} - {face.asset_id}:
            more[f"{face_id} in {other}"] = replace(face, asset_id=other)
    return {**erased, **more}


def _all_detection_parts(layout: ArchiveLayout) -> Iterator[tuple[str, PartDataset]]:
    """The detections of every detector, school year and thresholds, each with a description."""
    for detector in list_subfolders(layout.parts("detections")):
        for year in list_subfolders(detector):
            store = SchoolYearStore(layout, decode_folder_name(detector), decode_folder_name(year))
            for parts in store.all_detection_parts():
                yield f"{store.detector}, {store.year}, {parts.folder.name}", parts


def _erase_rows(parts: PartDataset, erased: Mapping[str, FaceRef]) -> int:
    """Remove detection rows, a part at a time; the new part is there before the old one goes. Returns the count."""
    count = 0
    for file in parts.files():
        ids = erased_ids_in(read_parquet(file, LOCATION_COLUMNS), erased)
        if ids:
            parts.append_in_place_of(file, drop_erased(read_parquet(file), erased))
            count += len(ids)
    if count:  # one that was killed before may have left the other rows twice
        parts.compact()
    return count


def _erase_vectors(layout: ArchiveLayout, ids: Set[str], known: Set[str]) -> Iterator[RemovedItem]:
    """Vectors of the erased faces, and of faces that no detector's rows know: these may be theirs too."""
    is_theirs = pl.col("face_id").is_in(list(ids)) | ~pl.col("face_id").is_in(list(known))
    for pack in list_subfolders(layout.parts("embeddings")):
        for year in list_subfolders(pack):
            yield _erase_part_rows(marked("vectors"), layout, PartDataset(year, ("face_id",)), is_theirs)


def _erase_portraits(layout: ArchiveLayout, persons: Set[str]) -> Iterator[RemovedItem]:
    for parts in all_portrait_parts(layout):
        yield _erase_part_rows("portraits", layout, parts, pl.col("person_id").is_in(list(persons)))
    yield RemovedItem(marked("chips of portraits"), marked("portraits"), remove_portrait_chips(layout, persons))


def _erase_part_rows(what: str, layout: ArchiveLayout, parts: PartDataset, is_theirs: pl.Expr) -> RemovedItem:
    column = is_theirs.meta.root_names()[0]
    count = sum(read_parquet(file, [column]).filter(is_theirs).height for file in parts.files())
    if count:
        filter_rows(parts, lambda rows: rows.filter(~is_theirs))
    return RemovedItem(what, layout.relative_path(parts.folder), count)


def _erase_temporary_files(layout: ArchiveLayout) -> RemovedItem:
    """Temporary files of killed processes, which may hold anything."""
    left = abandoned_temporary_files(layout)
    for entry in left:
        delete_path(entry.path)
    return RemovedItem(marked("temporary files of killed runs"), marked("this machine"), len(left))
