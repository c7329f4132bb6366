"""The asset `images`: every file of a school year's folder, looked at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import dagster as dg
import polars as pl

from classface_assets.assets.common import OWNERS, counted, result, table
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.partitions import school_years, year_listing
from classface_assets.places import Entry, Place
from classface_assets.progress import Progress
from classface_assets.resources import Archive
from classface_assets.store.facts import image_parts, year_images
from classface_assets.store.parts import Parts
from classface_assets.store.schemas import IMAGES
from classface_assets.store.years import PhotosFolderError, year_folders
from classface_assets.vision.photos import PhotoFacts, read_facts

BATCH = 256


@dg.asset(
    partitions_def=school_years,
    group_name="ingest",
    kinds={"pillow", "parquet"},
    owners=OWNERS,
    check_specs=[
        dg.AssetCheckSpec(
            "every_file_is_accounted_for", asset="images", description="There is a row for each file of the folder."
        )
    ],
)
@says_it_in_a_sentence
def images(
    context: dg.AssetExecutionContext, archive: Archive, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult:
    """Every file in a school year's folder: content id, size, when it was taken, orientation, and a status.

    The status is `ok`, `duplicate` (the same bytes as another file), `unreadable` or `not a photo`, the last three with
    a reason. Only files that are new or changed are read; files that are gone drop out, here and in all that follows.
    """
    year, layout = context.partition_key, archive.layout
    parts = image_parts(layout, year)
    files = year_listing(layout.photos, _folders(layout.photos, year, seen_before=parts.folder.exists()))
    listing = _listing(files, layout.photos)
    known = parts.read()
    known = known.join(listing, on=list(parts.key), how="semi") if known.width else pl.DataFrame(schema=IMAGES)
    new = listing.join(known, on=["path", "size", "mtime_ns"], how="anti")
    with progress.task(f"{year}: reading files", new.height, "files") as advance:
        for batch in new.iter_slices(BATCH):
            _look_at(batch, year, layout.photos, parts)
            advance(batch.height)
    parts.keep(listing)
    rows = year_images(layout, year)
    return result(
        rows.height,
        [dg.AssetCheckResult(check_name="every_file_is_accounted_for", passed=rows.height == listing.height,
                             metadata={"files in the folder": listing.height, "rows": rows.height})],
        new_files=new.height,
        statuses=table(counted(rows, "status")),
        preview=table(rows.select("path", "width", "height", "taken_at", "status")),
        not_ok=table(rows.filter(pl.col("status") != "ok").select("path", "status", "reason"), most=50),
    )  # fmt: skip


def _folders(photos: Place, year: str, seen_before: bool) -> list[Place]:
    """The year's folders; none when it was there before and is gone. Raises PhotosFolderError for an unknown year."""
    by_year = year_folders(photos)
    if year not in by_year and not seen_before:
        there = ", ".join(by_year) or "none"
        raise PhotosFolderError(
            f"There is no folder for the school year {year} in {photos} (there: {there}); "
            "check the spelling, or add the folder."
        )
    return by_year.get(year, [])


def _listing(files: list[Entry], photos: Place) -> pl.DataFrame:
    """path, size and time of change of every file: what tells a file that was looked at from a new one."""
    above = len(photos.as_posix().rstrip("/")) + 1
    rows = [(_written(file.path.as_posix()[above:]), file.size, file.mtime_ns) for file in files]
    schema = {"path": pl.String(), "size": pl.Int64(), "mtime_ns": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _written(path: str) -> str:
    """A path as text. Bytes of a name that are no UTF-8 are written as `\\xff`: such a file is then not found by it."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _facts(path: str, photos: Place) -> PhotoFacts:
    facts = read_facts(photos / path)
    if "\\x" in path and not (photos / path).exists():
        return replace(facts, reason="the file's name is not valid Unicode: rename it, and it will be read")
    return facts


def _look_at(listing: pl.DataFrame, year: str, photos: Place, parts: Parts) -> None:
    """Read the facts of some listed files, four at a time, and write them as one part."""
    with ThreadPoolExecutor(4) as pool:
        facts = list(pool.map(lambda path: _facts(path, photos), listing["path"]))
    listed = listing.with_columns(pl.lit(year).alias("school_year")).iter_rows(named=True)
    rows = [{**asdict(fact), **file} for fact, file in zip(facts, listed, strict=True)]
    parts.append(pl.DataFrame(rows, schema=IMAGES))
