"""The school years that people set by hand for folders: `years.json` in the data folder, for people to read and edit.

One line a folder: its path below the photos folder and its school year, or `none` for a folder that belongs to none:
{"Primary/Old box": "1994-1995", "Room 2001": "none"}. `.` is the photos folder itself, with its loose photos.
"""

import json
import unicodedata
from collections.abc import Mapping

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.core.school_years.folders import NO_YEAR
from classface_assets.core.school_years.names import Exactness, first_year, parse_folder_name


class YearsFileError(UserError):
    """The file with the school years of folders, or a school year to be set in it, cannot be understood."""


def years_file(layout: ArchiveLayout) -> Location:
    """Where the school years that people set lie."""
    return layout.data / "years.json"


def manual_school_years(layout: ArchiveLayout) -> dict[str, str]:
    """The school years that people set.

    Returns:
        Folder (path below the photos folder, with `/`) → school year or NO_YEAR.

    Raises:
        YearsFileError: The file cannot be understood.
    """
    file = years_file(layout)
    try:
        found = json.loads(read_file(file))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise YearsFileError(
            f"{file} cannot be read ({error}); mend it, or delete it to set no year by hand."
        ) from None
    if not isinstance(found, dict):
        raise YearsFileError(
            f'{file} must hold folders and school years, {{"Primary": "2011-2012"}}; mend or delete it.'
        )
    for folder, year in found.items():
        if not isinstance(year, str) or (year != NO_YEAR and first_year(year) is None):
            raise YearsFileError(
                f"{file} sets {folder!r} to {year!r}, which is no school year; write it like 2011-2012, or {NO_YEAR}."
            )
    return {_normalize_path(folder): year for folder, year in found.items()}


def set_school_year(layout: ArchiveLayout, folder: str, year: str) -> str:
    """Set the school year of a folder, from the next run on.

    Args:
        layout: The archive.
        folder: Its path below the photos folder.
        year: A school year as a person writes it, or NO_YEAR.

    Returns:
        The key of the school year, or NO_YEAR.

    Raises:
        YearsFileError: It is no school year, or the file cannot be understood.
    """
    by_hand = manual_school_years(layout)
    by_hand[_normalize_path(folder)] = key = parse_school_year(year)
    _write_years_file(layout, by_hand)
    return key


def unset_school_year(layout: ArchiveLayout, folder: str) -> None:
    """Let the folder's name determine its school year again.

    Raises:
        YearsFileError: None was set for the folder.
    """
    by_hand = manual_school_years(layout)
    if _normalize_path(folder) not in by_hand:
        set_ = ", ".join(sorted(by_hand)) or "none"
        raise YearsFileError(f"No school year was set for {folder!r}; folders with one: {set_}.")
    del by_hand[_normalize_path(folder)]
    _write_years_file(layout, by_hand)


def parse_school_year(text: str) -> str:
    """The key of a school year as a person writes it, or NO_YEAR.

    Raises:
        YearsFileError: It is no school year.
    """
    stripped = text.strip()
    if stripped.casefold() == NO_YEAR:
        return NO_YEAR
    read = parse_folder_name(stripped)
    if read.first is None or read.exactness not in (Exactness.YEAR, Exactness.SPELLED):
        raise YearsFileError(f"{text!r} is no school year; write it like 2011-2012, or {NO_YEAR}.")
    return f"{read.first}-{read.first + 1}"


def _normalize_path(folder: str) -> str:
    return unicodedata.normalize("NFC", folder.strip("/") or ".")


def _write_years_file(layout: ArchiveLayout, by_hand: Mapping[str, str]) -> None:
    content = json.dumps(dict(sorted(by_hand.items())), ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"
    write_file(years_file(layout), lambda out: out.write(content))
