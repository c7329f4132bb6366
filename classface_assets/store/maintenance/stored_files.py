"""Every stored file that is damaged: parts, tables, records, DuckDB, heads, albums, portraits. Nothing is changed.

Damage is what a file itself shows: it is not as it was written, it cannot be read, or a folder lies in its place. What
agrees with itself and not with the rest is found in integrity; what becomes of a damaged file is decided in mending.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import duckdb

from classface_assets.core.atomic_files import read_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import FileEntry, Location, list_directory
from classface_assets.core.schemas import DUCKDB_TABLES
from classface_assets.store.artifacts.checkpoints import damaged_head_files
from classface_assets.store.artifacts.memoization import DamagedRecordError, read_record
from classface_assets.store.artifacts.thresholds import calibration_file, load_thresholds
from classface_assets.store.catalog.photo_records import erased_photos_file
from classface_assets.store.catalog.portraits import portrait_chip_digests, portraits_folder
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.erasure.tombstones import erasures_missing_from, tombstones_file
from classface_assets.store.files.deletion import list_subfolders, list_tree
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.parquet import DamagedFileError, check_parquet
from classface_assets.store.maintenance.album_files import check_albums
from classface_assets.store.maintenance.damage import is_readable_jpeg
from classface_assets.store.maintenance.read_today import BYTES_PER_RUN, ReadToday, share_of_the_day, shares_of
from classface_assets.store.maintenance.shared_objects import damaged_blobs


class FileKind(StrEnum):
    """What a stored file is, which decides what becomes of it when it is damaged."""

    PART = "part"
    TABLE = "table"
    SETTINGS = "settings of a search"
    RECORD = "record of what was made"
    DATABASE = "database"
    HEAD = "projection head"
    EPOCH = "checkpoint of a training"
    ALBUM = "page or picture of an album"
    SHARED = "file that machines share"
    ORIGINAL = "file that cannot be made again"


@dataclass(frozen=True)
class FileDamage:
    """A stored file that is damaged.

    Attributes:
        file: The file.
        kind: What it is.
        why: What is the matter with it.
        year: The school year that it is of; "" for other files.
    """

    file: Location
    kind: FileKind
    why: str
    year: str = ""


@dataclass(frozen=True)
class StoredFiles:
    """What a check of all stored files came to.

    Attributes:
        damaged: The damaged files.
        without_checksum: The number of parts and tables of versions that wrote no checksums.
    """

    damaged: tuple[FileDamage, ...]
    without_checksum: int


def check_stored_files(layout: ArchiveLayout) -> StoredFiles:
    """Check every stored file of an archive, to its last byte."""
    without: list[Location] = []
    damaged = [*_damaged_parquet(layout, _parts(layout), without_checksum=without)]
    damaged += _damaged_parquet(layout, _tables(layout), without_checksum=without)
    damaged += [*_missing_tables(layout), *damaged_settings(layout), *damaged_records(layout)]
    damaged += damaged_album_files(layout)
    damaged += [*_damaged_database(layout, thorough=True), *_damaged_heads(layout), *_damaged_originals(layout)]
    damaged += [FileDamage(blob, FileKind.SHARED, why) for blob, why in damaged_blobs(layout)]
    return StoredFiles(tuple(damaged), len(without))


@dataclass(frozen=True)
class CheckBeforeRun:
    """What a check before a run came to.

    Attributes:
        damaged: The damaged files.
        intact_albums: School year → the digest of the inputs that its album was made of, where each of its files is as
            it was when the album was made.
    """

    damaged: tuple[FileDamage, ...]
    intact_albums: Mapping[str, str]


def check_before_a_run(layout: ArchiveLayout, now: float | None = None, albums: bool = True) -> CheckBeforeRun:
    """Check what a run rests on and would not see: of parts and tables at a URL nothing, which a server checks itself.

    Args:
        layout: The archive.
        now: Time in seconds since 1970, by which the share of a large archive is chosen; None for the current one.
        albums: Whether albums are checked too; see `album_check` for where they are checked on their own.
    """
    damaged: list[FileDamage] = []
    intact: dict[str, str] = {}
    today = ReadToday.load(layout, now)
    is_local = isinstance(layout.data, Path)
    if is_local:
        damaged += _damaged_parquet(layout, _due(_parts(layout), "parts", today), thorough=False)
        damaged += _damaged_parquet(layout, _due(_tables(layout), "tables", today), thorough=False)
    damaged += damaged_settings(layout)
    if albums:
        damaged += damaged_album_files(layout, today, intact if is_local else None)
    damaged += [*_damaged_database(layout, thorough=False), *_damaged_heads(layout)]
    if not damaged:
        today.record()
    return CheckBeforeRun(tuple(damaged), intact)


def _due(files: Iterable[FileEntry], kind: str, today: ReadToday) -> Iterator[FileEntry]:
    """Those of some local files that are to be read: of the share of the day what was not read today."""
    every = list(files)
    shares = shares_of(sum(file.size for file in every), BYTES_PER_RUN)
    for file in share_of_the_day(every, today.day):
        with suppress(OSError):
            if today.is_due(f"{kind}, a share of {shares}", Path(str(file.path)).stat()):
                yield file


def damaged_settings(layout: ArchiveLayout) -> Iterator[FileDamage]:
    """The files that name the thresholds in use and cannot be read, name none that there are, or are missing."""
    for detector in list_subfolders(layout.parts("detections")):
        for year in list_subfolders(detector):
            store = SchoolYearStore(layout, decode_folder_name(detector), decode_folder_name(year))
            searched = {parts.folder.name for parts in store.all_detection_parts() if parts.files()}
            try:
                active = store.active_settings()
            except DamagedFileError as error:
                yield FileDamage(error.file, FileKind.SETTINGS, error.why, store.year)
                continue
            if active is not None and searched and active not in searched:
                why = "it names a search that there is not"
                yield FileDamage(store.settings_file, FileKind.SETTINGS, why, store.year)


def damaged_album_files(
    layout: ArchiveLayout, today: ReadToday | None = None, intact: dict[str, str] | None = None
) -> Iterator[FileDamage]:
    """The pages and pictures of albums that are not as they were written, or are missing; see `check_albums`."""
    for year, path, why in check_albums(layout, today, intact):
        yield FileDamage(path, FileKind.ALBUM, why, year)


def damaged_records(layout: ArchiveLayout) -> Iterator[FileDamage]:
    """The records of what was made that are not as they were written."""
    for entry in _records(layout):
        try:
            read_record(Path(str(entry.path)))
        except DamagedRecordError as error:
            yield FileDamage(entry.path, FileKind.RECORD, str(error))
        except FileNotFoundError:
            continue


def _records(layout: ArchiveLayout) -> list[FileEntry]:
    folder = layout.fingerprint_file("any").parent
    listed = list_directory(folder)
    years = [entry.path for entry in listed if entry.is_folder and entry.path.suffix != ".json"]
    every = [*listed, *(entry for year in years for entry in list_directory(year))]
    return [entry for entry in every if entry.path.suffix == ".json"]


def _parts(layout: ArchiveLayout) -> Iterator[FileEntry]:
    """Every part of every asset, version and school year; also a folder in the place of one."""
    waiting = [layout.data / "parts"]
    while waiting:
        for entry in list_directory(waiting.pop()):
            if entry.path.name.startswith("part-") and entry.path.suffix == ".parquet":
                yield entry
            elif entry.is_folder and not entry.path.is_symlink():
                waiting.append(entry.path)


def _tables(layout: ArchiveLayout) -> list[FileEntry]:
    found = [e for e in list_directory(layout.data / "tables") if e.path.suffix == ".parquet"]
    erased = erased_photos_file(layout)
    return [*found, *(e for e in list_directory(erased.parent) if e.path == erased)]


def _missing_tables(layout: ArchiveLayout) -> Iterator[FileDamage]:
    """The tables that are not there although the record of their asset says that they were made."""
    present = {entry.path for entry in _tables(layout)}
    for asset in ("knn_graph", "cluster_assignments", "identities"):
        try:
            read_record(layout.fingerprint_file(asset))
        except (DamagedRecordError, FileNotFoundError):
            continue
        if layout.table(asset) not in present:
            yield FileDamage(layout.table(asset), FileKind.TABLE, "it is missing")


def _damaged_parquet(
    layout: ArchiveLayout,
    files: Iterable[FileEntry],
    *,
    without_checksum: list[Location] | None = None,
    thorough: bool = True,
) -> Iterator[FileDamage]:
    for entry in files:
        try:
            if not check_parquet(entry.path, thorough) and without_checksum is not None:
                without_checksum.append(entry.path)
        except DamagedFileError as error:
            kind = FileKind.PART if entry.path.name.startswith("part-") else FileKind.TABLE
            yield FileDamage(entry.path, kind, error.why, school_year_of(layout, entry.path))
        except FileNotFoundError:
            continue


def school_year_of(layout: ArchiveLayout, file: Location) -> str:
    """The school year of a part; "" for other files."""
    parts = layout.data / "parts"
    below = file.parts[len(parts.parts) :] if file.parts[: len(parts.parts)] == parts.parts else ()
    at = {"images": 1, "detections": 2, "embeddings": 2}.get(below[0], 0) if below else 0
    return decode_folder_name(layout.data / below[at]) if at and len(below) > at + 1 else ""


def _damaged_database(layout: ArchiveLayout, thorough: bool) -> Iterator[FileDamage]:
    """DuckDB compares every block that it reads with its checksum. Older versions published fewer tables."""
    if not layout.database.exists():
        return
    try:
        found = query_database(layout.database, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")
        for table in DUCKDB_TABLES.keys() & set(found["table_name"]) if thorough else ():
            query_database(layout.database, f"SELECT * FROM {table}")
    except (DatabaseError, duckdb.Error):
        yield FileDamage(layout.database, FileKind.DATABASE, "it cannot be read")


def _damaged_heads(layout: ArchiveLayout) -> Iterator[FileDamage]:
    for file, why in damaged_head_files(layout.head):
        is_head = file.parent == layout.head.parent
        yield FileDamage(file, FileKind.HEAD if is_head else FileKind.EPOCH, why)


def _damaged_originals(layout: ArchiveLayout) -> Iterator[FileDamage]:
    yield from _damaged_portraits(layout)
    for file, read in (
        (calibration_file(layout), lambda: load_thresholds(layout, "", "")),
        (tombstones_file(layout), lambda: erasures_missing_from(layout, [])),
    ):
        try:
            read()
        except (UserError, OSError):
            yield FileDamage(file, FileKind.ORIGINAL, "it cannot be read")


def _damaged_portraits(layout: ArchiveLayout) -> Iterator[FileDamage]:
    """Chips of portraits that are not as they were written; of older versions, those that cannot be decoded."""
    digests = portrait_chip_digests(layout)
    for entry in list_tree(portraits_folder(layout)):
        try:
            chip = read_file(entry.path)
        except FileNotFoundError:
            continue
        if digests.get(str(entry.path), found := sha256(chip).hexdigest()) != found:
            yield FileDamage(entry.path, FileKind.ORIGINAL, "its checksum does not match")
        elif not is_readable_jpeg(chip):
            yield FileDamage(entry.path, FileKind.ORIGINAL, "it cannot be read")
