"""The code location that runs of this process belong to: without one Dagster's timeline and its jobs leave them out."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.definitions_class import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from classface_assets.core.errors import UserError
from classface_assets.orchestration.settings.archive_names import ArchiveNames
from classface_assets.orchestration.settings.archives import read_archives
from classface_assets.orchestration.settings.workspace_file import MODULE, TOGETHER

DEFINITIONS = "classface_assets.definitions"
"""The module that `workspace.yaml` loads, and the name of its code location."""


def repository_origin(instance: dg.DagsterInstance, names: ArchiveNames) -> RemoteRepositoryOrigin:
    """The repository of an archive, as Dagster's web server knows it by its workspace."""
    if not names.name:
        target = LoadableTargetOrigin(module_name=DEFINITIONS)
        return RemoteRepositoryOrigin(
            ManagedGrpcPythonEnvCodeLocationOrigin(target, DEFINITIONS), SINGLETON_REPOSITORY_NAME
        )
    location = TOGETHER if _is_loaded_together(instance, names) else names.name
    target = LoadableTargetOrigin(module_name=MODULE)
    return RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, location), names.name)


def origin_tags(origin: RemoteRepositoryOrigin) -> dict[str, str]:
    """The tags by which Dagster's page of a job finds its runs."""
    return {REPOSITORY_LABEL_TAG: origin.get_label()}


def record_origin(instance: dg.DagsterInstance, run_id: str, origin: RemoteRepositoryOrigin) -> None:
    """Record where the job of a run that has ended is defined; `execute_in_process` has no way to tell it.

    Dagster's storage puts it into the record of the run.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.is_finished:
        instance.run_storage.replace_job_origin(run, RemoteJobOrigin(origin, run.job_name))


def _is_loaded_together(instance: dg.DagsterInstance, names: ArchiveNames) -> bool:
    try:
        registered = read_archives(Path(instance.root_directory)).get(names.name)
    except UserError:
        return False
    return registered is not None and registered.together
