"""Whether what executes a run still goes on: a process of this machine, or a worker that a launcher watches elsewhere.

Numbers of processes say something on the machine alone that they are of. Where machines share Dagster's records, a run
therefore has the name of its machine as a tag.
"""

import logging
import socket
import time
from collections.abc import Callable

import dagster as dg
import psutil
from dagster._core.launcher.base import RunLauncher, WorkerStatus

from classface_assets.orchestration.settings.archive_names import HOST_TAG, are_shared

PID_REPORT_TIMEOUT_S = 60
CODE_SERVER_TAG = ".dagster/grpc_info"
"""The tag by which Dagster's default launcher finds the process of a run again."""
_LOG = logging.getLogger(__name__)
_GONE = (WorkerStatus.FAILED, WorkerStatus.NOT_FOUND)


def is_dead(
    instance: dg.DagsterInstance, record: dg.RunRecord, of_this_machine: Callable[[dg.DagsterRun], bool] | None
) -> bool:
    """Whether nothing executes an unfinished run any more. In doubt it goes on.

    Args:
        instance: Where it is recorded.
        record: Of the run.
        of_this_machine: Whether the run's process would be one of this machine; None where that is not known, so that
            its tag says so where machines share the records.
    """
    run, launcher = record.dagster_run, instance.run_launcher
    if run.remote_job_origin is not None and launcher.supports_check_run_worker_health:
        return _is_old_enough(record) and _is_gone(launcher, run)
    if of_this_machine is not None and not of_this_machine(run):
        return False
    host = run.tags.get(HOST_TAG, "" if of_this_machine is None else socket.gethostname())
    if are_shared(instance) and host != socket.gethostname():
        return False
    return not _has_process(instance, run.run_id, record.start_time)


def _is_gone(launcher: RunLauncher, run: dg.DagsterRun) -> bool:
    """Whether the launcher knows that a run's worker has ended."""
    try:
        return launcher.check_run_worker_health(run).status in _GONE
    except Exception as error:  # whatever the service says that is not reached from this machine
        _LOG.warning("Whether run %s goes on cannot be seen from here (%s).", run.run_id, error)
        return False


def _is_old_enough(record: dg.RunRecord) -> bool:
    """Whether its worker had the time to begin: that it never did, Dagster notices by itself."""
    return record.start_time is not None and time.time() - record.start_time > PID_REPORT_TIMEOUT_S


def _has_process(instance: dg.DagsterInstance, run_id: str, started_at: float | None) -> bool:
    """Whether the process that executes the run exists, and is not a younger one with the same number."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    pids = [e.dagster_event.engine_event_data.metadata.get("pid") for e in events if e.dagster_event]
    numbers = [int(str(pid.value)) for pid in pids if pid is not None]
    if not numbers:  # a run reports its process a moment after it has started
        # A start in the future is that of a clock which was wrong, and no reason to wait until then.
        return started_at is None or abs(time.time() - started_at) < PID_REPORT_TIMEOUT_S
    try:
        process = psutil.Process(numbers[-1])
        is_zombie = process.status() == psutil.STATUS_ZOMBIE  # killed, and its parent has not collected it yet
        return not is_zombie and (started_at is None or process.create_time() <= started_at + 1)
    except psutil.NoSuchProcess:
        return False
