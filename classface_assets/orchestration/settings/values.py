"""What an archive's `classface.toml` may set, and the sentence for a key or value that it may not."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext, sentence
from classface_assets.core.school_years.names import parse_folder_name, school_year_start
from classface_assets.identity.settings import STORED_NAMES, AssignmentSettings, with_values
from classface_assets.orchestration.settings.value_errors import value_error_text
from classface_assets.store.backups.generations import Retention
from classface_assets.vision.models.pack_names import (
    KNOWN_NAMES,
    OWN_WEIGHTS,
    PACK_NAMES,
    canonical_name,
    is_pack_path,
    plain_name,
)

ASSIGNMENT = "assignment"
"""The table with settings of matching and clustering; `assignment.person_threshold` names one of them."""
ASSIGNMENT_KEYS = tuple(
    sorted({STORED_NAMES.get(one.name, one.name) for one in fields(AssignmentSettings)} - {"min_edge_similarity"})
)


class SettingsError(UserError):
    """A setting that does not exist, has a value that is not allowed, or a `classface.toml` that cannot be read."""


class ArchiveSettings(BaseModel):
    """The lasting settings of one archive. None: not set, so that the built-in default counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pack: str | None = Field(default=None, min_length=1)
    """the model pack, as `--pack`"""
    photos: str | None = Field(default=None, min_length=1)
    """the photos folder or URL, as `--photos`"""
    archive: str | None = Field(default=None, min_length=1)
    """what the archive is called in a Dagster that it shares with others, as `classface workspace add` sets it"""
    dagster_home: str | None = Field(default=None, min_length=1)
    """the home of the Dagster that it shares with others, as `classface workspace add` sets it"""
    browse_root: str | None = Field(default=None, min_length=1)
    """the folder below which the first page lets people choose the photos folder"""
    year_pattern: str | None = None
    """the regular expression that finds the school year in a folder's name"""
    year_start: str | None = None
    """month and day on which a school year starts"""
    most_new_years: int | None = Field(default=None, ge=0)
    """so many new folders are run as school years without a question; 0: any number"""
    retention_days: int | None = Field(default=None, ge=0)
    """days after which the records of finished runs are removed; 0: never"""
    refused: Literal["withhold", "blur", "box"] | None = None
    """what albums do with a photo of somebody who may not be shown"""
    language: Literal["en", "de", "fr", "es", "pl"] | None = None
    """the language of the albums; pages are in the language of the browser"""
    ledger_backups: str | None = None
    """how many backups of the ledger stay, such as 5+7"""
    coverage_goal: int | None = Field(default=None, ge=1, le=10_000)
    """in how many photos of a school year each student should be"""
    assignment: Mapping[str, Any] = Field(default_factory=dict)
    """thresholds of matching and clustering, as run config"""

    @field_validator("ledger_backups")
    @classmethod
    def _is_retention(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                Retention.parse(value)
            except UserError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("year_pattern", "year_start")
    @classmethod
    def _finds_school_years(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value:
            try:
                if info.field_name == "year_pattern":
                    parse_folder_name("2019-2020", value)
                else:
                    school_year_start("2019-2020", value)
            except UserError as error:
                raise ValueError(str(error)) from None
        return value


WHOLE_NUMBERS = ("most_new_years", "retention_days", "coverage_goal")
TOP_KEYS = tuple(name for name in ArchiveSettings.model_fields if name != ASSIGNMENT)
ALL_KEYS = (*TOP_KEYS, *(f"{ASSIGNMENT}.{name}" for name in ASSIGNMENT_KEYS))


def require_known_key(key: str) -> None:
    """Raises SettingsError for a key that does not exist, with the nearest one that does."""
    if key not in ALL_KEYS:
        raise SettingsError(_unknown_key(key))


def require_pack_name(name: str) -> None:
    """Raises SettingsError for what is neither a pack's name nor a path with models; nothing is downloaded."""
    canonical = canonical_name(name)
    if canonical not in PACK_NAMES and plain_name(name) not in OWN_WEIGHTS and not is_pack_path(Path(canonical)):
        near = _nearest(name, (*PACK_NAMES, *KNOWN_NAMES, *OWN_WEIGHTS))
        if near:
            raise SettingsError(
                sentence("There is no model pack %(name)s; did you mean %(near)s?", name=repr(name), near=near)
            )
        raise SettingsError(
            sentence(
                "There is no model pack %(name)s; give one of %(packs)s, or a folder with ONNX files.",
                name=repr(name),
                packs=", ".join(PACK_NAMES),
            )
        )


def parse_settings(values: Mapping[str, Any]) -> ArchiveSettings:
    """The settings of a TOML file's content.

    Raises:
        SettingsError: A key does not exist, or a value is not allowed.
    """
    assignment = values.get(ASSIGNMENT, {})
    if not isinstance(assignment, Mapping):
        raise SettingsError(gettext("%(table)s must be a table of settings, as [%(table)s].", table=ASSIGNMENT))
    unknown = [key for key in values if key not in (*TOP_KEYS, ASSIGNMENT)]
    unknown += [f"{ASSIGNMENT}.{key}" for key in assignment if key not in ASSIGNMENT_KEYS]
    for key in unknown:
        raise SettingsError(_unknown_key(key))
    try:
        with_values(AssignmentSettings(), assignment)
        return ArchiveSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        key = name if name in TOP_KEYS else f"{ASSIGNMENT}.{STORED_NAMES.get(name, name)}"
        why = _lower_first(value_error_text(first))
        raise SettingsError(
            gettext("%(key)s cannot be %(value)s: %(why)s.", key=key, value=repr(first["input"]), why=why)
        ) from None


def flat_values(settings: ArchiveSettings) -> dict[str, Any]:
    """The settings that are set, by their full keys."""
    top = {key: value for key in TOP_KEYS if (value := getattr(settings, key)) is not None}
    return top | {f"{ASSIGNMENT}.{key}": value for key, value in settings.assignment.items()}


def _unknown_key(key: str) -> str:
    inner = _nearest(key.rpartition(".")[2], ASSIGNMENT_KEYS)
    near = _nearest(key, TOP_KEYS) or (f"{ASSIGNMENT}.{inner}" if inner else "")
    if near:
        return gettext("There is no setting %(key)s; did you mean %(near)s?", key=repr(key), near=near)
    return gettext("There is no setting %(key)s; `classface settings` lists all of them.", key=repr(key))


def _nearest(word: str, words: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)), "")


def _lower_first(sentence: str) -> str:
    sentence = sentence.removeprefix("Value error, ").rstrip(".")
    return sentence[:1].lower() + sentence[1:]
