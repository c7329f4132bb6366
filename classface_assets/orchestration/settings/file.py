"""The file `classface.toml` in an archive's local folder: read, and changed without losing people's comments."""

import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import StorageError
from classface_assets.core.languages import gettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.settings.values import (
    ASSIGNMENT,
    WHOLE_NUMBERS,
    ArchiveSettings,
    SettingsError,
    parse_settings,
    require_known_key,
    require_pack_name,
)

SETTINGS_FILE = "classface.toml"
_HEADER = "The settings of this archive. An option or an environment variable counts more than what is written here."


def settings_path(local: Path) -> Path:
    """The file in the local folder of an archive."""
    return local / SETTINGS_FILE


def read_settings(local: Path) -> ArchiveSettings:
    """The lasting settings of the archive with this local folder; none are set where there is no file.

    Raises:
        SettingsError: The file cannot be understood.
        StorageError: The file cannot be read.
    """
    file = settings_path(local)
    try:
        return parse_settings(tomllib.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return ArchiveSettings()
    except OSError as error:
        raise StorageError(
            gettext("%(file)s cannot be read (%(why)s); make it readable.", file=file, why=error.strerror)
        ) from None
    except (SettingsError, ValueError) as error:
        raise SettingsError(gettext("%(file)s cannot be used. %(why)s", file=file, why=error)) from None


def lasting_assignment(layout: ArchiveLayout) -> dict[str, Any]:
    """The settings of matching and clustering that last, by the names of the run config."""
    return dict(read_settings(layout.local).assignment)


def set_values(local: Path, values: dict[str, Any]) -> ArchiveSettings:
    """Write settings into the file, which is made if there is none; comments and order of the others stay.

    Args:
        local: The local folder of the archive.
        values: Full key → value; None removes the key.

    Returns:
        All settings as they are now.

    Raises:
        SettingsError: A key or value is not allowed; nothing is written.
    """
    document = _read_document(settings_path(local))
    for key, value in values.items():
        require_known_key(key)
        _set(document, key, value)
    settings = parse_settings(document.unwrap())
    local.mkdir(parents=True, exist_ok=True)
    write_file(settings_path(local), lambda out: out.write(tomlkit.dumps(document).encode()))
    return settings


def parse_value(key: str, text: str) -> Any:
    """A value as somebody types it: a number or true or false where the setting is one, else the text itself.

    Raises:
        SettingsError: There is no such setting, or no such pack.
    """
    require_known_key(key)
    if key == "pack":
        require_pack_name(text)
    if not key.startswith(f"{ASSIGNMENT}.") and key not in WHOLE_NUMBERS:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _read_document(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = tomlkit.document()
        document.add(tomlkit.comment(_HEADER))
        document.add(tomlkit.nl())
        return document
    except (ParseError, ValueError) as error:
        raise SettingsError(
            gettext("%(file)s cannot be understood (%(why)s); correct it first.", file=file, why=error)
        ) from None


def _set(document: tomlkit.TOMLDocument, key: str, value: Any) -> None:
    """Set or remove one key; a table that becomes empty is removed."""
    table, _, name = key.rpartition(".")
    if table and table not in document:
        if value is None:
            return
        document.add(table, tomlkit.table())
    parent: Any = document[table] if table else document
    if value is None:
        parent.pop(name, None)
        if table and not parent:
            document.pop(table)
    else:
        parent[name] = value
