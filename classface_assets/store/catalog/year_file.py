"""The school years that people set by hand for folders: `years.json` in the data folder, for people to read and edit.

One line a folder: its path below the photos folder and its school year, or `none` for a folder that belongs to none:
{"Primary/Old box": "1994-1995", "Room 2001": "none"}. `.` is the photos folder itself, with its loose photos.
"""

import json
import unicodedata
from collections.abc import Mapping

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.languages import sentence
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
            sentence(
                "%(file)s cannot be read (%(why)s); correct it, or delete it to set no year by hand.",
                file=file,
                why=error,
            )
        ) from None
    if not isinstance(found, dict):
        raise YearsFileError(
            sentence(
                '%(file)s must hold folders and school years, {"Primary": "2011-2012"}; correct or delete it.',
                file=file,
            )
        )
    for folder, year in found.items():
        if not isinstance(year, str) or (year != NO_YEAR and first_year(year) is None):
            raise YearsFileError(
                sentence(
                    "%(file)s sets %(folder)s to %(year)s, which is no school year; write it like 2011-2012, or "
                    "%(none)s.",
                    file=file,
                    folder=repr(folder),
                    year=repr(year),
                    none=NO_YEAR,
                )
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
        if not by_hand:
            raise YearsFileError(
                sentence("No school year was set for %(folder)s; folders with one: none.", folder=repr(folder))
            )
        raise YearsFileError(
            sentence(
                "No school year was set for %(folder)s; folders with one: %(folders)s.",
                folder=repr(folder),
                folders=", ".join(sorted(by_hand)),
            )
        )
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
        raise YearsFileError(
            sentence("%(text)s is no school year; write it like 2011-2012, or %(none)s.", text=repr(text), none=NO_YEAR)
        )
    return f"{read.first}-{read.first + 1}"


def _normalize_path(folder: str) -> str:
    return unicodedata.normalize("NFC", folder.strip("/") or ".")


def _write_years_file(layout: ArchiveLayout, by_hand: Mapping[str, str]) -> None:
    content = json.dumps(dict(sorted(by_hand.items())), ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"
    write_file(years_file(layout), lambda out: out.write(content))
