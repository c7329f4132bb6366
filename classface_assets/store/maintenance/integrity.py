"""Checks that photos, faces, vectors and the DuckDB file agree, and the repair of what does not.

A damaged file does not stop the check: it is reported, and the rest is compared. The repair removes what is broken, so
that the next run finds it missing and makes it again. Photos and the ledger are never touched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.core.schemas import ASSIGNMENTS, PhotoStatus
from classface_assets.store.catalog.former_ids import FormerIds, former_ids, map_to_current_ids
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts, school_year_stores
from classface_assets.store.files.deletion import abandoned_temporary_files, delete_path, drop_rows, filter_rows
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.parquet import DamagedFileError, read_parquet_or_empty
from classface_assets.store.files.parts import PartDataset, RowDeduplicator
from classface_assets.store.maintenance.damage import (
    embedding_dimension,
    find_broken_vectors,
    photos_with_broken_chips,
    read_undamaged,
)
from classface_assets.store.maintenance.file_repair import repair_files
from classface_assets.store.maintenance.stored_files import FileDamage, FileKind, check_stored_files


class InconsistencyKind(StrEnum):
    """What does not agree, as people read it; REPAIR tells what the repair does with each kind."""

    DAMAGED = "file that is damaged"
    NOT_REPAIRABLE = "file that is damaged and cannot be made again"
    NEVER_SEARCHED = "photo that was never searched"
    NO_VECTOR = "face without a vector"
    NO_FACE = "vector without a face"
    NO_CHIP = "face without a readable chip"
    BAD_VECTOR = "vector that is broken"
    OTHER_YEAR = "row of another school year"
    DUPLICATE_ROW = "row that is there twice"
    NOT_IN_DATABASE = "face or photo that DuckDB lacks"
    ONLY_IN_DATABASE = "face or photo that only DuckDB has"
    OTHER_IN_DATABASE = "face that DuckDB has under another name or number"
    TEMPORARY = "temporary file of a killed run"


REPAIR = {
    InconsistencyKind.DAMAGED: "removes what is damaged of it and makes it again",
    InconsistencyKind.NEVER_SEARCHED: "searches it",
    InconsistencyKind.NO_VECTOR: "makes it from the face's chip",
    InconsistencyKind.NO_FACE: "removes it",
    InconsistencyKind.NO_CHIP: "searches the photo again",
    InconsistencyKind.BAD_VECTOR: "removes it and makes it again",
    InconsistencyKind.OTHER_YEAR: "removes it",
    InconsistencyKind.DUPLICATE_ROW: "keeps one of the two",
    InconsistencyKind.NOT_IN_DATABASE: "makes the database again from the parts",
    InconsistencyKind.ONLY_IN_DATABASE: "makes the database again from the parts",
    InconsistencyKind.OTHER_IN_DATABASE: "makes the database again from the parts",
    InconsistencyKind.TEMPORARY: "removes it",
}
NOT_REPAIRED = {InconsistencyKind.NOT_REPAIRABLE: "put it back from a backup"}
"""What people can do about that which the repair leaves as it is."""


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
        damaged: The damaged files.
    """

    kind: InconsistencyKind
    year: str
    names: tuple[str, ...]
    files: tuple[Location, ...] = ()
    parts: PartDataset | None = None
    key_column: str = ""
    damaged: tuple[FileDamage, ...] = ()


@dataclass(frozen=True)
class IntegrityReport:
    """What a check of an archive came to.

    Attributes:
        found: What does not agree.
        without_checksum: The number of parts and tables of versions that wrote no checksums.
    """

    found: tuple[Inconsistency, ...]
    without_checksum: int = 0


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

    Files that cannot be read are found by themselves (stored_files), and passed over here.
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
    rows, _ = read_undamaged(parts, [*parts.key, "asset_id", "status", "file_digest", "school_year"])
    foreign = (pl.col("school_year") != year.store.year).fill_null(value=False)
    year.report(InconsistencyKind.OTHER_YEAR, rows.filter(foreign)["path"], parts, "path")
    rows = rows.filter(~foreign)
    year.report_duplicates(parts, rows, "path")
    year.files = set(rows["path"])
    return set(rows.filter(pl.col("status").cast(pl.String) == PhotoStatus.OK)["asset_id"]), former_ids(rows)


def _check_faces(year: SchoolYearCheck, photos: set[str], former: FormerIds) -> tuple[set[str], set[str]]:
    """Every face of the year's active thresholds, and those of them in photos that are still there."""
    try:
        parts = year.store.active_detection_parts()
    except DamagedFileError:
        return set(), set()
    if parts is None:
        year.report(InconsistencyKind.NEVER_SEARCHED, photos)
        return set(), set()
    rows, broken = read_undamaged(parts, [*parts.key, "status"])
    without_chip, _ = photos_with_broken_chips(parts)
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
    rows, _ = read_undamaged(parts, ["face_id"])
    bad, _ = find_broken_vectors(parts, size)
    known = set(rows["face_id"])
    stray = known - every_face if year.all_faces_read else set()
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


