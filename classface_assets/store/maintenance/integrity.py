"""What does not fit together: photos, faces, vectors and the DuckDB file compared both ways, and what is broken.

Nothing here stops at a broken file: it is found, told, and what remains is compared. `mend` takes out what is broken,
so that the next run finds it missing and makes it again. Photos and the ledger are never touched.

The kinds of what does not fit together, and what mending does with each.

What does not fit together in one school year: its photos, faces and vectors compared, and what of them is broken.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from classface_assets.core.layout import Layout
from classface_assets.core.locations import Place, entries
from classface_assets.store.catalog.former_ids import FormerIds, former_ids, under_current_ids
from classface_assets.store.catalog.school_year import (
    current_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    years_with_images,
)
from classface_assets.store.files.deletion import drop_rows, keep_rows, take_away, temporary_files
from classface_assets.store.files.duckdb import DatabaseError, query
from classface_assets.store.files.parts import Parts, Seen
from classface_assets.store.maintenance.damage import broken_vectors, readable, unreadable, usual_size, without_chip

UNREADABLE = "file that cannot be read"
NEVER_SEARCHED = "photo that was never searched"
NO_VECTOR = "face without a vector"
NO_FACE = "vector without a face"
NO_CHIP = "face without a readable chip"
BAD_VECTOR = "vector that is broken"
TWICE = "row that is there twice"
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
    TWICE: "keeps one of the two",
    NOT_IN_DATABASE: "makes the database again from the parts",
    ONLY_IN_DATABASE: "makes the database again from the parts",
    TEMPORARY: "removes it",
}


@dataclass(frozen=True)
class Orphans:
    """What was found of one kind: ids, or files below the data folder. `year` is empty for what is one for all years.

    `parts` and `rows_of` say in which parts the broken rows are, and by which column they are told.
    """

    kind: str
    year: str
    names: tuple[str, ...]
    files: tuple[Place, ...] = ()
    parts: Parts | None = None
    rows_of: str = ""


def orphan_files(kind: str, layout: Layout, files: Iterable[Place], year: str = "") -> Orphans:
    """Whole files, told by their paths below the data folder."""
    files = tuple(files)
    return Orphans(kind, year, tuple(map(layout.below, files)), files)


@dataclass
class YearCheck:
    """A school year: its files, its faces that have a vector, and what is wrong with it."""

    layout: Layout
    name: str
    files: set[str] = field(default_factory=set)
    faces: set[str] = field(default_factory=set)
    found: list[Orphans] = field(default_factory=list)
    all_faces_read: bool = True
    """If not, a vector without a face may only lack it until the photo is searched again, and is left alone."""

    def tell(self, kind: str, names: Iterable[str], parts: Parts | None = None, rows_of: str = "") -> None:
        self.found.append(Orphans(kind, self.name, tuple(sorted(names)), (), parts, rows_of))

    def tell_unreadable(self, *files: Place) -> None:
        self.found.append(orphan_files(UNREADABLE, self.layout, sorted(set(files)), self.name))

    def tell_twice(self, parts: Parts, rows: pl.DataFrame, name: str) -> None:
        again = rows.filter(~pl.struct(parts.key).is_first_distinct()) if rows.height else rows
        self.tell(TWICE, again[name].cast(pl.String), parts)


def check_year(layout: Layout, name: str, detector: str, pack: str, size: int) -> YearCheck:
    """Look at all that one model pack made of a school year; `size`: how many numbers its vectors have."""
    year = YearCheck(layout, name)
    photos, former = _look_at_images(year)
    every_face, faces = _look_at_faces(year, detector, photos, former)
    _look_at_vectors(year, detector, pack, size, every_face, faces)
    return year


def _look_at_images(year: YearCheck) -> tuple[set[str], FormerIds]:
    """The ids of the photos that are to be searched, and what older versions called them."""
    parts = image_parts(year.layout, year.name)
    rows, broken = readable(parts, [*parts.key, "asset_id", "status", "file_digest"])
    year.tell_unreadable(*broken)
    year.tell_twice(parts, rows, "path")
    year.files = set(rows["path"])
    return set(rows.filter(pl.col("status").cast(pl.String) == "ok")["asset_id"]), former_ids(rows)


def _look_at_faces(year: YearCheck, detector: str, photos: set[str], former: FormerIds) -> tuple[set[str], set[str]]:
    """Every face of the year's thresholds, and those of them that are of photos that are still there."""
    try:
        settings = current_settings(year.layout, detector, year.name)
    except (ValueError, KeyError, TypeError):
        settings = None
        year.tell_unreadable(year.layout.parts("detections", detector, year.name) / "current.json")
    if settings is None:
        year.tell(NEVER_SEARCHED, photos)
        return set(), set()
    parts = detection_parts(year.layout, detector, year.name, settings)
    rows, broken = readable(parts, [*parts.key, "status"])
    blind, without_end = without_chip(parts)
    year.tell_unreadable(*broken, *without_end)
    year.all_faces_read = not broken
    year.tell_twice(parts, rows, "asset_id")
    rows = under_current_ids(rows, former)
    year.tell(NEVER_SEARCHED, photos - set(rows["asset_id"]))
    year.tell(NO_CHIP, blind, parts, "asset_id")
    current = rows.filter(pl.col("asset_id").is_in(list(photos)))
    return set(rows["face_id"].drop_nulls()), set(current["face_id"].drop_nulls())


