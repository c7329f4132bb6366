"""Dagster's `workspace.yaml`: code locations are added and removed; all else in it stays as people wrote it."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError

MODULE = "classface_assets.defs.loading.archives"
ATTRIBUTE_PREFIX = "archive_"
"""What an archive is called in that module: one may have the name of something in it."""
TOGETHER = "archives"
"""The code location of the archives that share a process."""
BEFORE = "workspace.before.yaml"
LOAD_FROM = "load_from"
Location = dict[str, Any]


class WorkspaceFileError(UserError):
    """A `workspace.yaml` that cannot be understood."""


def location_of(name: str, *, together: bool) -> Location:
    """The code location of an archive: a process of its own, or the one of all that share theirs."""
    attribute = {} if together else {"attribute": f"{ATTRIBUTE_PREFIX}{name}"}
    return {"python_module": {"module_name": MODULE, **attribute, "location_name": TOGETHER if together else name}}


def read_locations(file: Path) -> list[Location]:
    """The code locations of a workspace; empty where there is no file.

    Raises:
        WorkspaceFileError: It is no workspace.
    """
    return _locations(file, file.read_text(encoding="utf-8")) if file.exists() else []


def location_names(locations: list[Location]) -> set[str]:
    """The names of these code locations, where they have one."""
    given = [value for one in locations for value in one.values() if isinstance(value, dict)]
    return {str(value["location_name"]) for value in given if "location_name" in value}


def add_location(file: Path, location: Location) -> None:
    """Add a code location at the end, unless it is there.

    Raises:
        WorkspaceFileError: The file is no workspace.
    """
    present = read_locations(file)
    if location in present:
        return
    text = file.read_text(encoding="utf-8") if present else ""
    _replace(file, [*present, location], _with_item(text, location) if present else "")


def remove_location(file: Path, location: Location) -> None:
    """Remove a code location, if it is there.

    Raises:
        WorkspaceFileError: The file is no workspace.
    """
    present = read_locations(file)
    if location not in present:
        return
    text = file.read_text(encoding="utf-8")
    left = [one for one in present if one != location]
    _replace(file, left, _without_item(text, present.index(location)) if left else "")


def _locations(file: Path, text: str) -> list[Location]:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise WorkspaceFileError(f"{file} cannot be understood ({error}); correct it first.") from None
    found = content.get(LOAD_FROM) or [] if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise WorkspaceFileError(f"{file} is no workspace of Dagster: it needs a list `{LOAD_FROM}`.")
    return found


def _replace(file: Path, locations: list[Location], edited: str) -> None:
    """Write the text that was edited where it says what it should; else all anew, with the old file beside it."""
    if not _holds_locations(edited, locations):
        if file.exists():
            shutil.copy2(file, file.with_name(BEFORE))
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
        edited = yaml.safe_dump({**(content or {}), LOAD_FROM: locations}, sort_keys=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, lambda out: out.write(edited.encode()))


def _holds_locations(text: str, locations: list[Location]) -> bool:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(content, dict) and content.get(LOAD_FROM) == locations


def _items(text: str) -> list[tuple[int, int, int]]:
    """First line, line behind the last, and column of the dash of each code location in the text."""
    root = yaml.compose(text)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    listed = next(value for key, value in pairs if key.value == LOAD_FROM)
    lines = text.splitlines()
    spans = []
    for item in listed.value:
        first, end = item.start_mark.line, item.end_mark.line
        end += item.end_mark.column > 0 and end == first
        while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1  # what stands behind an item belongs to the next one
        spans.append((first, end, listed.start_mark.column))
    return spans


def _with_item(text: str, location: Location) -> str:
    *_, (_, end, column) = _items(text)
    lines = text.splitlines()
    new = yaml.safe_dump([location], sort_keys=False).splitlines()
    return "\n".join([*lines[:end], *(" " * column + line for line in new), *lines[end:]]) + "\n"


def _without_item(text: str, number: int) -> str:
    first, end, _ = _items(text)[number]
    lines = text.splitlines()
    return "\n".join([*lines[:first], *lines[end:]]) + "\n"
