"""Runs that ended badly: failed ones are told in a sentence, killed ones are freed."""

import dagster as dg

from classface_assets.failures import why_it_failed
from classface_assets.home import release

LAUNCHED_BY_CODE_SERVER = ".dagster/grpc_info"
"""The tag by which Dagster's default launcher finds the process of a run again."""


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes every failed run to the log, with its school year and the sentence that says why.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """The sentence is the step's own, or that of the run when no step of it failed."""
    run = context.dagster_run
    reasons = [why_it_failed(event.event_specific_data) for event in context.get_step_failure_events()]
    why = "; ".join(reasons) or context.failure_event.message
    context.log.error(f"Run {run.run_id} of {run.tags.get('dagster/partition', 'all years')} failed: {why}")


def launched_here(run: dg.DagsterRun) -> bool:
    """Whether the code server of this machine started the run's process, so that its absence means its death.

    A run of `classface run` may belong to another machine or container that shares the records.
    """
    return LAUNCHED_BY_CODE_SERVER in run.tags


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends the runs whose process was killed, so that nothing waits for them; the next run does the rest.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Dagster itself does not see that a local process was killed: its run would keep its pool for ever."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("Runs are processes of other machines here; Dagster itself watches them.")
    freed = release(context.instance, launched_here)
    told = ", ".join(f"{run.job} {run.partition} ({run.run_id[:8]})" for run in freed)
    return dg.SkipReason(f"Freed: {told}." if freed else "No run was killed.")
