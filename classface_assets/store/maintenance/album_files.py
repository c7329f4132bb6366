"""Which pages and pictures of albums are damaged, and which albums are as they were made.

Their digests are in the records of what was made, and all of a record is compared with the disk in one go.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.store.artifacts.memoization import DamagedRecordError, OutputRecord, read_record
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.maintenance.read_today import ReadToday, is_of_the_day, shares_of

ALBUM_BYTES_PER_RUN = 1 << 28
"""As BYTES_PER_RUN of parts: albums have many small files."""


def check_albums(
    layout: ArchiveLayout, today: ReadToday | None = None, intact: dict[str, str] | None = None
) -> Iterator[tuple[str, Path, str]]:
    """The pages and pictures of albums that are not as they were written, or are missing.

    Args:
        layout: The archive.
        today: By which those are chosen that are read although their size and time of change are the same: a share of
            them a day, and what was changed since; None to read all.
        intact: Gets, for each school year of whose album every file has the size and time of change with which it was
            made, the digest of the inputs that it was made of.

    Yields:
        The school year, or "" of the pages over all years, the file, and what is the matter with it.
    """
    seen: set[Path] = set()
    records = list(_album_records(layout))
    size = sum((one.outputs.get(name) or [0])[0] for _, one in records for name in one.digests)
    shares = shares_of(size, ALBUM_BYTES_PER_RUN)
    kind = f"albums, a share of {shares}"
    signatures: dict[str, list[int]] = {}

    def is_read(name: str, status: os.stat_result) -> bool:
        signatures[name] = [status.st_size, status.st_mtime_ns]
        if today is None:
            return True
        return is_of_the_day(name, today.day, shares) and today.is_due(kind, status)

    roots = layout.data, layout.local
    for year, record in records:
        signatures.clear()
        damaged = list(record.damaged(roots, is_read))
        for path, why in damaged:
            if path not in seen:
                seen.add(path)
                yield year, path, why
        if intact is not None and year and not damaged and _is_unchanged(record, roots, signatures):
            intact[year] = record.made_of


def album_record(layout: ArchiveLayout, year: str) -> OutputRecord | None:
    """The record of the album of a school year; None where there is none that can be read."""
    with suppress(DamagedRecordError, FileNotFoundError):
        return read_record(layout.fingerprint_file("albums", year))
    return None


def unchanged_digests(layout: ArchiveLayout, record: OutputRecord) -> dict[Path, str]:
    """The digests of the files of a record that still have the size and time of change that it has of them."""
    roots = layout.data, layout.local
    unchanged = (name for name in record.digests if _signature(name, roots) == record.outputs.get(name))
    return {Path(f"{roots[int(name[0])]}{name[1:]}"): record.digests[name] for name in unchanged}


def _is_unchanged(record: OutputRecord, roots: Sequence[Location], known: Mapping[str, list[int]]) -> bool:
    """Whether every output has its size and time of change, which are known of some; of outputs at a URL not so."""
    return all(
        recorded == (known[name] if name in known else _signature(name, roots))
        for name, recorded in record.outputs.items()
    )


def _signature(name: str, roots: Sequence[Location]) -> list[int] | None:
    number, _, path = name.partition("/")
    root = roots[int(number)]
    with suppress(OSError):
        if isinstance(root, Path):
            status = os.stat(f"{root}/{path}")  # noqa: PTH116
            return [status.st_size, status.st_mtime_ns]
    return None


def _album_records(layout: ArchiveLayout) -> Iterator[tuple[str, OutputRecord]]:
    """The records of the pages over all years (with ""), and of the albums of the school years that there are."""
    with suppress(DamagedRecordError, FileNotFoundError):
        yield "", read_record(layout.fingerprint_file("album_site"))
    for year in list_school_years(layout):
        if image_parts(layout, year).files() and (record := album_record(layout, year)):
            yield year, record
