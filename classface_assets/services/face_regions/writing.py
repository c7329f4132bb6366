"""Names written into sidecars, or into the photo files themselves, and changed there.

Nothing is written unless asked (`apply`), and everything that was written is recorded before it is, so that it can be
found again: a person who is taken back, hidden or refused is removed by the next call, and an erasure removes them at
once.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

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
from classface_assets.services.face_regions.metadata.jpeg_xmp import JPEG_SUFFIXES
from classface_assets.services.face_regions.metadata.model import Region, RegionError
from classface_assets.services.face_regions.metadata.packet_update import (
    OwnedNames,
    PacketChange,
    TargetNames,
    update_packet,
)
from classface_assets.services.face_regions.photos import (
    NamedPhotos,
    NamedRegion,
    PhotoFile,
    Selection,
    find_persons,
    named_photos,
    photo_files,
)
from classface_assets.services.face_regions.record import Progress, forget_rows, no_progress, open_record
from classface_assets.services.face_regions.removal import remove_from_file
from classface_assets.store.erasure.written_regions import (
    WRITTEN_REGIONS,
    Place,
    back_up_metadata,
    read_written_regions,
    remove_backups,
    store_written_regions,
)

BATCH_FILES = 500


@dataclass(frozen=True)
class WriteOptions:
    """What to write.

    Attributes:
        selection: Which photos and people.
        place: Into sidecars or into the photo files.
        keywords: Whether names become keywords too.
        confirmed_only: Whether to leave out people whom nobody has confirmed.
        apply: Whether to write; else only what would be written is reported.
    """

    selection: Selection = field(default_factory=Selection)
    place: Place = Place.SIDECAR
    keywords: bool = False
    confirmed_only: bool = False
    apply: bool = False


@dataclass(frozen=True)
class _Job:
    """A file to bring up to date: what it is to hold, and what it holds by the record."""

    photo: PhotoFile
    place: Place
    wanted: tuple[NamedRegion, ...]
    rows: pl.DataFrame
    moved: pl.DataFrame
    keywords: bool

    @property
    def key(self) -> Key:
        return self.photo.path, self.place

    @property
    def owned(self) -> OwnedNames:
        """What the file holds of ours, also what was written when it had another name or folder."""
        return owned_names(pl.concat([self.rows, self.moved]))


@dataclass
class _Outcome:
    """A job's change, and the rows of the record after it."""

    job: _Job
    change: PacketChange
    before: bytes | None
    result: FileResult = field(default=FileResult("", FileStatus.UNCHANGED))


def write_names(
    archive: Archive, view: ArchiveView, options: WriteOptions, progress: Progress = no_progress
) -> WriteReport:
    """Bring sidecars or files up to date with the names of the archive.

    Args:
        archive: The archive.
        view: Its faces and names as they are now.
        options: What to write.
        progress: Called with how many files of how many are done.

    Raises:
        DatabaseError: Nothing is published yet.
        SelectionError: There is no such year or person.
        ArchiveLockedError: A run or an erasure is in progress.
    """
    layout = archive.layout
    with open_record(archive, options.apply) as record:
        named = named_photos(archive, view, options.confirmed_only)
        persons = find_persons(view, options.selection.persons)
        files = photo_files(layout, options.selection.years)
        paths = {photo.path for photo in files} if not options.selection.years else set(_all_paths(layout))
        lost = record.filter(~pl.col("path").is_in(list(paths)))
        jobs, without = _jobs(files, named, persons, record, lost, options)
        results, conflicts, done = list[FileResult](), list[tuple[str, str, str]](), 0
        for start in range(0, len(jobs), BATCH_FILES):
            batch = jobs[start : start + BATCH_FILES]
            outcomes = [_planned(layout, job) for job in batch]
            if options.apply:
                _apply(layout, [one for one in outcomes if isinstance(one, _Outcome)])
            for one in outcomes:
                results.append(one.result if isinstance(one, _Outcome) else one)
                if isinstance(one, _Outcome):
                    conflicts += [(one.job.photo.path, *pair) for pair in one.change.conflicts]
            done += len(batch)
            progress(done, len(jobs))
        if not options.selection.years and not persons:
            results += _remove_lost(layout, lost, options.apply)
    return WriteReport(options.apply, tuple(results), tuple(conflicts), len(named.withheld), without)


