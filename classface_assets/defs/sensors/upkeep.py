"""Sensors that tidy up: runs whose process was killed, and Dagster's records of old runs."""

import dagster as dg

from classface_assets.orchestration.instance import fail_dead_runs
from classface_assets.orchestration.records.retention import prune_records_if_due
from classface_assets.orchestration.resources import Archive

CODE_SERVER_TAG = ".dagster/grpc_info"
"""The tag by which Dagster's default launcher finds the process of a run again."""


def is_launched_here(run: dg.DagsterRun) -> bool:
    """Whether the code server of this machine started the run's process, so that a missing process means that it died.

    A run of `classface run` may belong to another machine or container that shares the records.
    """
    return CODE_SERVER_TAG in run.tags


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails the runs whose process was killed, so that nothing waits for them; the next run does the rest.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Dagster itself does not see that a local process was killed: its run would occupy its pool for ever."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("Runs are processes of other machines here; Dagster itself watches them.")
    released = fail_dead_runs(context.instance, is_launched_here)
    names = ", ".join(f"{run.job} {run.partition} ({run.run_id[:8]})" for run in released)
    return dg.SkipReason(f"Marked as failed: {names}." if released else "No run was killed.")


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes Dagster's records of old runs once a day; what each asset was last materialized with stays.",
)
def old_records(context: dg.SensorEvaluationContext, archive: Archive) -> dg.SkipReason:
    """How many days they are retained is a setting of the archive, CLASSFACE_RETENTION_DAYS."""
    note = prune_records_if_due(context.instance, archive.layout.dagster_home, archive.retention_days)
    return dg.SkipReason(note or "No record was removed: that happens once a day.")
