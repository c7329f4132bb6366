"""Erasing people from what was made from all faces together, and from what shows or names them.

That is: tables, the DuckDB file, the trained head, the records of memoization, and the albums here and where they are
published. What people can see goes first, and what the next call starts from last, so a call that was killed has left
nothing to be seen and is finished by the next one.
"""

import json
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import marked
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, list_directory, list_files_recursive, remove_file
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.artifacts.checkpoints import EpochCheckpoints, checkpoint_files
from classface_assets.store.erasure.receipt import RemovedItem
from classface_assets.store.files.deletion import list_tree
from classface_assets.store.files.duckdb import publish_database, query_database
from classface_assets.store.files.parquet import read_parquet, write_parquet

REMOVAL_THREADS = 8
_OF_SIMILARITY = "face_space", "face_terms", "pair_scores"
"""What the names of tables begin with that have no faces in them but are made of their vectors."""


def erase_albums(layout: ArchiveLayout, ids: Set[str], new: bool) -> Iterator[RemovedItem]:
    """Remove all pages and files of albums, which may name or show them, then their face crops.

    The next run makes the pages again.
    """
    places: list[Location] = [layout.albums]
    if layout.published_albums is not None:
        places.append(layout.published_albums)
    for albums in places:
        files = [entry.path for entry in _album_files(albums)]
        crops = [file for file in files if file.parent.parent.name == "faces" and file.stem in ids]
        pages = [file for file in files if file.parts[len(albums.parts)] not in ("faces", "thumbs")]
        if not crops and not new:
            continue
        layout.albums.with_name(f"{layout.albums.name}.copied.json").unlink(missing_ok=True)  # it lists names of files
        where = marked("albums") if isinstance(albums, Path) else str(albums)
        yield RemovedItem(marked("pages and files of albums, to be made again"), where, _remove_files(pages))
        yield RemovedItem(marked("face crops"), where, _remove_files(crops))
        reached(Failpoint.CROPS_REMOVED)


def _album_files(folder: Location) -> list[FileEntry]:
    return list_tree(folder) if isinstance(folder, Path) else list_files_recursive(folder)


def _remove_files(files: Iterable[Location]) -> int:
    """Remove files, several at once since a server takes its time over each. Returns how many."""
    with ThreadPoolExecutor(REMOVAL_THREADS) as pool:
        return len(list(pool.map(_remove_album_file, files)))


def _remove_album_file(file: Location) -> None:
    remove_file(file)
    reached(Failpoint.PAGE_REMOVED)


def erase_derived(layout: ArchiveLayout, ids: Set[str], persons: Set[str], new: bool) -> Iterator[RemovedItem]:
    """Remove what was made from some faces.

    Args:
        layout: The archive.
        ids: The ids of the faces.
        persons: The ids of the erased persons.
        new: Whether to remove also what may have been made from them without naming them.

    Yields:
        What was removed.
    """
    yield from erase_albums(layout, ids, new)
    yield from _erase_database_rows(layout, ids, persons)
    reached(Failpoint.ROWS_UNPUBLISHED)
    tables = list(_affected_tables(layout, ids))
    if new or any(table.count for table in tables):
        yield from _erase_similarity(layout)
        reached(Failpoint.SIMILARITY_REMOVED)
        yield from _erase_checkpoint(layout)
        reached(Failpoint.CHECKPOINT_REMOVED)
        yield from _erase_fingerprints(layout)
        reached(Failpoint.FINGERPRINTS_REMOVED)
    for table in tables:
        table.delete_rows()
        reached(Failpoint.TABLE_REWRITTEN)
        yield RemovedItem(marked("rows"), f"table {table.name}", table.count)


@dataclass(frozen=True)
class _AffectedTable:
    """A table with faces in it, `count` of them among `ids`."""

    file: Location
    ids: Set[str]
    count: int

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.file.stem

    def delete_rows(self) -> None:
        """Delete their rows. The kNN graph, whose rows refer to one another by number, is deleted and made again."""
        if not self.count:
            return
        rows = read_parquet(self.file)
        if "neighbours" in rows.columns:
            remove_file(self.file)
        else:
            write_parquet(rows.filter(~pl.col("face_id").is_in(list(self.ids))), self.file)


def _affected_tables(layout: ArchiveLayout, ids: Set[str]) -> Iterator[_AffectedTable]:
    for entry in list_directory(layout.data / "tables"):
        if entry.path.suffix == ".parquet":
            faces = read_parquet(entry.path, ["face_id"])
            if faces.width:
                yield _AffectedTable(entry.path, ids, int(faces["face_id"].is_in(list(ids)).sum()))


def _erase_similarity(layout: ArchiveLayout) -> Iterator[RemovedItem]:
    """The similarity models, which were fitted on their faces too and hold vectors of some, and scores of their groups.

    They are made again.
    """
    files = [e.path for e in list_directory(layout.data / "tables") if e.path.name.startswith(_OF_SIMILARITY)]
    for file in files:
        remove_file(file)
    yield RemovedItem(marked("similarity models, to be fitted again"), marked("tables"), len(files))


def _erase_checkpoint(layout: ArchiveLayout) -> Iterator[RemovedItem]:
    """The projection head, which may have learned from them; the next run trains another."""
    files = [*checkpoint_files(layout.head), *EpochCheckpoints.beside(layout.head).files()]
    for file in files:
        remove_file(file)
    yield RemovedItem(marked("files of the trained head"), marked("models"), len(files))


def _erase_fingerprints(layout: ArchiveLayout) -> Iterator[RemovedItem]:
    """The records of memoization, which hold pictures of faces for Dagster; without them outputs are made again."""
    files = [entry.path for entry in list_tree(layout.local / "stamps")]
    for file in files:
        remove_file(file)
    yield RemovedItem(marked("records of the inputs of outputs"), marked("stamps"), len(files))


def _erase_database_rows(layout: ArchiveLayout, ids: Set[str], persons: Set[str]) -> Iterator[RemovedItem]:
    """Publish a new DuckDB file without their rows; the next run publishes the events again."""
    if not layout.database.exists():
        return
    there = set(
        query_database(layout.database, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'published'")[
            "table_name"
        ]
    )
    tables = {name: query_database(layout.database, f"SELECT * FROM {name}") for name in DUCKDB_TABLES if name in there}
    faces, people = list(ids), list(persons)
    theirs = {
        "face_instances": pl.col("id").is_in(faces),
        "persons": pl.col("id").is_in(people),
        "person_prototypes": pl.col("person_id").is_in(people) | pl.col("face_instance_id").is_in(faces),
        "clusters": pl.col("sample_faces").list.eval(pl.element().is_in(faces)).list.any(),
        "face_assignment_events": _reveals_erased(people, faces),
        "photo_consent": pl.col("withheld_persons").list.eval(pl.element().is_in(people)).list.any(),
    }
    gone = {name: which.fill_null(value=False) for name, which in theirs.items() if name in there}
    counts = {name: tables[name].filter(which).height for name, which in gone.items()}
    if any(counts.values()):
        publish_database(layout.database, tables | {name: tables[name].filter(~which) for name, which in gone.items()})
    yield from (RemovedItem(marked("rows"), f"DuckDB {name}", count) for name, count in counts.items())


def _reveals_erased(persons: list[str], faces: list[str]) -> pl.Expr:
    """Whether an event holds more of an erased person than their id, which alone is published."""
    bare = [json.dumps({"person_id": person}) for person in persons]
    return pl.col("payload").str.contains_any([*persons, *faces]) & ~pl.col("payload").is_in(bare)
