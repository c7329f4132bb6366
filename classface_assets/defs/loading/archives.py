"""What Dagster loads of archives that share it: this module has a repository of each, under its name.

`classface workspace` writes the code locations: `attribute: archive_north` loads that archive alone, in a process of
its own; no attribute, all that were added with --together. A run loads its own archive only. Where none is listed in
Dagster's home, as in a container, the environment names the archive (CLASSFACE_ARCHIVE).
"""

import functools
import os
from pathlib import Path
from typing import Any

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.defs.loading.build import repository_with
from classface_assets.defs.loading.migration_scripts import read_migration_scripts_once
from classface_assets.orchestration.configured_resources import (
    UnusableArchive,
    default_resources,
    resolve_archive,
    resolve_models,
)
from classface_assets.orchestration.records.sqlite.connections import keep_records_open
from classface_assets.orchestration.resources import Archive, LoggedProgress, Models
from classface_assets.orchestration.settings.archives import RegisteredArchive, read_archives
from classface_assets.orchestration.settings.values import ArchiveSettings
from classface_assets.orchestration.settings.workspace_file import ATTRIBUTE_PREFIX


def __getattr__(name: str) -> dg.RepositoryDefinition:
    """The repository of an archive, made when Dagster asks for it."""
    if not name.startswith(ATTRIBUTE_PREFIX):
        raise AttributeError(name)
    return _repository(name.removeprefix(ATTRIBUTE_PREFIX))


def __dir__() -> list[str]:
    """The archives that this code location loads where it has no attribute."""
    together = [archive.name for archive in _registered().values() if archive.together]
    names = together or [name for name in (os.environ.get("CLASSFACE_ARCHIVE"),) if name]
    return [f"{ATTRIBUTE_PREFIX}{name}" for name in names]


@functools.cache
def _repository(name: str) -> dg.RepositoryDefinition:
    read_migration_scripts_once()
    keep_records_open()
    archive = _registered().get(name)
    if archive is not None:
        return repository_with(registered_resources(archive))
    if name == os.environ.get("CLASSFACE_ARCHIVE"):
        return repository_with(default_resources())
    raise AttributeError(f"There is no archive {name!r} in {os.environ.get('DAGSTER_HOME') or 'DAGSTER_HOME'}.")


@functools.cache
def _registered() -> dict[str, RegisteredArchive]:
    home = os.environ.get("DAGSTER_HOME")
    return read_archives(Path(home)) if home else {}


def registered_resources(registered: RegisteredArchive) -> dict[str, Any]:
    """Resource key → the resource of an archive of a shared Dagster: by the list in its home, and its `classface.toml`.

    Of the environment counts only what holds for all archives. A `classface.toml` that cannot be used, or that names
    another archive, fails the runs of this one; the others are loaded.
    """
    places = (registered.photos or None, registered.data, registered.local or None)
    kind: type[Archive] = Archive
    try:
        resolved = resolve_archive(*places, name=registered.name)
        pack = registered.pack or resolve_models(archive=resolved).pack
    except UserError:
        kind, resolved = UnusableArchive, resolve_archive(*places, lasting=ArchiveSettings(), name=registered.name)
        pack = registered.pack or resolve_models().pack
    variable = registered.ledger_variable
    archive = {
        **resolved.model_dump(),
        "dagster_home": os.environ.get("DAGSTER_HOME", ""),
        "ledger": dg.EnvVar(variable) if variable else "",
    }
    return {"archive": kind(**archive), "models": Models(pack=pack), "progress": LoggedProgress()}
