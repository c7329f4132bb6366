"""The asset `images`: every file of a school year's folder, looked at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, decode_relative_path, encode_relative_path
from classface_assets.core.schemas import IMAGES
from classface_assets.defs.metadata import OWNERS, markdown_table, materialize_result, value_counts
from classface_assets.orchestration.failures import report_user_errors
from classface_assets.orchestration.partitions import school_year_partitions
from classface_assets.orchestration.progress import Progress
from classface_assets.orchestration.resources import Archive
from classface_assets.services.photos.lost_photos import refuse_lost_photos
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_year import conform_to_schema, image_parts, year_images
from classface_assets.store.catalog.school_years import PhotosFolderError, require_year_folders
from classface_assets.store.files.parts import PartDataset
from classface_assets.vision.photo_facts import CHANGED_REASON, NOT_OPENED_REASON, read_photo_facts

BATCH_SIZE = 256


class ImagesConfig(dg.Config):
    """What is to be taken for meant."""

    photos_are_gone: bool = Field(
        default=False,
        description="More than half of all known photos are gone, and that is meant: let them drop out. Otherwise a "
        "school year that lost most of its photos is left as it is then, for their drive may be away.",
    )


@dg.asset(
    partitions_def=school_year_partitions,
    group_name="ingest",
    kinds={"pillow", "parquet"},
    owners=OWNERS,
    check_specs=[
        dg.AssetCheckSpec(
            "every_file_is_accounted_for", asset="images", description="There is a row for each file of the folder."
        )
    ],
)
@report_user_errors
def images(
    context: dg.AssetExecutionContext,
    config: ImagesConfig,
    archive: Archive,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """Every file in a school year's folder: id of the picture, size, when it was taken, orientation, and a status.

    The status is `ok`, `duplicate` (the same bytes as another file, or its picture with other metadata), `unreadable`
    or `not a photo`, the last three with a reason. Only files that are new or changed are read, those that could not be
    opened the last time, and once those that an older version knew by their bytes alone; files that are gone drop out,
    here and in all that follows; but where most photos of the archive are gone, nothing is done. What systems left
    there (thumbnails, recycle bins) is counted only.
    """
    year, layout = context.partition_key, archive.layout
    parts = image_parts(layout, year)
    folders = _folders_of_year(layout, year, seen_before=parts.folder.exists())
    files, left_out = list_files(layout.photos, folders)
    listing = _listing_frame(files, layout.photos)
    if not config.photos_are_gone:
        refuse_lost_photos(layout, year, listing)
    known = parts.read()
    known = conform_to_schema(IMAGES, known if known.width else pl.DataFrame(schema=IMAGES))
    known = known.join(listing, on=list(parts.key), how="semi")
    by_bytes = (pl.col("status") == "ok") & pl.col("file_digest").is_null()
    again = known.filter(by_bytes | pl.col("reason").str.contains(f"^(?:{NOT_OPENED_REASON}|{CHANGED_REASON})"))
    new = listing.join(known.join(again, on="path", how="anti"), on=list(parts.key), how="anti")
    read = 0
    with progress.task(f"{year}: reading files", new.height, "files") as advance:
        for batch in new.iter_slices(BATCH_SIZE):
            rows = _read_batch(batch, year, layout, folders)
            read += _write_batch(rows, again, parts)
            advance(batch.height, errors=rows.filter(pl.col("status") == "unreadable").height)
    parts.retain(listing)
    rows = year_images(layout, year)
    photos = rows.filter(pl.col("status") == "ok")
    doubted, paged = photos.filter(pl.col("taken_at_doubt") != ""), photos.filter(pl.col("reason") != "")
    return materialize_result(
        rows.height,
        [dg.AssetCheckResult(check_name="every_file_is_accounted_for", passed=rows.height == listing.height,
                             metadata={"files in the folder": listing.height, "rows": rows.height})],
        new_files=read,
        left_out=left_out.total(),
        left_out_names=list(left_out)[:20],
        statuses=markdown_table(value_counts(rows, "status")),
        reasons=markdown_table(
            value_counts(rows.filter(~pl.col("status").is_in(["ok", "duplicate"])), "reason"), most=20
        ),
        dates=markdown_table(value_counts(photos, "taken_at_source")),
        doubted_dates=doubted.height,
        dates_in_doubt=markdown_table(doubted.select("path", "taken_at", "taken_at_source", "taken_at_doubt"), most=50),
        photos_with_pages_not_searched=paged.height,
        pages_not_searched=markdown_table(paged.select("path", "reason"), most=50),
        preview=markdown_table(rows.select("path", "width", "height", "taken_at", "status")),
        not_ok=markdown_table(rows.filter(pl.col("status") != "ok").select("path", "status", "reason"), most=50),
    )  # fmt: skip


def _folders_of_year(layout: ArchiveLayout, year: str, seen_before: bool) -> list[Location]:
    """The year's folders; none when it was there before and is gone. Raises PhotosFolderError for an unknown year."""
    by_year = require_year_folders(layout)
    if year not in by_year and not seen_before:
        there = ", ".join(by_year)
        raise PhotosFolderError(
            f"There is no folder for the school year {year} in {layout.photos} (there: {there}); "
            "check the spelling, or add the folder."
        )
    return by_year.get(year, [])


def _listing_frame(files: list[FileEntry], photos: Location) -> pl.DataFrame:
    """path, size and time of change of every file: what tells a file that was looked at from a new one."""
    rows = [(encode_relative_path(file.path, photos), file.size, file.mtime_ns) for file in files]
    schema = {"path": pl.String(), "size": pl.Int64(), "mtime_ns": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _read_batch(listing: pl.DataFrame, year: str, layout: ArchiveLayout, folders: Sequence[Location]) -> pl.DataFrame:
    """Read the facts of some listed files, four at a time. Raises PhotosFolderError when the folder itself is gone."""
    with ThreadPoolExecutor(4) as pool:
        facts = list(
            pool.map(lambda path: read_photo_facts(decode_relative_path(layout.photos, path), path), listing["path"])
        )
    if any(fact.reason.startswith(NOT_OPENED_REASON) for fact in facts):
        require_year_folders(layout)  # else it is not this file that is broken, and it gets no row
        gone = [folder for folder in folders if not folder.exists()]
        if gone:
            raise PhotosFolderError(f"{gone[0]} went away while it was read; bring it back, or run again without it.")
    listed = listing.with_columns(pl.lit(year).alias("school_year")).iter_rows(named=True)
    rows = [{**asdict(fact), **file} for fact, file in zip(facts, listed, strict=True)]
    return pl.DataFrame(rows, schema=IMAGES)


def _write_batch(rows: pl.DataFrame, again: pl.DataFrame, parts: PartDataset) -> int:
    """Write the rows as one part, but for those that say what they said `again` and again; returns how many."""
    fresh = rows.join(again, on=["path", "status", "reason", "file_digest"], how="anti", nulls_equal=True)
    if again.join(fresh, on="path", how="semi").height:
        parts.replace(fresh)
    else:
        parts.append(fresh)
    return fresh.height
