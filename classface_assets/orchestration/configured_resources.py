"""The resources as the environment and `classface.toml` configure them."""

import os
from pathlib import Path
from typing import Any, cast

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.languages import ENGLISH, LANGUAGES
from classface_assets.core.layout import MOST_NEW_YEARS, ArchiveLayout
from classface_assets.core.locations import parse_local_folder, parse_location
from classface_assets.orchestration.resources import (
    RETENTION_DAYS,
    AlbumLanguage,
    Archive,
    LoggedProgress,
    Models,
    RefusedMode,
)
from classface_assets.orchestration.settings.archive_names import require_archive_name
from classface_assets.orchestration.settings.file import SETTINGS_FILE, read_settings, settings_path
from classface_assets.orchestration.settings.values import ArchiveSettings
from classface_assets.store.backups.generations import Retention
from classface_assets.store.consent.allowed_photos import RefusedFaces
from classface_assets.store.published.shared_files import pull

ENVIRONMENT = {
    "photos": "CLASSFACE_PHOTOS",
    "data": "CLASSFACE_DATA",
    "local": "CLASSFACE_LOCAL",
    "ledger": "CLASSFACE_LEDGER",
    "ledger_backups": "CLASSFACE_LEDGER_BACKUPS",
    "name": "CLASSFACE_ARCHIVE",
    "year_pattern": "CLASSFACE_YEAR_PATTERN",
    "year_start": "CLASSFACE_YEAR_START",
    "most_new_years": "CLASSFACE_MOST_NEW_YEARS",
    "retention_days": "CLASSFACE_RETENTION_DAYS",
}
"""Field of Archive → the environment variable that it comes from. (CLASSFACE_REFUSED is checked when it is read.)"""
NUMBERS = ("most_new_years", "retention_days")
"""Fields of Archive that are whole numbers."""


def resolve_archive(
    photos: str | Path | None = None,
    data: str | Path | None = None,
    local: str | Path | None = None,
    *,
    lasting: ArchiveSettings | None = None,
    name: str | None = None,
) -> Archive:
    """The archive of these folders or URLs; what is not given comes from the environment, then from `classface.toml`.

    Args:
        photos: Else CLASSFACE_PHOTOS, else as the archive's settings say, else the folder `photos` below the data.
        data: Else CLASSFACE_DATA, else `data`.
        local: Else CLASSFACE_LOCAL, else the data folder, or `data` where that is at a URL.
        lasting: In place of `classface.toml`.
        name: What it is called in Dagster; else CLASSFACE_ARCHIVE, else as the archive's settings say.

    Raises:
        StorageError: A URL cannot be one.
        UserError: An environment variable or a setting has a value that is not allowed.
    """
    data_location = parse_location(str(data or os.environ.get("CLASSFACE_DATA") or "data"))
    local = local or os.environ.get("CLASSFACE_LOCAL") or (None if isinstance(data_location, Path) else "data")
    if lasting is None:
        own_folder = parse_local_folder(str(local or data_location))
        pull(ArchiveLayout(data_location, data_location, own_folder))
        lasting = read_settings(own_folder)
    refused = os.environ.get("CLASSFACE_REFUSED") or lasting.refused or RefusedFaces.WITHHOLD.value
    Retention.parse(os.environ.get("CLASSFACE_LEDGER_BACKUPS") or "5+7")
    if refused not in list(RefusedFaces):
        raise UserError(f"CLASSFACE_REFUSED is {refused!r}; set it to {' or '.join(RefusedFaces)}, or to nothing.")
    language = os.environ.get("CLASSFACE_LANGUAGE") or lasting.language or ENGLISH
    if language not in LANGUAGES:
        raise UserError(f"CLASSFACE_LANGUAGE is {language!r}; set it to {' or '.join(LANGUAGES)}, or to nothing.")
    photos = photos or os.environ.get("CLASSFACE_PHOTOS") or lasting.photos
    name = _archive_name(lasting, name)
    return Archive(
        name=name,
        dagster_home=lasting.dagster_home or (os.environ.get("DAGSTER_HOME", "") if name else ""),
        photos=str(parse_location(str(photos)) if photos else data_location / "photos"),
        data=str(data_location),
        local=str(parse_local_folder(str(local))) if local else "",
        ledger=os.environ.get("CLASSFACE_LEDGER", ""),
        ledger_backups=os.environ.get("CLASSFACE_LEDGER_BACKUPS") or lasting.ledger_backups or "",
        year_pattern=os.environ.get("CLASSFACE_YEAR_PATTERN") or lasting.year_pattern or "",
        year_start=os.environ.get("CLASSFACE_YEAR_START") or lasting.year_start or "09-01",
        most_new_years=_number("CLASSFACE_MOST_NEW_YEARS", lasting.most_new_years, MOST_NEW_YEARS),
        retention_days=_number("CLASSFACE_RETENTION_DAYS", lasting.retention_days, RETENTION_DAYS),
        refused=cast("RefusedMode", refused),
        language=cast("AlbumLanguage", language),
    )


