"""What does not fit together: photos, faces, vectors and the DuckDB file compared both ways, and what is broken.

Nothing here stops at a broken file: it is found, told, and what remains is compared. `mend` takes out what is broken,
so that the next run finds it missing and makes it again. Photos and the ledger are never touched.

The kinds of what does not fit together, and what mending does with each.

What does not fit together in one school year: its photos, faces and vectors compared, and what of them is broken.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, list_directory
from classface_assets.store.catalog.former_ids import FormerIds, former_ids, map_to_current_ids
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    list_school_years,
)
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
    UNREADABLE: "removes it and makes it again",
    NEVER_SEARCHED: "searches it",
    NO_VECTOR: "makes it from the face's chip",
    NO_FACE: "removes it",
    NO_CHIP: "searches the photo again",
    BAD_VECTOR: "removes it and makes it again",
    DUPLICATE_ROW: "keeps one of the two",
    NOT_IN_DATABASE: "makes the database again from the parts",
    ONLY_IN_DATABASE: "makes the database again from the parts",
    TEMPORARY: "removes it",
}


@dataclass(frozen=True)
class Inconsistency:
    """What was found of one kind: ids, or files below the data folder. `year` is empty for what is one for all years.

    `parts` and `rows_of` say in which parts the broken rows are, and by which column they are told.
    """

    kind: str
    year: str
    names: tuple[str, ...]
    files: tuple[Location, ...] = ()
    parts: PartDataset | None = None
    key_column: str = ""


def inconsistent_files(kind: str, layout: ArchiveLayout, files: Iterable[Location], year: str = "") -> Inconsistency:
    """Whole files, told by their paths below the data folder."""
    files = tuple(files)
    return Inconsistency(kind, year, tuple(map(layout.relative_path, files)), files)


@dataclass
class SchoolYearCheck:
    """A school year: its files, its faces that have a vector, and what is wrong with it."""

    layout: ArchiveLayout
    name: str
    files: set[str] = field(default_factory=set)
    faces: set[str] = field(default_factory=set)
    found: list[Inconsistency] = field(default_factory=list)
    all_faces_read: bool = True
    """If not, a vector without a face may only lack it until the photo is searched again, and is left alone."""

    def report(self, kind: str, names: Iterable[str], parts: PartDataset | None = None, rows_of: str = "") -> None:
        self.found.append(Inconsistency(kind, self.name, tuple(sorted(names)), (), parts, rows_of))

    def report_unreadable(self, *files: Location) -> None:
        self.found.append(inconsistent_files(UNREADABLE, self.layout, sorted(set(files)), self.name))

    def report_duplicates(self, parts: PartDataset, rows: pl.DataFrame, name: str) -> None:
        again = rows.filter(~pl.struct(parts.key).is_first_distinct()) if rows.height else rows
        self.report(DUPLICATE_ROW, again[name].cast(pl.String), parts)


def check_school_year(layout: ArchiveLayout, name: str, detector: str, pack: str, size: int) -> SchoolYearCheck:
    """Look at all that one model pack made of a school year; `size`: how many numbers its vectors have."""
    year = SchoolYearCheck(layout, name)
    photos, former = _check_images(year)
    every_face, faces = _check_faces(year, detector, photos, former)
    _check_vectors(year, detector, pack, size, every_face, faces)
    return year


def _check_images(year: SchoolYearCheck) -> tuple[set[str], FormerIds]:
    """The ids of the photos that are to be searched, and what older versions called them."""
    parts = image_parts(year.layout, year.name)
    rows, broken = read_undamaged(parts, [*parts.key, "asset_id", "status", "file_digest"])
    year.report_unreadable(*broken)
    year.report_duplicates(parts, rows, "path")
    year.files = set(rows["path"])
    return set(rows.filter(pl.col("status").cast(pl.String) == "ok")["asset_id"]), former_ids(rows)


def _check_faces(
    year: SchoolYearCheck, detector: str, photos: set[str], former: FormerIds
) -> tuple[set[str], set[str]]:
    """Every face of the year's thresholds, and those of them that are of photos that are still there."""
    try:
        settings = active_detection_settings(year.layout, detector, year.name)
    except (ValueError, KeyError, TypeError):
        settings = None
        year.report_unreadable(year.layout.parts("detections", detector, year.name) / "current.json")
    if settings is None:
        year.report(NEVER_SEARCHED, photos)
        return set(), set()
    parts = detection_parts(year.layout, detector, year.name, settings)
    rows, broken = read_undamaged(parts, [*parts.key, "status"])
    blind, without_end = photos_with_broken_chips(parts)
    year.report_unreadable(*broken, *without_end)
    year.all_faces_read = not broken
    year.report_duplicates(parts, rows, "asset_id")
    rows = map_to_current_ids(rows, former)
    year.report(NEVER_SEARCHED, photos - set(rows["asset_id"]))
    year.report(NO_CHIP, blind, parts, "asset_id")
    current = rows.filter(pl.col("asset_id").is_in(list(photos)))
    return set(rows["face_id"].drop_nulls()), set(current["face_id"].drop_nulls())


