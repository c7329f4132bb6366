"""Runs as jobs of a Ray cluster, with the extra `ray`: what `dagster.yaml` names as its launcher."""

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult
from dagster_ray import RayRunLauncher as Launcher

from classface_assets.orchestration.records.launchers.own_runs import health_of_own


class RayRunLauncher(Launcher):
    """Dagster's own, but for runs that it did not launch."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a run goes on."""
        return health_of_own(run, super().check_run_worker_health)
