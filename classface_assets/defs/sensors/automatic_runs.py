"""The sensor that makes the runs of `automatic` part of the update that they carry on, from photos to albums."""

import itertools

import dagster as dg

from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, names_of
from classface_assets.orchestration.updates.record import UPDATE_TAG
from classface_assets.orchestration.updates.tags import AUTOMATIC, BY_TAG, update_tags

SEARCHED_RUNS = 200
CARRIED_ON_S = 600.0
"""A run goes on with the update whose last run ended at most so many seconds before it was created."""


def automatic_runs_of(names: ArchiveNames) -> dg.SensorDefinition:
    """The sensor of an archive."""

    @dg.run_status_sensor(
        name="automatic_runs",
        run_status=dg.DagsterRunStatus.STARTED,
        minimum_interval_seconds=names.seconds_between_ticks(30),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Gives the runs that `automatic` starts the tag classface/update of the runs which they carry on, "
        "so that one update is one line, from the photos to the albums.",
    )
    def follow(context: dg.RunStatusSensorContext, archive: Archive, models: Models) -> None:
        _follow(context, archive, models)

    return follow


automatic_runs = automatic_runs_of(ALONE)


def _follow(context: dg.RunStatusSensorContext, archive: Archive, models: Models) -> None:
    """A run without anything before it is an update of its own."""
    run = context.dagster_run
    if run.tags.get(BY_TAG) != AUTOMATIC or UPDATE_TAG in run.tags or not names_of(archive.layout).owns_run(run):
        return
    tags = update_tags(AUTOMATIC, archive, models, carried_on(context.instance, run.run_id, names_of(archive.layout)))
    context.instance.add_run_tags(run.run_id, tags)


def carried_on(instance: dg.DagsterInstance, run_id: str, names: ArchiveNames = ALONE) -> str:
    """The id of the update that was in progress when a run was created, or had ended just before; "" for none."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return ""
    created = record.create_timestamp.timestamp()
    for earlier in itertools.islice(names.run_records(instance, cursor=run_id), SEARCHED_RUNS):
        if UPDATE_TAG in earlier.dagster_run.tags:
            is_near = earlier.end_time is None or created - earlier.end_time < CARRIED_ON_S
            return earlier.dagster_run.tags[UPDATE_TAG] if is_near else ""
    return ""
