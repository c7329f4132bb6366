"""Dagster's home inside the local folder: its settings, its instance, and the runs there whose process is gone."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import dagster as dg
from filelock import FileLock

from classface_assets.core.errors import UserError
from classface_assets.core.languages import marked, sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_directory
from classface_assets.orchestration.records.database import as_database_error
from classface_assets.orchestration.records.run_processes import is_dead
from classface_assets.orchestration.records.sqlite.connections import keep_records_open
from classface_assets.orchestration.records.sqlite.damaged_records import (
    as_damaged_records_error,
    require_sound_records,
)
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.orchestration.school_year_runs.years import years_phrase
from classface_assets.orchestration.settings.archive_names import ArchiveNames, place_of

UNFINISHED_STATUSES = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class DataFolderError(UserError):
    """The data folder cannot be created or written to."""


@dataclass(frozen=True)
class ReleasedRun:
    """A run whose process is gone: it is marked as failed, and its slots in the pools are free."""

    run_id: str
    job: str
    partition: str


def open_instance(layout: ArchiveLayout) -> dg.DagsterInstance:
    """The Dagster instance of an archive, created on first use; DAGSTER_HOME is set for this process.

    Raises:
        DataFolderError: The data folder cannot be written.
        StorageError: The data are at a URL that cannot be reached.
        DamagedRecordsError: Dagster's records are damaged.
    """
    home = layout.dagster_home
    settings = home / "dagster.yaml"
    list_directory(layout.data)  # a server that is away, or refuses, is better reported now than after an hour
    try:
        home.mkdir(parents=True, exist_ok=True)
        # Dagster creates its tables on first use, and fails where a second process creates them in the same moment.
        with FileLock(home / ".being_made.lock"):
            require_sound_records(home)
            if not settings.exists():
                settings.write_text((files("classface_assets.orchestration") / "dagster.yaml").read_text())
            return _load_instance(home)
    except OSError as error:
        raise DataFolderError(
            sentence(
                "The data folder %(folder)s cannot be written (%(why)s); name another one with %(option)s.",
                folder=layout.local,
                why=error.strerror,
                option=_folder_option(layout),
            )
        ) from None


def _load_instance(home: Path) -> dg.DagsterInstance:
    os.environ["DAGSTER_HOME"] = str(home)
    keep_records_open()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        return dg.DagsterInstance.get()
    except Exception as error:
        sentence = as_damaged_records_error(error) or as_database_error(error, home)
        if sentence is None:
            raise
        raise sentence from error


def _folder_option(layout: ArchiveLayout) -> str:
    return "--data or CLASSFACE_DATA" if layout.local == layout.data else "--local or CLASSFACE_LOCAL"


def fail_dead_runs(
    instance: dg.DagsterInstance,
    names: ArchiveNames | None = None,
    of_this_machine: Callable[[dg.DagsterRun], bool] | None = None,
) -> list[ReleasedRun]:
    """Mark the runs whose process was killed as failed, so that nothing waits for them any longer.

    Dagster cannot see that a local process was killed: the run would stay `started` and occupy its pool for ever.

    Args:
        instance: Where the runs are recorded.
        names: Of the archive whose runs they are; None for those of every archive.
        of_this_machine: Whether a run's process would be one of this machine; others are left alone. None where that
            is not known: then all are, unless machines share the records.

    Returns:
        The runs that were marked.
    """
    released = []
    for record in _unfinished(instance, names):
        run = record.dagster_run
        if not is_dead(instance, record, of_this_machine):
            continue
        instance.report_run_failed(run, KILLED)
        released.append(ReleasedRun(run.run_id, run.job_name, years_phrase(run.tags)))
    storage = instance.event_log_storage
    finished = {r.run_id for r in released} | {
        run_id for run_id in storage.get_concurrency_run_ids() if _is_finished(instance, run_id)
    }
    for run_id in finished:
        storage.free_concurrency_slots_for_run(run_id)
    assign_pending_pool_slots(instance)
    return released


KILLED = marked("The process of this run was killed; the next run does the rest.")
"""What Dagster records of a run whose process is gone."""


class RunInProgressError(UserError):
    """A run of this archive is in progress."""


def require_idle(instance: dg.DagsterInstance, names: ArchiveNames | None = None) -> None:
    """Mark runs whose process is dead as failed, and require that no other run is in progress.

    Args:
        instance: Where the runs are recorded.
        names: Of the archive whose runs count; None where those of every archive do.

    Raises:
        RunInProgressError: A run is in progress.
    """
    fail_dead_runs(instance, names)
    records = _unfinished(instance, names)
    if records:
        run = records[0].dagster_run
        raise RunInProgressError(
            sentence(
                "A run is in progress (%(run)s); try again when it has ended.",
                run=" ".join([run.job_name, run.run_id[:8]]) + place_of(run),
            )
        )


def _unfinished(instance: dg.DagsterInstance, names: ArchiveNames | None) -> list[dg.RunRecord]:
    """The runs in progress of an archive, or of all."""
    if names is None:
        return list(instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED_STATUSES)))
    return list(names.run_records(instance, statuses=UNFINISHED_STATUSES))


def assign_pending_pool_slots(instance: dg.DagsterInstance) -> None:
    """Let steps that wait for a slot of a pool take those that are free.

    Dagster 1.13 forgets a step that begins to wait in the very moment in which the slot becomes free: it would wait
    for ever. The slots themselves are counted, so no step gets one too many. Storages without such a queue, as that of
    an instance in memory, have nothing to assign.
    """
    storage = instance.event_log_storage
    assign = getattr(storage, "assign_pending_steps", None)
    if callable(assign):
        assign(sorted(storage.get_concurrency_keys()))


def _is_finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def prepare_instance(layout: ArchiveLayout) -> tuple[dg.DagsterInstance, list[str]]:
    """The instance with every school year of the photos folder registered, and the years that were new."""
    instance = open_instance(layout)
    return instance, register_school_years(instance, layout)
