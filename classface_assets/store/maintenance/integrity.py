"""Checks that photos, faces, vectors and the DuckDB file agree, and the repair of what does not.

A damaged file does not stop the check: it is reported, and the rest is compared. The repair removes what is broken, so
that the next run finds it missing and makes it again. Photos and the ledger are never touched.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, list_directory
from classface_assets.core.schemas import PhotoStatus
from classface_assets.store.catalog.former_ids import FormerIds, former_ids, map_to_current_ids
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts, school_year_stores
from classface_assets.store.files.deletion import abandoned_temporary_files, delete_path, drop_rows, filter_rows
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.parts import PartDataset, RowDeduplicator
from classface_assets.store.maintenance.damage import (
    embedding_dimension,
    find_broken_vectors,
    find_unreadable,
    photos_with_broken_chips,
    read_undamaged,
)


class InconsistencyKind(StrEnum):
    """What does not agree, as people read it; REPAIR tells what the repair does with each kind."""

    UNREADABLE = "file that cannot be read"
    NEVER_SEARCHED = "photo that was never searched"
    NO_VECTOR = "face without a vector"
    NO_FACE = "vector without a face"
    NO_CHIP = "face without a readable chip"
    BAD_VECTOR = "vector that is broken"
    DUPLICATE_ROW = "row that is there twice"
    NOT_IN_DATABASE = "face or photo that DuckDB lacks"
    ONLY_IN_DATABASE = "face or photo that only DuckDB has"
    TEMPORARY = "temporary file of a killed run"


REPAIR = {
    InconsistencyKind.UNREADABLE: "removes it and makes it again",
    InconsistencyKind.NEVER_SEARCHED: "searches it",
    InconsistencyKind.NO_VECTOR: "makes it from the face's chip",
    InconsistencyKind.NO_FACE: "removes it",
    InconsistencyKind.NO_CHIP: "searches the photo again",
    InconsistencyKind.BAD_VECTOR: "removes it and makes it again",
    InconsistencyKind.DUPLICATE_ROW: "keeps one of the two",
    InconsistencyKind.NOT_IN_DATABASE: "makes the database again from the parts",
    InconsistencyKind.ONLY_IN_DATABASE: "makes the database again from the parts",
    InconsistencyKind.TEMPORARY: "removes it",
}


@dataclass(frozen=True)
class Inconsistency:
    """All findings of one kind in one school year.

    Attributes:
        kind: What does not agree.
        year: The school year; "" for what is one for all years.
        names: Ids, or paths of files below the data folder.
        files: The files to delete.
        parts: The dataset with the broken rows.
        key_column: The column of `parts` by which the broken rows are found.
    """

    kind: InconsistencyKind
    year: str
    names: tuple[str, ...]
    files: tuple[Location, ...] = ()
    parts: PartDataset | None = None
    key_column: str = ""


def inconsistent_files(
    kind: InconsistencyKind, layout: ArchiveLayout, files: Iterable[Location], year: str = ""
) -> Inconsistency:
    """A finding about whole files, named by their paths below the data folder."""
    files = tuple(files)
    return Inconsistency(kind, year, tuple(map(layout.relative_path, files)), files)


@dataclass
class SchoolYearCheck:
    """The check of a school year.

    Attributes:
        store: Its faces and vectors, of the detector in use.
        files: The paths of its files.
        faces: The ids of its faces that have a sound vector.
        found: What is wrong with it.
        all_faces_read: Whether all detections could be read. If not, a vector without a face may only lack it until
            the photo is searched again, and is left alone.
    """

    store: SchoolYearStore
    files: set[str] = field(default_factory=set)
    faces: set[str] = field(default_factory=set)
    found: list[Inconsistency] = field(default_factory=list)
    all_faces_read: bool = True

    def report(
        self, kind: InconsistencyKind, names: Iterable[str], parts: PartDataset | None = None, key_column: str = ""
    ) -> None:
        """Add a finding about rows or ids."""
        self.found.append(Inconsistency(kind, self.store.year, tuple(sorted(names)), (), parts, key_column))

    def report_unreadable(self, *files: Location) -> None:
        """Add a finding about files that cannot be read."""
        kind, where = InconsistencyKind.UNREADABLE, self.store
        self.found.append(inconsistent_files(kind, where.layout, sorted(set(files)), where.year))

    def report_duplicates(self, parts: PartDataset, rows: pl.DataFrame, name: str) -> None:
        """Add a finding about rows of `parts` that are there twice, named by the column `name`."""
        again = rows.filter(~pl.struct(parts.key).is_first_distinct()) if rows.height else rows
        self.report(InconsistencyKind.DUPLICATE_ROW, again[name].cast(pl.String), parts)


def check_school_year(store: SchoolYearStore, pack: str, size: int) -> SchoolYearCheck:
    """Check all that one model pack made of a school year.

    Args:
        store: The school year, with the faces of the pack's detector.
        pack: The key of the model pack.
        size: The dimension of its vectors.
    """
    year = SchoolYearCheck(store)
    photos, former = _check_images(year)
    every_face, faces = _check_faces(year, photos, former)
    _check_vectors(year, pack, size, every_face, faces)
    return year


def _check_images(year: SchoolYearCheck) -> tuple[set[str], FormerIds]:
    """The ids of the photos in which faces are to be detected, and their former ids."""
    parts = image_parts(year.store.layout, year.store.year)
    rows, broken = read_undamaged(parts, [*parts.key, "asset_id", "status", "file_digest"])
    year.report_unreadable(*broken)
    year.report_duplicates(parts, rows, "path")
    year.files = set(rows["path"])
    return set(rows.filter(pl.col("status").cast(pl.String) == PhotoStatus.OK)["asset_id"]), former_ids(rows)


def _check_faces(year: SchoolYearCheck, photos: set[str], former: FormerIds) -> tuple[set[str], set[str]]:
    """Every face of the year's active thresholds, and those of them in photos that are still there."""
    try:
        parts = year.store.active_detection_parts()
    except (ValueError, KeyError, TypeError):
        parts = None
        year.report_unreadable(year.store.settings_file)
    if parts is None:
        year.report(InconsistencyKind.NEVER_SEARCHED, photos)
        return set(), set()
    rows, broken = read_undamaged(parts, [*parts.key, "status"])
    without_chip, cut_off = photos_with_broken_chips(parts)
    year.report_unreadable(*broken, *cut_off)
    year.all_faces_read = not broken
    year.report_duplicates(parts, rows, "asset_id")
    rows = map_to_current_ids(rows, former)
    year.report(InconsistencyKind.NEVER_SEARCHED, photos - set(rows["asset_id"]))
    year.report(InconsistencyKind.NO_CHIP, without_chip, parts, "asset_id")
    current = rows.filter(pl.col("asset_id").is_in(list(photos)))
    return set(rows["face_id"].drop_nulls()), set(current["face_id"].drop_nulls())


