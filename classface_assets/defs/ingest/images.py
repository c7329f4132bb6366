"""The asset `images`: every file of a school year's folder, read once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.languages import marked, sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, decode_relative_path, encode_relative_path
from classface_assets.core.schemas import IMAGES, READABLE, PhotoStatus
from classface_assets.defs.asset_factory import CheckRule, archive_asset
from classface_assets.defs.memoized import parts_version, with_data_version
from classface_assets.defs.metadata import markdown_table, materialize_result, value_counts
from classface_assets.orchestration.progress import ProgressReporter
from classface_assets.orchestration.records.repaired_files import log_repaired
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import step_year
from classface_assets.services.photos.lost_photos import refuse_lost_photos
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_year import conform_to_schema, image_parts, year_images
from classface_assets.store.catalog.school_years import PhotosFolderError, require_year_folders
from classface_assets.store.files.parts import PartDataset
from classface_assets.vision.photo_facts import read_photo_facts, to_read_again

BATCH_SIZE = 256
SHOWN_YEARS = 20
EVERY_FILE_ACCOUNTED_FOR = CheckRule(
    "every_file_is_accounted_for", marked("There is a row for each file of the folder."), blocking=True
)


class ImagesConfig(dg.Config):
    """Whether photos may be missing."""

    photos_are_gone: bool = Field(
        default=False,
        description="More than half of all known photos are gone on purpose: let them drop out. Otherwise a school "
        "year that lost most of its photos is left as it is then, for their drive may not be connected.",
    )


@archive_asset(
    per_year=True,
    code_version="1",
    group_name="ingest",
    kinds={"pillow", "parquet"},
    rules=[EVERY_FILE_ACCOUNTED_FOR],
    columns=IMAGES,
)
def images(
    context: dg.AssetExecutionContext,
    config: ImagesConfig,
    archive: Archive,
    models: Models,
    progress: dg.ResourceParam[ProgressReporter],
) -> dg.MaterializeResult:
    """Every file in a school year's folder: id of the picture, size, when it was taken, orientation, and a status.

    The status is `ok`, `duplicate` (the same bytes as another file, or its picture with other metadata), `unreadable`
    or `not a photo`, the last three with a reason. Only files that are new or changed are read, those that could not be
    opened the last time, and once those that an older version identified by their bytes. Files that are gone drop out,
    here and in all assets downstream; but where most photos of the archive are gone, nothing is done. What operating
    systems left there (thumbnails, recycle bins) is only counted.
    """
    year, layout = step_year(context), archive.layout
    models.describe(layout)  # a pack that is not there is refused before thousands of files are read for it
    parts = image_parts(layout, year)
    log_repaired(context, layout, parts)
    folders = _folders_of_year(layout, year)
    files, left_out = list_files(layout.photos, folders)
    listing = _listing_frame(files, layout.photos)
    if not config.photos_are_gone:
        refuse_lost_photos(layout, year, listing)
    retried, new = _files_to_read(parts, listing)
    count = 0
    with progress.task(f"{year}: reading files", new.height, "files") as advance:
        for batch in new.iter_slices(BATCH_SIZE):
            rows = _read_batch(batch, year, layout, folders)
            count += _write_batch(rows, retried, parts)
            advance(batch.height, errors=rows.filter(pl.col("status") == PhotoStatus.UNREADABLE).height)
    parts.retain(listing)
    rows = year_images(layout, year)
    complete = EVERY_FILE_ACCOUNTED_FOR.result(
        rows.height == listing.height, **{"files in the folder": listing.height, "rows": rows.height}
    )
    result = materialize_result(
        rows.height,
        [complete],
        new_files=count,
        left_out=left_out.total(),
        left_out_names=", ".join(list(left_out)[:20]) or "none",
        **_image_metadata(rows),
    )
    return with_data_version(result, parts_version(parts))


def _image_metadata(rows: pl.DataFrame) -> dict[str, Any]:
    """What there is among the files (IMAGES) of a school year."""
    photos = rows.filter(pl.col("status") == PhotoStatus.OK)
    doubted, paged = photos.filter(pl.col("taken_at_doubt") != ""), photos.filter(pl.col("reason") != "")
    rejected = rows.filter(~pl.col("status").is_in(READABLE))
    return {
        "statuses": markdown_table(value_counts(rows, "status")),
        "reasons": markdown_table(value_counts(rejected, "reason"), most=20),
        "dates": markdown_table(value_counts(photos, "taken_at_source")),
        "doubted_dates": doubted.height,
        "dates_in_doubt": markdown_table(
            doubted.select("path", "taken_at", "taken_at_source", "taken_at_doubt"), most=50
        ),
        "photos_with_pages_not_searched": paged.height,
        "pages_not_searched": markdown_table(paged.select("path", "reason"), most=50),
        "preview": markdown_table(rows.select("path", "width", "height", "taken_at", "status")),
        "not_ok": markdown_table(
            rows.filter(pl.col("status") != PhotoStatus.OK).select("path", "status", "reason"), most=50
        ),
    }


def _files_to_read(parts: PartDataset, listing: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Which files of a school year have to be read.

    Args:
        parts: What is known of the year's files.
        listing: path, size and mtime_ns of every file.

    Returns:
        The known rows (IMAGES) of files that are read again; and the listing of all files to read.
    """
    known = parts.read()
    known = conform_to_schema(IMAGES, known if known.width else pl.DataFrame(schema=IMAGES))
    known = known.join(listing, on=list(parts.key), how="semi")
    known_by_bytes_alone = (pl.col("status") == PhotoStatus.OK) & pl.col("file_digest").is_null()
    retried = known.filter(known_by_bytes_alone | to_read_again(known))
    return retried, listing.join(known.join(retried, on="path", how="anti"), on=list(parts.key), how="anti")


