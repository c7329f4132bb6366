"""What all launchers add to Dagster's: a run that they did not launch is none of their business."""

from collections.abc import Callable

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus


def health_of_own(run: dg.DagsterRun, check: Callable[[dg.DagsterRun], CheckRunHealthResult]) -> CheckRunHealthResult:
    """The state of a run's worker, where the run was launched by Dagster.

    One of `classface run` or of the review page has no container and no job. Dagster's run monitoring would take it for
    dead and fail it; whether its process exists is looked at on its own machine (`run_processes`).

    Args:
        run: Of any origin.
        check: Asks where the launcher runs its workers.
    """
    if run.remote_job_origin is None:
        return CheckRunHealthResult(WorkerStatus.RUNNING, "It is a process that Dagster did not start.")
    return check(run)