def _check_vectors(year: SchoolYearCheck, pack: str, size: int, every_face: set[str], faces: set[str]) -> None:
    """Vectors against faces. Vectors of faces of other thresholds or deleted photos are for `classface prune`."""
    parts = year.store.embedding_parts(pack)
    rows, broken = read_undamaged(parts, ["face_id"])
    bad, cut_off = find_broken_vectors(parts, size)
    known = set(rows["face_id"])
    stray = known - every_face if year.all_faces_read else set()
    year.report_unreadable(*broken, *cut_off)
    year.report_duplicates(parts, rows, "face_id")
    year.report(InconsistencyKind.BAD_VECTOR, bad, parts, "face_id")
    year.report(InconsistencyKind.NO_VECTOR, faces - known)
    year.report(
        InconsistencyKind.NO_FACE,
        stray - bad - _faces_of_all_thresholds(year.store) if stray else (),
        parts,
        "face_id",
    )
    year.faces = faces & known - bad


def _faces_of_all_thresholds(store: SchoolYearStore) -> set[str]:
    found: set[str] = set()
    for parts in store.all_detection_parts():
        found.update(read_undamaged(parts, ["face_id"])[0]["face_id"].drop_nulls())
    return found


def check_integrity(layout: ArchiveLayout, detector: str, pack: str) -> list[Inconsistency]:
    """Find everything that does not agree, for one model pack's detector and vectors. Changes nothing."""
    stores = school_year_stores(layout, detector)
    size = embedding_dimension(store.embedding_parts(pack) for store in stores)
    years = [check_school_year(store, pack, size) for store in stores]
    found = [finding for year in years for finding in year.found]
    tables = [e.path for e in list_directory(layout.data / "tables") if e.path.suffix == ".parquet"]
    found.append(inconsistent_files(InconsistencyKind.UNREADABLE, layout, find_unreadable(tables)))
    found += _check_database(layout, years)
    found.append(
        inconsistent_files(InconsistencyKind.TEMPORARY, layout, [e.path for e in abandoned_temporary_files(layout)])
    )
    return [finding for finding in found if finding.names]


def repair(found: Iterable[Inconsistency]) -> None:
    """Remove what is broken; what has to be made again is then missing, and the next run makes it."""
    for finding in sorted(found, key=lambda one: not one.files):  # files first, so that all that is left can be read
        for file in finding.files:
            delete_path(file)
        if finding.kind == InconsistencyKind.DUPLICATE_ROW and finding.parts is not None:
            filter_rows(finding.parts, RowDeduplicator(finding.parts.key).drop_seen)
        elif finding.parts is not None:
            drop_rows(finding.parts, finding.key_column, set(finding.names))


def _check_database(layout: ArchiveLayout, years: list[SchoolYearCheck]) -> Iterator[Inconsistency]:
    """Current faces and files against the published ones. A face that is in two years counts once."""
    current = {name for year in years for name in year.faces | year.files}
    published: set[str] = set()
    try:
        published.update(query_database(layout.database, "SELECT id FROM face_instances")["id"])
        published.update(query_database(layout.database, "SELECT path FROM image_assets")["path"])
    except DatabaseError:
        if layout.database.exists():
            yield inconsistent_files(InconsistencyKind.UNREADABLE, layout, [layout.database])
    yield Inconsistency(InconsistencyKind.NOT_IN_DATABASE, "", tuple(sorted(current - published)))
    yield Inconsistency(InconsistencyKind.ONLY_IN_DATABASE, "", tuple(sorted(published - current)))
