"""The sensor that matches all faces again when people have named some."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.defs.automation import JOBS
from classface_assets.defs.unchanged import ChangeDetector
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.orchestration.updates.tags import update_tags
from classface_assets.services.photos.manual_faces import photos_with_new_boxes, school_years_of_photos
from classface_assets.store.model.events import DRAWING_KINDS

QUIET_PERIOD = timedelta(minutes=1)


def is_quiet(last: str, now: datetime) -> bool:
    """Whether the ledger was not written to for a while, so that a burst of names starts one run.

    A last event that lies in the future, since a clock was wrong, is no burst: else nothing would run until then.

    Args:
        last: ISO time of the last event.
        now: The current time.
    """
    return abs(now - datetime.fromisoformat(last)) >= QUIET_PERIOD


@dg.sensor(
    jobs=[JOBS.identify, JOBS.ingest_year],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Watches the ledger: when people have named faces and pause for a minute, all faces are matched again; "
    "school years in which faces were drawn are ingested first.",
)
def decisions(context: dg.SensorEvaluationContext, archive: Archive, models: Models) -> dg.SensorResult | dg.SkipReason:
    """One run for all decisions since the last one; `automatic` carries on the school years that are ingested.

    None for decisions that count already, since `classface run` came first.
    """
    try:
        ledger = archive.open_ledger()
        last = ledger.last()
    except UserError as error:
        return dg.SkipReason(str(error))
    if last is None or str(last[0]) == context.cursor:
        return dg.SkipReason("No decision was made since the last run.")
    if not is_quiet(last[1], datetime.now(UTC)):
        return dg.SkipReason("Somebody is still naming; the faces are matched when there was no decision for a minute.")
    detector = ChangeDetector(archive, models, context.instance)
    photos = photos_with_new_boxes(ledger.events(kinds=DRAWING_KINDS), int(context.cursor or 0))
    try:
        drawn = school_years_of_photos(archive.layout, photos)
        unchanged = detector.years(drawn) if drawn else set()
        if unchanged == set(drawn) and detector.students():
            return dg.SensorResult(skip_reason="The last decisions count already.", cursor=str(last[0]))
    except UserError as error:
        return dg.SkipReason(str(error))
    years = [year for year in drawn if year not in unchanged]
    tags, key = update_tags("decisions", archive, models), f"ledger {last[0]}"
    return dg.SensorResult(
        run_requests=[
            *(dg.RunRequest(f"{key} {y}", job_name="ingest_year", partition_key=y, tags=tags) for y in years),
            dg.RunRequest(key, job_name="identify", tags=tags),
        ],
        dynamic_partitions_requests=[names_of(archive.layout).school_years.build_add_request(years)] if years else [],
        cursor=str(last[0]),
    )
