"""Names taken out of the sidecars and files that they were written into: all, or those of some photos or people."""

import polars as pl

from classface_assets.core.errors import StorageError
from classface_assets.core.languages import gettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.face_regions.files import (
    FileResult,
    FileStatus,
    Key,
    WriteReport,
    owned_names,
    read_metadata,
    reason_of,
    rows_by_key,
    write_metadata,
)
from classface_assets.services.face_regions.metadata.formats import mwg_size
from classface_assets.services.face_regions.metadata.model import RegionError
from classface_assets.services.face_regions.metadata.packet_update import (
    OwnedNames,
    PacketChange,
    TargetNames,
    remove_names,
    update_packet,
)
from classface_assets.services.face_regions.metadata.packets import parse_packet
from classface_assets.services.face_regions.photos import Selection, find_persons, photo_files
from classface_assets.services.face_regions.record import (
    Progress,
    forget_rows,
    no_progress,
    open_record,
    with_paths_now,
)
from classface_assets.store.erasure.written_regions import backed_up_metadata, store_written_regions


def remove_written(
    archive: Archive,
    view: ArchiveView | None,
    selection: Selection,
    apply: bool = False,
    progress: Progress = no_progress,
) -> WriteReport:
    """Take the names that were written out of sidecars and files again.

    Where nobody changed a file since, it becomes what it was before, byte for byte; a sidecar that was made is deleted.

    Args:
        archive: The archive.
        view: Its people, to find those of the selection by name; None where it names none.
        selection: Which photos and people.
        apply: Whether to do it.
        progress: Called with how many files of how many are done.

    Raises:
        SelectionError: There is no such person.
        ArchiveLockedError: A run or an erasure is in progress.
    """
    layout = archive.layout
    with open_record(archive, apply) as record:
        theirs = record
        if selection.persons and view is not None:
            theirs = theirs.filter(pl.col("person_id").is_in(list(find_persons(view, selection.persons))))
        if selection.years:
            paths = {photo.path for photo in photo_files(layout, selection.years)}
            theirs = theirs.filter(pl.col("path").is_in(list(paths)))
        written = set(rows_by_key(theirs))
        record, theirs = with_paths_now(layout, record, theirs)
        if apply:
            store_written_regions(layout, record)
        keys = list(rows_by_key(theirs).items())
        every, results = rows_by_key(record), []
        for number, (key, rows) in enumerate(keys):
            results.append(remove_from_file(layout, key, rows, every[key], apply))
            progress(number + 1, len(keys))
        if apply:
            gone = [key for (key, _), result in zip(keys, results, strict=True) if result.status != FileStatus.LEFT_OUT]
            forget_rows(layout, theirs, gone)
    shown = [one for (key, _), one in zip(keys, results, strict=True) if key in written or not one.reason]
    return WriteReport(apply, tuple(shown))


def remove_from_file(
    layout: ArchiveLayout, key: Key, rows: pl.DataFrame, every: pl.DataFrame, apply: bool
) -> FileResult:
    """Take some names out of one sidecar or file.

    Args:
        layout: The archive.
        key: The photo's path, and where the names are.
        rows: The names to take out, of WRITTEN_REGIONS.
        every: All names that were written there.
        apply: Whether to do it.
    """
    path = key[0]
    try:
        data = read_metadata(layout, key)
        if data is None:
            return FileResult(path, FileStatus.REMOVED, reason=gettext("it is not there any more"))
        change = remove_names(data, owned_names(rows))
        left = change.data
        if rows.height == every.height:
            left = _as_before(layout, key, rows, data, change)
        if apply and left != data:
            write_metadata(layout, key, left)
        names = tuple(every.filter(~pl.col("person_id").is_in(rows["person_id"].to_list()))["name"])
        return FileResult(path, FileStatus.WRITTEN if names else FileStatus.REMOVED, names)
    except (RegionError, StorageError, OSError) as error:
        return FileResult(path, FileStatus.LEFT_OUT, reason=reason_of(error))


def _as_before(layout: ArchiveLayout, key: Key, rows: pl.DataFrame, data: bytes, change: PacketChange) -> bytes | None:
    """The metadata that a file had before ours, if nobody changed it since; else what is left without ours."""
    before = backed_up_metadata(layout, *key)
    if before is None:
        return change.data
    owned = owned_names(rows)
    try:
        size = mwg_size(parse_packet(data)) or (1, 1)
        again = update_packet(before, TargetNames(owned.regions, size, bool(owned.keywords)), OwnedNames())
    except RegionError:
        return change.data
    return before if again.data == data else change.data
