"""The names of erased people taken out of the sidecars and files that they were written into."""

from collections.abc import Mapping, Set

import polars as pl

from classface_assets.core.errors import StorageError
from classface_assets.core.languages import gettext, marked, ngettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.face_regions.files import FileStatus
from classface_assets.services.face_regions.metadata.model import RegionError
from classface_assets.services.face_regions.metadata.packet_update import holds_name
from classface_assets.services.face_regions.record import forget_rows, with_paths_now
from classface_assets.services.face_regions.removal import remove_from_file
from classface_assets.store.erasure.receipt import RemovedItem
from classface_assets.store.erasure.written_regions import (
    Place,
    backed_up_metadata,
    read_written_regions,
    remove_backups,
    store_written_regions,
)

SHOWN_FILES = 20
"""Files listed in a note; of more only the number."""
_WHERE: Mapping[Place, str] = {Place.SIDECAR: marked("sidecars beside the photos"), Place.FILE: marked("photo files")}


def erase_written_names(layout: ArchiveLayout, persons: Set[str]) -> tuple[list[RemovedItem], list[str]]:
    """Take the names of these people out of every sidecar and file that the archive wrote them into.

    A photo that was moved with its sidecar is found by its picture. What cannot be changed stays in the record, so that
    the next erasure or `classface regions remove` tries again.

    Args:
        layout: The archive.
        persons: The ids of the erased people, and of those who were merged into them.

    Returns:
        What was removed, and notes on files that could not be changed.

    Raises:
        StorageError: The data folder cannot be read or written.
    """
    record = read_written_regions(layout)
    theirs = record.filter(pl.col("person_id").is_in(list(persons)))
    if theirs.is_empty():
        return [], []
    record, theirs = with_paths_now(layout, record, theirs)
    store_written_regions(layout, record)
    counts = dict.fromkeys(Place, 0)
    failed: list[str] = []
    done: list[tuple[str, Place]] = []
    for (path, place), rows in theirs.partition_by("path", "place", as_dict=True, maintain_order=True).items():
        key = (str(path), Place(place))
        every = record.filter(pl.col("path") == path, pl.col("place") == place)
        result = remove_from_file(layout, key, rows, every, apply=True)
        if result.status == FileStatus.LEFT_OUT:
            failed.append(f"{path} ({result.reason})")
            continue
        counts[key[1]] += not result.reason
        done.append(key)
        _erase_backup(layout, key, set(rows["name"]))
    forget_rows(layout, theirs, done)
    removed = [
        RemovedItem(marked("names in the metadata of photos"), _WHERE[place], n) for place, n in counts.items() if n
    ]
    return removed, [_note(failed)] if failed else []


def _erase_backup(layout: ArchiveLayout, key: tuple[str, Place], names: Set[str]) -> None:
    """Remove what a file held before, where another program had written one of these names into it."""
    before = backed_up_metadata(layout, *key)
    try:
        holds = before is not None and any(holds_name(before, name) for name in names)
    except (RegionError, StorageError):
        holds = True
    if holds:
        remove_backups(layout, [key])


def _note(failed: list[str]) -> str:
    listed, more = ", ".join(failed[:SHOWN_FILES]), len(failed) - SHOWN_FILES
    if more > 0:
        listed += " " + ngettext("and %(num)s more", "and %(num)s more", more)
    return gettext(
        "Their name could not be taken out of the metadata beside or in these photos; make them writable and type "
        "`classface regions remove --apply`: %(files)s.",
        files=listed,
    )