def _look_at_vectors(
    year: YearCheck, detector: str, pack: str, size: int, every_face: set[str], faces: set[str]
) -> None:
    """A face of other thresholds, or of a deleted photo, may have a vector: that is for `classface prune`."""
    parts = embedding_parts(year.layout, detector, pack, year.name)
    rows, broken = readable(parts, ["face_id"])
    bad, without_end = broken_vectors(parts, size)
    known = set(rows["face_id"])
    stray = known - every_face if year.all_faces_read else set()
    year.tell_unreadable(*broken, *without_end)
    year.tell_twice(parts, rows, "face_id")
    year.tell(BAD_VECTOR, bad, parts, "face_id")
    year.tell(NO_VECTOR, faces - known)
    year.tell(NO_FACE, stray - bad - _faces_of_all_thresholds(year, detector) if stray else (), parts, "face_id")
    year.faces = faces & known - bad


def _faces_of_all_thresholds(year: YearCheck, detector: str) -> set[str]:
    found: set[str] = set()
    for folder in entries(year.layout.parts("detections", detector, year.name)):
        if folder.is_folder:
            parts = detection_parts(year.layout, detector, year.name, folder.path.name)
            found.update(readable(parts, ["face_id"])[0]["face_id"].drop_nulls())
    return found


def find_orphans(layout: Layout, detector: str, pack: str) -> list[Orphans]:
    """Everything that does not fit together, for one model pack's detector and vectors. Changes nothing."""
    names = years_with_images(layout)
    size = usual_size(embedding_parts(layout, detector, pack, name) for name in names)
    years = [check_year(layout, name, detector, pack, size) for name in names]
    found = [orphans for year in years for orphans in year.found]
    tables = [e.path for e in entries(layout.data / "tables") if e.path.suffix == ".parquet"]
    found.append(orphan_files(UNREADABLE, layout, unreadable(tables)))
    found += _look_at_database(layout, years)
    found.append(orphan_files(TEMPORARY, layout, [e.path for e in temporary_files(layout)]))
    return [orphans for orphans in found if orphans.names]


def mend(found: Iterable[Orphans]) -> None:
    """Take out what is broken; what has to be made again is then missing, and the next run makes it."""
    for orphans in sorted(found, key=lambda o: not o.files):  # rows are then taken out of what can be read
        for file in orphans.files:
            take_away(file)
        if orphans.kind == TWICE and orphans.parts is not None:
            keep_rows(orphans.parts, Seen(orphans.parts.key).fresh)
        elif orphans.parts is not None:
            drop_rows(orphans.parts, orphans.rows_of, set(orphans.names))


def _look_at_database(layout: Layout, years: list[YearCheck]) -> Iterator[Orphans]:
    """Current faces and files against the published ones. A face that is in two years is there once."""
    current = {name for year in years for name in year.faces | year.files}
    published: set[str] = set()
    try:
        published.update(query(layout.database, "SELECT id FROM face_instances")["id"])
        published.update(query(layout.database, "SELECT path FROM image_assets")["path"])
    except DatabaseError:
        if layout.database.exists():
            yield orphan_files(UNREADABLE, layout, [layout.database])
    yield Orphans(NOT_IN_DATABASE, "", tuple(sorted(current - published)))
    yield Orphans(ONLY_IN_DATABASE, "", tuple(sorted(published - current)))