def _archive_name(lasting: ArchiveSettings, given: str | None) -> str:
    """What the archive is called in Dagster. Raises UserError where two names are given for it."""
    source = "CLASSFACE_ARCHIVE" if given is None else "Its name in Dagster"
    given = given or os.environ.get("CLASSFACE_ARCHIVE") or ""
    if given and lasting.archive and given != lasting.archive:
        raise UserError(
            f"{source} is {given!r}, but this archive is {lasting.archive!r} by its {SETTINGS_FILE}; name the other "
            "archive's data folder, or set one of the two names right."
        )
    name = given or lasting.archive or ""
    return require_archive_name(name) if name else ""


def _number(variable: str, lasting: int | None, default: int) -> int:
    """The whole number that an environment variable is set to, else the setting. Raises UserError for anything else."""
    given = os.environ.get(variable) or str(default if lasting is None else lasting)
    if not given.isascii() or not given.isdigit():
        raise UserError(f"{variable} is {given!r}; set it to a whole number from 0, or to nothing.")
    return int(given)


def resolve_models(pack: str | None = None, archive: Archive | None = None) -> Models:
    """The model pack of that name, else that of CLASSFACE_PACK, else of the archive's settings, else `builtin`.

    Raises:
        UserError: The settings of the archive cannot be read.
    """
    given = pack or os.environ.get("CLASSFACE_PACK")
    lasting = None if given or archive is None else read_settings(archive.layout.local).pack
    return Models(pack=given or lasting or "builtin")


class UnusableArchive(Archive):
    """An archive whose `classface.toml` could not be used when Dagster loaded it: no run or sensor of it starts."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Called by Dagster at the start of a run, and before sensors.

        Raises:
            UserError: What was wrong, or that it was mended after Dagster had taken other values for it.
        """
        resolve_archive(None, self.data, self.local or None, name=self.name or None)
        raise UserError(f"{settings_path(self.layout.local)} can be used again; reload the code location in Dagster.")


def default_resources() -> dict[str, Any]:
    """Resource key → the resource that the environment configures, and `classface.toml` where it says nothing.

    Variables that are set are given to Dagster by name (`dg.EnvVar`): it reads them when a run starts, and its UI shows
    the name instead of the value, which may hold a password. A `classface.toml` that cannot be used fails the runs, not
    the loading.

    Raises:
        StorageError: A URL in the environment cannot be one.
        UserError: An environment variable has a value that is not allowed.
    """
    kind: type[Archive] = Archive
    try:
        resolved = resolve_archive()
        pack = resolve_models(archive=resolved).pack
    except UserError:
        kind, resolved, pack = UnusableArchive, resolve_archive(lasting=ArchiveSettings()), resolve_models().pack
    archive = resolved.model_dump()
    given = {field: name for field, name in ENVIRONMENT.items() if os.environ.get(name)}
    archive |= {field: dg.EnvVar.int(name) if field in NUMBERS else dg.EnvVar(name) for field, name in given.items()}
    models = Models(pack=dg.EnvVar("CLASSFACE_PACK") if os.environ.get("CLASSFACE_PACK") else pack)
    return {"archive": kind(**archive), "models": models, "progress": LoggedProgress()}