def _jobs(
    files: Sequence[PhotoFile],
    named: NamedPhotos,
    persons: Set[str],
    record: pl.DataFrame,
    lost: pl.DataFrame,
    options: WriteOptions,
) -> tuple[list[_Job], int]:
    """The files to bring up to date, and how many have nobody to name."""
    by_key, jobs, without = rows_by_key(record), list[_Job](), 0
    here = lost.filter(pl.col("place") == options.place.value)
    moved = {str(asset): rows for (asset,), rows in here.partition_by("asset_id", as_dict=True).items()}
    for photo in files:
        rows = by_key.get((photo.path, options.place), WRITTEN_REGIONS.to_frame())
        wanted = named.regions.get(photo.asset_id, ())
        if persons:
            listed = set(rows["person_id"])
            if not persons & ({one.person_id for one in wanted} | listed):
                continue
            wanted = tuple(one for one in wanted if one.person_id in persons | listed)
        before = moved.get(photo.asset_id, WRITTEN_REGIONS.to_frame())
        if wanted or rows.height or before.height:
            jobs.append(_Job(photo, options.place, wanted, rows, before, options.keywords))
        else:
            without += 1
    return jobs, without


def _all_paths(layout: ArchiveLayout) -> list[str]:
    return [photo.path for photo in photo_files(layout)]


def _remove_lost(layout: ArchiveLayout, lost: pl.DataFrame, apply: bool) -> list[FileResult]:
    """Take names out of sidecars that stayed where a photo was moved away from or deleted."""
    results, done = [], []
    for key, rows in rows_by_key(lost).items():
        result = remove_from_file(layout, key, rows, rows, apply)
        if result.status != FileStatus.LEFT_OUT:
            done.append(key)
        if not result.reason:
            results.append(result)
    if apply and done:
        forget_rows(layout, lost, done)
    return results


def _planned(layout: ArchiveLayout, job: _Job) -> _Outcome | FileResult:
    """The change of a file, which is not written yet; or why it is left out."""
    path = job.photo.path
    regions = tuple(one.region for one in job.wanted)
    try:
        if job.place == Place.FILE and Path(path).suffix.lower() not in JPEG_SUFFIXES:
            raise RegionError(gettext("only JPEG files can hold the names themselves; a sidecar can be written"))
        before = read_metadata(layout, job.key)
        wanted = TargetNames(regions, job.photo.frame.stored, job.keywords)
        change = update_packet(before, wanted, job.owned)
    except (RegionError, StorageError, OSError) as error:
        return FileResult(path, FileStatus.LEFT_OUT, tuple(region.name for region in regions), reason_of(error))
    names = tuple(region.name for region in change.written)
    status = FileStatus.UNCHANGED
    if change.changed:
        status = FileStatus.WRITTEN if names else FileStatus.REMOVED
    reason = gettext("another program names its faces already") if not names and regions else ""
    return _Outcome(job, change, before, FileResult(path, status, names, reason))


def _apply(layout: ArchiveLayout, outcomes: Sequence[_Outcome]) -> None:
    """Record what is going to be in the files, write them, and record what is in them."""
    record = read_written_regions(layout)
    touched = _keys_frame([one.job.key for one in outcomes])
    others = record.join(touched, on=["path", "place"], how="anti")
    planned = {one.job.key: _rows_after(one) for one in outcomes}
    old = {one.job.key: one.job.rows for one in outcomes}
    both = [pl.concat([old[key], rows]).unique(maintain_order=True) for key, rows in planned.items()]
    if any(one.change.changed for one in outcomes):
        store_written_regions(layout, pl.concat([others, *both]))
    final = []
    for one in outcomes:
        key = one.job.key
        try:
            if one.change.changed:
                if one.before is not None and not one.job.rows.height:
                    back_up_metadata(layout, *key, one.before)
                write_metadata(layout, key, one.change.data)
            final.append(planned[key])
        except (RegionError, StorageError, OSError) as error:
            one.result = FileResult(one.job.photo.path, FileStatus.LEFT_OUT, one.result.names, reason_of(error))
            final.append(old[key])
    store_written_regions(layout, pl.concat([others, *final]))
    remove_backups(layout, [key for key, rows in planned.items() if rows.is_empty() and old[key].height])


def _keys_frame(keys: Sequence[Key]) -> pl.DataFrame:
    rows = [(path, place.value) for path, place in keys]
    return pl.DataFrame(rows, schema={"path": pl.String, "place": pl.String}, orient="row")


def _rows_after(outcome: _Outcome) -> pl.DataFrame:
    """The rows of the record of a file after its change."""
    job, change = outcome.job, outcome.change
    persons: Mapping[Region, str] = {one.region: one.person_id for one in job.wanted}
    made = outcome.before is None if job.rows.is_empty() else bool(job.rows["made_file"][0])
    rows = [
        (
            job.photo.path,
            job.place.value,
            job.photo.asset_id,
            persons[r],
            r.name,
            *r.box,
            r.name in change.keywords,
            made,
        )
        for r in change.written
    ]
    return pl.DataFrame(rows, schema=WRITTEN_REGIONS, orient="row")
