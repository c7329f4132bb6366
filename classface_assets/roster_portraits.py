"""What importing a roster does with the portraits that it names: their faces get the students' names."""

from pathlib import Path

from classface_assets.resources import Archive
from classface_assets.store.database import query
from classface_assets.store.roster_file import RosterFile
from classface_assets.store.roster_portraits import Portraits, PortraitSearch

PHOTOS = "SELECT asset_id, school_year, path, status, reason FROM image_assets"
FACES = "SELECT id AS face_id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances"


def name_portraits(archive: Archive, roster: RosterFile, file: Path, rows_of: int | None) -> Portraits:
    """Name the faces of the portraits in `file`, whose rows the event `rows_of` imported.

    Raises DatabaseError before the first run.
    """
    layout, ledger = archive.layout, archive.open_ledger()
    folder, photos = file.absolute().parent, layout.photos
    inside = isinstance(photos, Path) and folder != photos and folder.is_relative_to(photos)
    near = folder.relative_to(str(photos)).as_posix() if inside else ""
    database = layout.database
    search = PortraitSearch.of(query(database, PHOTOS), query(database, FACES), ledger.events(), near)
    found = search.match(zip(roster.lines, roster.entries, strict=True))
    if found.named:
        ledger.label_imported(found.named, rows_of, found.students)
    return found