def check_integrity(layout: ArchiveLayout, detector: str, pack: str) -> IntegrityReport:
    """Find everything that does not agree, for one model pack's detector and vectors. Changes nothing."""
    stored = check_stored_files(layout)
    stores = school_year_stores(layout, detector)
    size = embedding_dimension(store.embedding_parts(pack) for store in stores)
    years = [check_school_year(store, pack, size) for store in stores]
    found = [*_damaged_files(layout, stored.damaged), *(finding for year in years for finding in year.found)]
    if not any(one.file == layout.database for one in stored.damaged):
        found += _check_database(layout, years)
    left = tuple(entry.path for entry in abandoned_temporary_files(layout))
    found.append(Inconsistency(InconsistencyKind.TEMPORARY, "", tuple(map(layout.relative_path, left)), left))
    return IntegrityReport(tuple(finding for finding in found if finding.names), stored.without_checksum)


def repair(layout: ArchiveLayout, found: Iterable[Inconsistency]) -> list[str]:
    """Remove what is broken; what has to be made again is then missing, and the next run makes it.

    Returns:
        A sentence for each damaged file.
    """
    found = list(found)
    repaired = [one for one in found if one.kind != InconsistencyKind.NOT_REPAIRABLE]
    sentences = list(repair_files(layout, [file for one in repaired for file in one.damaged]))
    for finding in repaired:  # after the damaged files, so that all that is left can be read
        for file in finding.files:
            delete_path(file)
        if finding.kind == InconsistencyKind.DUPLICATE_ROW and finding.parts is not None:
            filter_rows(finding.parts, RowDeduplicator(finding.parts.key).drop_seen)
        elif finding.parts is not None:
            drop_rows(finding.parts, finding.key_column, set(finding.names))
    return sentences


def _damaged_files(layout: ArchiveLayout, damaged: Iterable[FileDamage]) -> Iterator[Inconsistency]:
    """One finding for each school year; what cannot be made again apart."""
    groups: dict[tuple[InconsistencyKind, str], list[FileDamage]] = defaultdict(list)
    for one in damaged:
        lost = one.kind == FileKind.ORIGINAL
        groups[InconsistencyKind.NOT_REPAIRABLE if lost else InconsistencyKind.DAMAGED, one.year].append(one)
    for (kind, year), files in groups.items():
        names = tuple(_file_name(layout, one.file) for one in files)
        yield Inconsistency(kind, year, names, damaged=tuple(files))


def _file_name(layout: ArchiveLayout, file: Location) -> str:
    """The path below the data folder, or below the local one where the data are elsewhere."""
    local = layout.local.parts
    is_below = file.parts[: len(local)] == local
    return "/".join(file.parts[len(local) :]) if is_below else layout.relative_path(file)


def _check_database(layout: ArchiveLayout, years: list[SchoolYearCheck]) -> Iterator[Inconsistency]:
    """Current faces and files against the published ones. A face that is in two years counts once."""
    current = {name: year.store.year for year in reversed(years) for name in year.faces | year.files}
    published: dict[str, str] = {}
    try:
        faces = query_database(
            layout.database,
            "SELECT f.id, any_value(a.school_year), any_value(f.cluster_id), any_value(f.person_id) "
            "FROM face_instances f LEFT JOIN image_assets a USING (asset_id) GROUP BY f.id",
        )
        published |= {face: year or "" for face, year, *_ in faces.iter_rows()}
        published |= dict(query_database(layout.database, "SELECT path, school_year FROM image_assets").iter_rows())
    except DatabaseError:  # nothing is published yet
        faces = pl.DataFrame()
    for kind, names in (
        (InconsistencyKind.NOT_IN_DATABASE, {n: y for n, y in current.items() if n not in published}),
        (InconsistencyKind.ONLY_IN_DATABASE, {n: y for n, y in published.items() if n not in current}),
    ):
        for year in sorted(set(names.values())):
            yield Inconsistency(kind, year, tuple(sorted(name for name, of in names.items() if of == year)))
    other = _differing_assignments(layout, {face: (group, who) for face, _, group, who in faces.iter_rows()})
    yield Inconsistency(InconsistencyKind.OTHER_IN_DATABASE, "", tuple(other), (layout.database,) if other else ())


def _differing_assignments(layout: ArchiveLayout, published: dict[str, tuple[str | None, str | None]]) -> list[str]:
    """The published faces that the table of identities has in another cluster or person, sorted."""
    try:
        table = read_parquet_or_empty(layout.table("identities"), ASSIGNMENTS)
    except DamagedFileError:
        return []
    rows = table.select("face_id", "cluster_id", "person_id").iter_rows()
    return sorted(face for face, *who in rows if face in published and published[face] != tuple(who))
