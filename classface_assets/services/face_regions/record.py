"""The record of the names that were written into sidecars and files: opened for a change, followed, and shortened."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.resources import Archive
from classface_assets.services.face_regions.files import Key, rows_by_key
from classface_assets.store.catalog.school_year import image_parts, list_school_years
from classface_assets.store.erasure.written_regions import (
    read_written_regions,
    remove_backups,
    store_written_regions,
)

_ROW = ["path", "place", "person_id", "x", "y"]
"""The columns that identify a row of WRITTEN_REGIONS."""
Progress = Callable[[int, int], object]
"""Called with how many files of how many are done."""


def no_progress(_done: int, _of: int) -> None:
    """Report nothing."""


@contextmanager
def open_record(archive: Archive, apply: bool) -> Iterator[pl.DataFrame]:
    """What was written up to now (WRITTEN_REGIONS), for a call that writes or removes names, or shows what it would do.

    With `apply` no run, erasure or other writing of names is in progress meanwhile; nothing is waited for.

    Raises:
        ArchiveLockedError: One is.
    """
    with archive_lock(archive.layout, "classface regions", lambda _: None, wait=False) if apply else nullcontext():
        yield read_written_regions(archive.layout)


def with_paths_now(
    layout: ArchiveLayout, record: pl.DataFrame, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The record and some of its rows, each row once more for every other place in which its picture lies now.

    A sidecar may have been moved with its photo, and a file copied. What is not there holds nothing.
    """
    is_theirs = pl.col("asset_id").is_in(rows["asset_id"].unique().to_list())
    files = [image_parts(layout, year).read(["asset_id", "path"]) for year in list_school_years(layout)]
    now = [one.filter(is_theirs).select("asset_id", "path") for one in files if one.width]
    if not now:
        return record, rows
    more = rows.drop("path").join(pl.concat(now).unique(), on="asset_id").select(rows.columns)
    rows, record = (pl.concat([one, more]).unique(_ROW, maintain_order=True) for one in (rows, record))
    return record, rows


def forget_rows(layout: ArchiveLayout, rows: pl.DataFrame, done: Sequence[Key]) -> None:
    """Remove rows of these files from the record, and backups of files that hold nothing of ours any more."""
    record = read_written_regions(layout)
    finished = pl.DataFrame(
        [(path, place.value) for path, place in done], schema={"path": pl.String, "place": pl.String}, orient="row"
    )
    gone = rows.join(finished, on=["path", "place"], how="semi")
    left = record.join(gone, on=_ROW, how="anti")
    store_written_regions(layout, left)
    remaining = rows_by_key(left)
    remove_backups(layout, [key for key in done if key not in remaining])
