"""What starts runs: sensors that watch the photos and the ledger, each beside the plain function that decides."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from classface_assets.automation.jobs import identify, ingest_year
from classface_assets.partitions import school_years, year_listing
from classface_assets.resources import Archive
from classface_assets.storage_errors import StorageError
from classface_assets.store.drawn import photos_drawn_in, years_of
from classface_assets.store.events import DRAWING_KINDS
from classface_assets.store.ledger import LedgerError
from classface_assets.store.year_file import YearsFileError
from classface_assets.store.years import PhotosFolderError, fingerprint, year_folders

QUIET = timedelta(minutes=1)


def changed_years(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """School years to run: new ones, those whose fingerprint changed, and those whose folder is gone."""
    return sorted(year for year in {*before, *now} if before.get(year) != now.get(year))


@dg.sensor(
    job=ingest_year,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the photos folder: a new or changed school year is run, an unchanged one is left alone.",
)
def photo_folders(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """Runs the school years that changed. A folder that cannot be read or lies empty is no reason to drop them all."""
    photos = archive.layout.photos
    try:
        folders = year_folders(archive.layout)
        now = {year: fingerprint(year_listing(photos, places)) for year, places in folders.items()}
    except (PhotosFolderError, YearsFileError, StorageError) as error:
        return dg.SkipReason(str(error))
    before = json.loads(context.cursor or "{}")
    if not now:
        return dg.SkipReason(f"There is nothing in {photos}; put a folder a school year into it, or connect its drive.")
    changed = changed_years(before, now)
    if not changed:
        return dg.SkipReason(f"Nothing new in the {len(now)} school years of {photos}.")
    # No run key: a year that comes to look as it once did, say after a photo was taken out again, is run all the same.
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=year) for year in changed],
        dynamic_partitions_requests=[school_years.build_add_request(changed)],
        cursor=json.dumps(now),
    )


def is_quiet(last: str, now: datetime) -> bool:
    """Whether nobody has said anything for a while: a burst of names is carried on once. `last`: ISO time."""
    return now - datetime.fromisoformat(last) >= QUIET


@dg.sensor(
    jobs=[identify, ingest_year],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the ledger: when people have named faces and pause for a minute, all faces are matched anew; "
    "school years in which faces were drawn are looked at first.",
)
def decisions(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    """One run for all that was said since the last one; `automatic` carries on the years that are looked at."""
    try:
        ledger = archive.open_ledger()
        last = ledger.last()
    except LedgerError as error:
        return dg.SkipReason(str(error))
    if last is None or str(last[0]) == context.cursor:
        return dg.SkipReason("Nothing was said since the last run.")
    if not is_quiet(last[1], datetime.now(UTC)):
        return dg.SkipReason("Somebody is still at it; the faces are matched when nothing was said for a minute.")
    drawn_in = photos_drawn_in(ledger.events(kinds=DRAWING_KINDS), int(context.cursor or 0))
    years = years_of(archive.layout, drawn_in)
    return dg.SensorResult(
        run_requests=[
            *(dg.RunRequest(f"ledger {last[0]} {y}", job_name="ingest_year", partition_key=y) for y in years),
            dg.RunRequest(f"ledger {last[0]}", job_name="identify"),
        ],
        dynamic_partitions_requests=[school_years.build_add_request(years)] if years else [],
        cursor=str(last[0]),
    )