def _check_vectors(
    year: SchoolYearCheck, detector: str, pack: str, size: int, every_face: set[str], faces: set[str]
) -> None:
    """A face of other thresholds, or of a deleted photo, may have a vector: that is for `classface prune`."""
    parts = embedding_parts(year.layout, detector, pack, year.name)
    rows, broken = read_undamaged(parts, ["face_id"])
    bad, without_end = find_broken_vectors(parts, size)
    known = set(rows["face_id"])
    stray = known - every_face if year.all_faces_read else set()
    year.report_unreadable(*broken, *without_end)
    year.report_duplicates(parts, rows, "face_id")
    year.report(BAD_VECTOR, bad, parts, "face_id")
    year.report(NO_VECTOR, faces - known)
    year.report(NO_FACE, stray - bad - _faces_of_all_thresholds(year, detector) if stray else (), parts, "face_id")
    year.faces = faces & known - bad


def _faces_of_all_thresholds(year: SchoolYearCheck, detector: str) -> set[str]:
    found: set[str] = set()
    for folder in list_directory(year.layout.parts("detections", detector, year.name)):
        if folder.is_folder:
            parts = detection_parts(year.layout, detector, year.name, folder.path.name)
            found.update(read_undamaged(parts, ["face_id"])[0]["face_id"].drop_nulls())
    return found


def check_integrity(layout: ArchiveLayout, detector: str, pack: str) -> list[Inconsistency]:
    """Everything that does not fit together, for one model pack's detector and vectors. Changes nothing."""
    names = list_school_years(layout)
    size = embedding_dimension(embedding_parts(layout, detector, pack, name) for name in names)
    years = [check_school_year(layout, name, detector, pack, size) for name in names]
    found = [orphans for year in years for orphans in year.found]
    tables = [e.path for e in list_directory(layout.data / "tables") if e.path.suffix == ".parquet"]
    found.append(inconsistent_files(UNREADABLE, layout, find_unreadable(tables)))
    found += _check_database(layout, years)
    found.append(inconsistent_files(TEMPORARY, layout, [e.path for e in abandoned_temporary_files(layout)]))
    return [orphans for orphans in found if orphans.names]


def repair(found: Iterable[Inconsistency]) -> None:
    """Take out what is broken; what has to be made again is then missing, and the next run makes it."""
    for orphans in sorted(found, key=lambda o: not o.files):  # rows are then taken out of what can be read
        for file in orphans.files:
            delete_path(file)
        if orphans.kind == DUPLICATE_ROW and orphans.parts is not None:
            filter_rows(orphans.parts, RowDeduplicator(orphans.parts.key).drop_seen)
        elif orphans.parts is not None:
            drop_rows(orphans.parts, orphans.key_column, set(orphans.names))


def _check_database(layout: ArchiveLayout, years: list[SchoolYearCheck]) -> Iterator[Inconsistency]:
    """Current faces and files against the published ones. A face that is in two years is there once."""
    current = {name for year in years for name in year.faces | year.files}
    published: set[str] = set()
    try:
        published.update(query_database(layout.database, "SELECT id FROM face_instances")["id"])
        published.update(query_database(layout.database, "SELECT path FROM image_assets")["path"])
    except DatabaseError:
        if layout.database.exists():
            yield inconsistent_files(UNREADABLE, layout, [layout.database])
    yield Inconsistency(NOT_IN_DATABASE, "", tuple(sorted(current - published)))
    yield Inconsistency(ONLY_IN_DATABASE, "", tuple(sorted(published - current)))
