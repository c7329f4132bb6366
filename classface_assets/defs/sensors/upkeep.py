"""Sensors that tidy up: runs whose process was killed, and Dagster's records of old runs."""

import dagster as dg

from classface_assets.orchestration.instance import fail_dead_runs
from classface_assets.orchestration.records.retention import prune_records_if_due
from classface_assets.orchestration.records.run_processes import CODE_SERVER_TAG
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, names_of


def is_launched_here(run: dg.DagsterRun) -> bool:
    """Whether the code server of this machine started the run's process, so that a missing process means that it died.

    A run of `classface run` may belong to another machine or container that shares the records.
    """
    return CODE_SERVER_TAG in run.tags


def killed_runs_of(names: ArchiveNames) -> dg.SensorDefinition:
    """The sensor of an archive."""

    @dg.sensor(
        name="killed_runs",
        minimum_interval_seconds=names.seconds_between_ticks(60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails the runs whose process was killed, so that nothing waits for them; the next run does the "
        "rest.",
    )
    def find(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return _find_killed_runs(context, names)

    return find


def _find_killed_runs(context: dg.SensorEvaluationContext, names: ArchiveNames) -> dg.SkipReason:
    """Dagster itself does not see that a local process was killed: its run would occupy its pool for ever."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("Runs are processes of other machines here; Dagster itself watches them.")
    released = fail_dead_runs(context.instance, names, is_launched_here)
    shown = ", ".join(f"{run.job} {run.partition} ({run.run_id[:8]})" for run in released)
    return dg.SkipReason(f"Marked as failed: {shown}." if released else "No run was killed.")


killed_runs = killed_runs_of(ALONE)


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes Dagster's records of old runs once a day; what each asset was last materialized with stays.",
)
def old_records(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SkipReason:
    """How many days they are retained is a setting of the archive, CLASSFACE_RETENTION_DAYS."""
    note = prune_records_if_due(
        context.instance, archive.layout.dagster_home, archive.retention_days, names_of(archive.layout)
    )
    return dg.SkipReason(note or "No record was removed: that happens once a day.")
