"""Runs as containers of Docker, with the extra `docker`: what `dagster.yaml` names as its launcher."""

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult
from dagster_docker import DockerRunLauncher as Launcher

from classface_assets.orchestration.records.launchers.own_runs import health_of_own


class DockerRunLauncher(Launcher):
    """Dagster's own, but for runs that it did not launch."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a run goes on."""
        return health_of_own(run, super().check_run_worker_health)
