"""What becomes of damaged files: what is sound of them stays, the rest goes, so that the next run makes it again.

Of a part the row groups stay of which no byte is damaged; of a photo of which any row is damaged none stays, so that it
is searched again as a whole. Faces keep their ids, which are made of the photo and the box, and with them their names.
Boxes that people drew, and all decisions, are in the ledger. What cannot be made again is left where it lies.
"""

from collections.abc import Iterable, Iterator

from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.core.locations import Location, list_directory
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.store.artifacts.checkpoints import delete_head
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.deletion import delete_path
from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.files.parquet import DamagedFileError, check_parquet, read_sound_row_groups, write_parquet
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.maintenance.shared_objects import repair_blob
from classface_assets.store.maintenance.stored_files import FileDamage, FileKind

ROW_GROUPS_BY = {"detections": "asset_id"}
"""The column of a part of this asset whose rows of one value are made together."""


def repair_files(layout: ArchiveLayout, damaged: Iterable[FileDamage]) -> Iterator[str]:
    """Take away what is damaged. Killed at any moment, the next call does the rest.

    Args:
        layout: The archive.
        damaged: The damaged files.

    Yields:
        A sentence for each file, with what is lost for now.
    """
    for one in damaged:
        yield f"{one.file} is damaged ({one.why}): {_repair(layout, one)}."


def repair_parts(layout: ArchiveLayout, datasets: Iterable[PartDataset]) -> Iterator[str]:
    """Take away what is damaged of some datasets, before they are written to; yields a sentence for each file."""
    for file in (file for parts in datasets for file in parts.files()):
        try:
            check_parquet(file)
        except DamagedFileError as error:
            yield from repair_files(layout, [FileDamage(file, FileKind.PART, error.why)])
        except FileNotFoundError:
            continue


def _repair(layout: ArchiveLayout, damage: FileDamage) -> str:
    """Mend one file; returns what was done, as the end of a sentence."""
    file = damage.file
    match damage.kind:
        case FileKind.PART:
            return _repair_part(layout, file)
        case FileKind.TABLE:
            return _repair_table(layout, file)
        case FileKind.SETTINGS:
            return _repair_settings(layout, file)
        case FileKind.HEAD:
            delete_head(layout.head)
            return "the head is trained again"
        case FileKind.SHARED:
            return repair_blob(layout, file)
        case FileKind.ORIGINAL:
            return "it cannot be made again, put it back from a backup"
        case FileKind.RECORD | FileKind.DATABASE | FileKind.EPOCH | FileKind.ALBUM:
            delete_path(file)
            return "it is made again"


def _repair_part(layout: ArchiveLayout, file: Location) -> str:
    asset = file.parts[len((layout.data / "parts").parts)]
    sound = read_sound_row_groups(file, ROW_GROUPS_BY.get(asset, ""))
    PartDataset(file.parent, ()).append(sound)
    delete_path(file)
    if sound.is_empty():
        return "it is made again"
    return f"{sound.height:,} rows of it are sound and stay, the others are made again"


def _repair_table(layout: ArchiveLayout, file: Location) -> str:
    """The numbers of the clusters are in the published database too, which hands them on."""
    delete_path(file)
    if file != layout.table("identities"):
        return "it is made again"
    columns = ", ".join("id AS face_id" if name == "face_id" else name for name in ASSIGNMENTS)
    try:
        rows = query_database(layout.database, f"SELECT {columns} FROM face_instances WHERE cluster_id IS NOT NULL")
    except DatabaseError:
        return "it is made again, and clusters of unknown faces may get other numbers"
    write_parquet(rows.cast(ASSIGNMENTS), file)
    return "it is made again from the published database"


def _repair_settings(layout: ArchiveLayout, file: Location) -> str:
    """Of several searches with different thresholds the one that was last written to is taken to be in use."""
    delete_path(file)
    detector, year = file.parent.parent, file.parent
    store = SchoolYearStore(layout, decode_folder_name(detector), decode_folder_name(year))
    found = [
        (max(entry.mtime_ns for entry in list_directory(parts.folder)), parts.folder.name)
        for parts in store.all_detection_parts()
        if parts.files()
    ]
    if not found:
        return "it is made again"
    name = max(found)[1]
    store.set_active_settings(name)
    return f"the faces that were found last are taken ({name})"
