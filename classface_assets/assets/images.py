"""The asset `images`: every file of a school year's folder, looked at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.assets.common import OWNERS, counted, result, table
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.lost_photos import refuse_lost_photos
from classface_assets.partitions import school_years, year_listing
from classface_assets.places import Entry, Place, path_text, place_of
from classface_assets.progress import Progress
from classface_assets.resources import Archive
from classface_assets.store.layout import Layout
from classface_assets.store.parts import Parts
from classface_assets.store.schemas import IMAGES
from classface_assets.store.year_parts import image_parts, year_images
from classface_assets.store.years import PhotosFolderError, folders_still_there
from classface_assets.vision.photos import CHANGED, NOT_OPENED, read_facts

BATCH = 256


class ImagesConfig(dg.Config):
    """What is to be taken for meant."""

    photos_are_gone: bool = Field(
        default=False,
        description="More than half of all known photos are gone, and that is meant: let them drop out. Otherwise a "
        "school year that lost most of its photos is left as it is then, for their drive may be away.",
    )


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
    context: dg.AssetExecutionContext,
    config: ImagesConfig,
    archive: Archive,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult:
    """Every file in a school year's folder: content id, size, when it was taken, orientation, and a status.

    The status is `ok`, `duplicate` (the same bytes as another file), `unreadable` or `not a photo`, the last three with
    a reason. Only files that are new or changed are read, and those that could not be opened the last time; files that
    are gone drop out, here and in all that follows; but where most photos of the archive are gone, nothing is done.
    """
    year, layout = context.partition_key, archive.layout
    parts = image_parts(layout, year)
    folders = _folders(layout, year, seen_before=parts.folder.exists())
    listing = _listing(year_listing(layout.photos, folders), layout.photos)
    if not config.photos_are_gone:
        refuse_lost_photos(layout, year, listing)
    known = parts.read()
    known = known.join(listing, on=list(parts.key), how="semi") if known.width else pl.DataFrame(schema=IMAGES)
    again = known.filter(pl.col("reason").str.contains(f"^(?:{NOT_OPENED}|{CHANGED})"))
    new = listing.join(known.join(again, on="path", how="anti"), on=list(parts.key), how="anti")
    read = 0
    with progress.task(f"{year}: reading files", new.height, "files") as advance:
        for batch in new.iter_slices(BATCH):
            rows = _look_at(batch, year, layout, folders)
            read += _put(rows, again, parts)
            advance(batch.height, errors=rows.filter(pl.col("status") == "unreadable").height)
    parts.keep(listing)
    rows = year_images(layout, year)
    photos = rows.filter(pl.col("status") == "ok")
    return result(
        rows.height,
        [dg.AssetCheckResult(check_name="every_file_is_accounted_for", passed=rows.height == listing.height,
                             metadata={"files in the folder": listing.height, "rows": rows.height})],
        new_files=read,
        statuses=table(counted(rows, "status")),
        reasons=table(counted(rows.filter(~pl.col("status").is_in(["ok", "duplicate"])), "reason"), most=20),
        dates=table(counted(photos, "taken_at_source")),
        preview=table(rows.select("path", "width", "height", "taken_at", "status")),
        not_ok=table(rows.filter(pl.col("status") != "ok").select("path", "status", "reason"), most=50),
    )  # fmt: skip


def _folders(layout: Layout, year: str, seen_before: bool) -> list[Place]:
    """The year's folders; none when it was there before and is gone. Raises PhotosFolderError for an unknown year."""
    by_year = folders_still_there(layout)
    if year not in by_year and not seen_before:
        there = ", ".join(by_year)
        raise PhotosFolderError(
            f"There is no folder for the school year {year} in {layout.photos} (there: {there}); "
            "check the spelling, or add the folder."
        )
    return by_year.get(year, [])


def _listing(files: list[Entry], photos: Place) -> pl.DataFrame:
    """path, size and time of change of every file: what tells a file that was looked at from a new one."""
    rows = [(path_text(file.path, photos), file.size, file.mtime_ns) for file in files]
    schema = {"path": pl.String(), "size": pl.Int64(), "mtime_ns": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _look_at(listing: pl.DataFrame, year: str, layout: Layout, folders: Sequence[Place]) -> pl.DataFrame:
    """Read the facts of some listed files, four at a time. Raises PhotosFolderError when the folder itself is gone."""
    with ThreadPoolExecutor(4) as pool:
        facts = list(pool.map(lambda path: read_facts(place_of(layout.photos, path), path), listing["path"]))
    if any(fact.reason.startswith(NOT_OPENED) for fact in facts):
        folders_still_there(layout)  # else it is not this file that is broken, and it gets no row
        gone = [folder for folder in folders if not folder.exists()]
        if gone:
            raise PhotosFolderError(f"{gone[0]} went away while it was read; bring it back, or run again without it.")
    listed = listing.with_columns(pl.lit(year).alias("school_year")).iter_rows(named=True)
    rows = [{**asdict(fact), **file} for fact, file in zip(facts, listed, strict=True)]
    return pl.DataFrame(rows, schema=IMAGES)


def _put(rows: pl.DataFrame, again: pl.DataFrame, parts: Parts) -> int:
    """Write the rows as one part, but for those that say what they said `again` and again; returns how many."""
    fresh = rows.join(again, on=["path", "status", "reason"], how="anti")
    changed = again.join(fresh, on="path", how="semi")
    if changed.height:
        parts.keep(parts.read(list(parts.key)).join(changed, on="path", how="anti"))
    parts.append(fresh)
    return fresh.height
