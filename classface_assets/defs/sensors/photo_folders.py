"""The sensor that runs school years whose photos are new or changed, once no copy is going on any more."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.names import join_names
from classface_assets.defs.automation import JOBS
from classface_assets.defs.unchanged import ChangeDetector
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import held_back_sentence, held_back_years
from classface_assets.orchestration.school_year_runs.years import range_tags, split_ranges
from classface_assets.orchestration.settings.archive_names import ArchiveNames, names_of
from classface_assets.orchestration.updates.tags import update_tags
from classface_assets.store.catalog.folder_watch import (
    Snapshot,
    is_being_changed,
    look,
    read_snapshot,
    write_snapshot,
)

QUIET_S = 60.0
"""A school year of which nothing was written for so many seconds is run: else a copy may be going on."""
LONGEST_WAIT_S = 3600.0
"""A school year is run all the same after so many seconds, as one in which another program writes all the time."""
SHOWN_YEARS = 5


def changed_years(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """School years to run: new ones, those whose fingerprint changed, and those whose folder is gone."""
    return sorted(year for year in {*before, *now} if before.get(year) != now.get(year))


@dg.sensor(
    job=JOBS.ingest_year,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the photos folder: a new or changed school year is run once nothing was written to it for a "
    "minute, so that no copy is going on; an unchanged one is left alone. A photo that was edited in its place is "
    "noticed within the hour.",
)
def photo_folders(
    context: dg.SensorEvaluationContext, archive: Archive, models: Models
) -> dg.SensorResult | dg.SkipReason:
    """Runs the school years that changed, and that no run has ingested since, such as one of `classface run`.

    A folder that cannot be read, or is empty, is no reason to drop them all. New folders that are too many to be school
    years wait until somebody says that they are.
    """
    layout, photos, names = archive.layout, archive.layout.photos, names_of(archive.layout)
    before: dict[str, str] = json.loads(context.cursor or "{}")
    last = read_snapshot(layout)
    if context.cursor is None:  # a sensor that was reset looks at everything
        last = replace(last, full_look_at=0.0)
    try:
        seen = look(layout, last, again=last.waiting)
        held = held_back_years(layout, seen.years)
        now = {year: fingerprint for year, fingerprint in seen.fingerprints.items() if year not in held}
        changed = changed_years(before, now) if now else []
        unchanged = ChangeDetector(archive, models, context.instance).years(changed) if changed else set()
        to_run = [year for year in changed if year not in unchanged]
        waiting = _waiting_since(archive, seen, to_run)
        if seen.years and (seen is not last or waiting != seen.waiting):
            write_snapshot(layout, replace(seen, waiting=waiting))
    except UserError as error:
        return dg.SkipReason(str(error))
    if not seen.years:
        return dg.SkipReason(
            f"There is nothing in {photos}; put one folder per school year into it, or connect its drive."
        )
    to_run = [year for year in to_run if year not in waiting]
    cursor = json.dumps(_handled(before, now, waiting))
    if not to_run:
        nothing = _waiting_sentence(list(waiting)) or f"Nothing new in the {len(now)} school years of {photos}."
        reason = dg.SkipReason(f"{held_back_sentence(layout, held)} {nothing}" if held else nothing)
        return reason if cursor == context.cursor else dg.SensorResult(skip_reason=reason, cursor=cursor)
    if waiting:
        context.log.info(_waiting_sentence(list(waiting)))
    # No run key: a year that comes to look as it once did, as when a photo is removed again, is run all the same.
    return dg.SensorResult(
        run_requests=_run_requests(context.instance, names, to_run, update_tags("photo_folders", archive, models)),
        dynamic_partitions_requests=[names.school_years.build_add_request(to_run)],
        cursor=cursor,
    )


def _run_requests(
    instance: dg.DagsterInstance, names: ArchiveNames, years: Sequence[str], tags: Mapping[str, str]
) -> list[dg.RunRequest]:
    """A run for each range of school years that follow one another, those that are registered with them included."""
    registered = instance.get_dynamic_partitions(names.school_years_name)
    ranges = split_ranges(list(dict.fromkeys([*registered, *years])), years)
    return [
        dg.RunRequest(partition_key=some[0], tags=dict(tags))
        if len(some) == 1
        else dg.RunRequest(tags={**tags, **range_tags(some)})
        for some in ranges
    ]


def _waiting_since(archive: Archive, seen: Snapshot, years: Sequence[str]) -> dict[str, float]:
    """Those of the school years that are written to at this moment, with the time since when they wait."""
    photos, now = archive.layout.photos, time.time()
    since = {year: seen.waiting.get(year, now) for year in years}
    patient = [year for year in years if 0 <= now - since[year] < LONGEST_WAIT_S]
    return {year: since[year] for year in patient if is_being_changed(photos, seen.locations(photos, year), QUIET_S)}


def _handled(before: Mapping[str, str], now: Mapping[str, str], waiting: Mapping[str, float]) -> dict[str, str]:
    """The fingerprints as they are now; of school years that wait those of the last run."""
    done = {year: fingerprint for year, fingerprint in now.items() if year not in waiting}
    return done | {year: before[year] for year in waiting if year in before}


def _waiting_sentence(years: Sequence[str]) -> str:
    """Which school years wait; "" where none does."""
    if not years:
        return ""
    names = sorted(years)
    shown = join_names(names[:SHOWN_YEARS]) if len(names) <= SHOWN_YEARS else f"{len(names)} school years"
    return (
        f"Files of {shown} are still being written, as while photos are copied; they are run when nothing was written "
        "for a minute."
    )
