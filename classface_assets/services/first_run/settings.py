"""The lasting settings of an archive: listed with where each value comes from, and written by a run that begins."""

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from classface_assets.core.errors import UserError
from classface_assets.identity.settings import OLD_NAMES, AssignmentSettings
from classface_assets.orchestration.configured_resources import ENVIRONMENT
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.file import read_settings, set_values
from classface_assets.orchestration.settings.values import (
    ALL_KEYS,
    ASSIGNMENT,
    ArchiveSettings,
    flat_values,
)

VARIABLES = {**ENVIRONMENT, "pack": "CLASSFACE_PACK", "refused": "CLASSFACE_REFUSED"}
"""Key → the environment variable that counts more."""
_BUILT_IN = {"pack": "builtin"}


@dataclass(frozen=True)
class ShownSetting:
    """One setting.

    Attributes:
        key: Its full key.
        value: Its value; None where the built-in value depends on the pack, or there is none.
        source: The environment variable, `classface.toml` or `built-in`.
        meaning: What it sets, in a sentence.
    """

    key: str
    value: Any
    source: str
    meaning: str

    @property
    def shown(self) -> str:
        """The value as people write it."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return "" if self.value is None else str(self.value)


def list_settings(archive: Archive) -> list[ShownSetting]:
    """All settings, in the order of their keys in the documentation."""
    lasting = flat_values(read_settings(archive.layout.local))
    found = []
    for key in ALL_KEYS:
        variable = VARIABLES.get(key, "")
        if variable and os.environ.get(variable):
            value: Any = os.environ[variable]
            source = variable
        elif key in lasting:
            value, source = lasting[key], "classface.toml"
        else:
            value, source = _BUILT_IN.get(key, getattr(archive, key, None)), "built-in"
        found.append(ShownSetting(key, value, source, _meaning(key)))
    return found


def overruled_sentence(key: str) -> str:
    """What to know where an environment variable counts more than a setting; empty where none is set."""
    variable = VARIABLES.get(key, "")
    if not variable or not os.environ.get(variable):
        return ""
    return f"{variable} is set to {os.environ[variable]!r} and counts more; unset it for the setting to count."


def remember_folders_and_pack(archive: Archive, models: Models) -> None:
    """Write what this run uses into `classface.toml`, as far as it is not there and is not the default place.

    A folder that cannot be written stops no run for the sake of it: the run itself reports it.
    """
    layout = archive.layout
    with suppress(UserError, OSError):
        lasting = read_settings(layout.local)
        values: dict[str, Any] = {}
        if lasting.pack != models.pack:
            values["pack"] = models.pack
        photos = str(layout.photos)
        if lasting.photos != photos and (lasting.photos is not None or photos != str(layout.data / "photos")):
            values["photos"] = photos
        if values:
            set_values(layout.local, values)


def _meaning(key: str) -> str:
    table, _, name = key.rpartition(".")
    if table == ASSIGNMENT:
        fields = AssignmentSettings.__pydantic_fields__  # type: ignore[attr-defined] # by pydantic
        description = fields[OLD_NAMES.get(name, name)].description or ""
    else:
        description = ArchiveSettings.model_fields[name].description or ""
    return " ".join(description.split())
