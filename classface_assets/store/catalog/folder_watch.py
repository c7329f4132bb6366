"""What lies in the photos folder, looked at often: a folder whose time of change is the same is not listed again.

A file that is added, removed or renamed changes the time of its folder; one that is edited in place does not, so that
everything is listed from time to time. What was seen lies in a file that may be deleted at any time.
"""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from classface_assets.core.atomic_files import write_file
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, decode_relative_path, encode_relative_path
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.school_years import folder_years, group_by_school_year, listing_fingerprint
from classface_assets.store.catalog.year_file import manual_school_years

FULL_LOOK_S = 3600.0
"""After so many seconds everything is listed again."""
SLOW_LOOK_S, SLOW_LOOK_EVERY_S = 2.0, 600.0
"""A listing of a URL, where folders have no times, that takes longer than the first is repeated after the second."""
UNCERTAIN_NS = 3_000_000_000
"""A folder that changed so shortly before it was listed may have changed once more with the same time."""
UNKNOWN_NS = -1


@dataclass(frozen=True)
class Snapshot:
    """What was seen.

    Attributes:
        rules: What decides which folder belongs to which school year, as text.
        full_look_at: When everything was listed, in seconds since 1970.
        took_s: How long that took.
        folders: Folder below the photos folder → its time of change in ns; UNKNOWN_NS where it is to be listed again.
        years: School year → its folders below the photos folder.
        fingerprints: School year → the fingerprint of its files.
        waiting: School year → since when its run waits for a copy to end, in seconds since 1970.
    """

    rules: str = ""
    full_look_at: float = 0.0
    took_s: float = 0.0
    folders: Mapping[str, int] = field(default_factory=dict)
    years: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, float] = field(default_factory=dict)

    def locations(self, photos: Location, year: str) -> list[Location]:
        """The folders of a school year."""
        return [_below(photos, name) for name in self.years.get(year, ())]

    def places(self, photos: Location) -> list[Location]:
        """Every folder, in the order of `folders`."""
        return [_below(photos, name) for name in self.folders]


def _below(photos: Location, name: str) -> Location:
    return decode_relative_path(photos, name) if name else photos


def snapshot_file(layout: ArchiveLayout) -> Path:
    """Where it lies."""
    return layout.local / "cache" / "photos_folder.json"


def read_snapshot(layout: ArchiveLayout) -> Snapshot:
    """What was seen last; an empty one where that is not known or cannot be read."""
    try:
        return Snapshot(**json.loads(snapshot_file(layout).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Snapshot()


def write_snapshot(layout: ArchiveLayout, snapshot: Snapshot) -> None:
    """Store what was seen.

    Raises:
        StorageError: The disk is full or fails.
    """
    write_file(snapshot_file(layout), lambda out: out.write(json.dumps(asdict(snapshot)).encode()))


def look(layout: ArchiveLayout, before: Snapshot, again: Collection[str] = ()) -> Snapshot:
    """What lies in the photos folder now.

    Args:
        layout: The archive.
        before: What was seen the last time.
        again: School years whose files are listed whatever the time of their folders.

    Returns:
        `before` itself where no folder has changed.

    Raises:
        PhotosFolderError: The photos folder cannot be read.
    """
    photos, now, rules = layout.photos, time.time(), _rules(layout)
    is_due = before.rules != rules or not 0 <= now - before.full_look_at < _full_look_after(photos, before)
    changed = set() if is_due else _changed_folders(photos, before)
    if not is_due and not changed and not again:
        return before
    began = time.monotonic()
    if is_due or changed:
        listed = folder_years(layout)
        by_year, places = group_by_school_year(listed), [one.folder.path for one in listed]
    else:
        by_year, places = {year: before.locations(photos, year) for year in before.years}, before.places(photos)
    times = _folder_times(photos, places)  # before the files are listed: what changes meanwhile is seen the next time
    years = {year: [encode_relative_path(one, photos) for one in places] for year, places in by_year.items()}
    same = set() if is_due else {year for year in years if years[year] == before.years.get(year)} - set(again)
    fingerprints = {
        year: before.fingerprints[year]
        if year in same and not changed & set(years[year])
        else listing_fingerprint(list_files(photos, places)[0])
        for year, places in by_year.items()
    }
    seen = replace(before, rules=rules, folders=times, years=years, fingerprints=fingerprints)
    return replace(seen, full_look_at=now, took_s=time.monotonic() - began) if is_due else seen


def is_being_changed(photos: Location, folders: Sequence[Location], quiet_s: float) -> bool:
    """Whether one of these folders, or a file in them, was changed in the last seconds, as while a copy is going on.

    A copy may give its files the times of the originals; when a file was written here is then the time of its inode. A
    time far in the future is that of a clock that was wrong.

    Args:
        photos: The photos folder.
        folders: The folders.
        quiet_s: So many seconds.
    """
    now = time.time()
    return quiet_s > 0 and any(abs(now - when) < quiet_s for when in _change_times(photos, folders))


def _change_times(photos: Location, folders: Sequence[Location]) -> Iterator[float]:
    """In seconds since 1970."""
    for folder in folders:
        if isinstance(folder, Path):
            yield from _inode_times(folder)
    for entry in list_files(photos, folders)[0]:
        if isinstance(entry.path, Path):
            yield from _inode_times(entry.path)
        else:
            yield entry.mtime_ns / 1e9


def _inode_times(path: Path) -> tuple[float, ...]:
    with suppress(OSError):
        info = path.stat()
        return info.st_mtime, info.st_ctime
    return ()


def _rules(layout: ArchiveLayout) -> str:
    known = list_school_years(layout)  # whose spelling a folder without a year keeps
    return json.dumps([str(layout.photos), layout.year_pattern, layout.year_start, manual_school_years(layout), known])


def _full_look_after(photos: Location, before: Snapshot) -> float:
    if isinstance(photos, Path):
        return FULL_LOOK_S
    return SLOW_LOOK_EVERY_S if before.took_s > SLOW_LOOK_S else 0.0


def _folder_times(photos: Location, folders: Iterable[Location]) -> dict[str, int]:
    """The time of change in ns of each folder, by its path below the photos folder; none at a URL."""
    if not isinstance(photos, Path):
        return {}
    latest = time.time_ns() - UNCERTAIN_NS
    times = {encode_relative_path(folder, photos): _mtime_ns(folder) for folder in folders}
    return {name: when if when < latest else UNKNOWN_NS for name, when in times.items()}


def _changed_folders(photos: Location, before: Snapshot) -> set[str]:
    return {
        name
        for (name, when), place in zip(before.folders.items(), before.places(photos), strict=True)
        if when == UNKNOWN_NS or _mtime_ns(place) != when
    }


def _mtime_ns(folder: Location) -> int:
    if not isinstance(folder, Path):
        return UNKNOWN_NS
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return UNKNOWN_NS