def _folders_of_year(layout: ArchiveLayout, year: str) -> list[Location]:
    """The year's folders; none where it was known and is gone. Raises PhotosFolderError for an unknown year."""
    by_year = require_year_folders(layout)
    if year not in by_year and not image_parts(layout, year).folder.exists():
        raise PhotosFolderError(
            sentence(
                "There is no folder for the school year %(year)s in %(folder)s (there: %(years)s); check the spelling, "
                "or add the folder.",
                year=year,
                folder=layout.photos,
                years=_shortened(list(by_year)),
            )
        )
    return by_year.get(year, [])


def _shortened(years: Sequence[str]) -> str:
    """The school years in a sentence: all where they are few, else the first ones and the last."""
    shown = list(years) if len(years) <= SHOWN_YEARS else [*years[: SHOWN_YEARS - 2], "…", years[-1]]
    return ", ".join(shown)


def _listing_frame(files: list[FileEntry], photos: Location) -> pl.DataFrame:
    """path, size and mtime_ns of every file, by which a new or changed file is recognised."""
    rows = [(encode_relative_path(file.path, photos), file.size, file.mtime_ns) for file in files]
    schema = {"path": pl.String(), "size": pl.Int64(), "mtime_ns": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _read_batch(listing: pl.DataFrame, year: str, layout: ArchiveLayout, folders: Sequence[Location]) -> pl.DataFrame:
    """IMAGES of some listed files, read four at a time. Raises PhotosFolderError when the folder itself is gone."""
    with ThreadPoolExecutor(4) as pool:
        facts = list(
            pool.map(lambda path: read_photo_facts(decode_relative_path(layout.photos, path), path), listing["path"])
        )
    if any(fact.read_again for fact in facts):
        require_year_folders(layout)  # else it is not this file that is broken, and it gets no row
        gone = [folder for folder in folders if not folder.exists()]
        if gone:
            raise PhotosFolderError(
                sentence(
                    "%(folder)s disappeared while it was read; put it back, or run again without it.", folder=gone[0]
                )
            )
    listed = listing.with_columns(pl.lit(year).alias("school_year")).iter_rows(named=True)
    rows = [{**asdict(fact), **file} for fact, file in zip(facts, listed, strict=True)]
    return pl.DataFrame(rows, schema=IMAGES)


def _write_batch(rows: pl.DataFrame, retried: pl.DataFrame, parts: PartDataset) -> int:
    """Write the rows as one part, without retried ones that came out the same; returns how many were written."""
    fresh = rows.join(retried, on=["path", "status", "reason", "file_digest"], how="anti", nulls_equal=True)
    if retried.join(fresh, on="path", how="semi").height:
        parts.replace(fresh)
    else:
        parts.append(fresh)
    return fresh.height
