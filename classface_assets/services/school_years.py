"""The school years of the photo folders as people see and set them: for `classface years` and the review page."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from classface_assets.core.languages import gettext, ngettext, sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, encode_relative_path
from classface_assets.core.school_years.names import Exactness
from classface_assets.store.catalog.school_years import FolderYear, count_ignored_names, folder_years
from classface_assets.store.catalog.year_file import (
    YearsFileError,
    manual_school_years,
    set_school_year,
    unset_school_year,
)

SHOWN_GUESSES = 5
"""Guesses listed one by one; of more only the count."""


class Certainty(StrEnum):
    """How sure a folder's school year is."""

    CLEAR = "clear"
    GUESS = "guess"
    BY_HAND = "set by hand"
    NO_YEAR = "no school year"


@dataclass(frozen=True)
class DatedFolder:
    """A folder with a school year of its own, or at the top: its path, its year (a partition), and the reason."""

    folder: str
    year: str
    certainty: Certainty
    reason: str


def dated_folders(layout: ArchiveLayout) -> list[DatedFolder]:
    """Every top folder, and every other one whose school year is its own or is a guess, by path.

    No database is needed, so it works before the first run too.

    Raises:
        PhotosFolderError: The photos folder cannot be read.
        YearsFileError: The file of the years that were set by hand cannot be read.
    """
    return _notable_folders(folder_years(layout))


def _notable_folders(folders: Sequence[FolderYear]) -> list[DatedFolder]:
    """The folders that `dated_folders` lists."""
    year_of = {one.folder.parts: one.year for one in folders}
    return [
        DatedFolder(one.name, one.year, _certainty(one), one.guess.reason)
        for one in folders
        if len(one.folder.parts) == 1
        or (one.folder.has_files and not one.folder.parts)
        or (one.folder.parts and one.year != year_of[one.folder.parts[:-1]])
        or (_is_own(one) and (one.guess.is_guess or one.guess.exactness == Exactness.HAND))
    ]


def _is_own(one: FolderYear) -> bool:
    """Whether the year comes from the folder itself and not from one above it."""
    return one.guess.level == len(one.folder.parts) - 1 and one.guess.exactness != Exactness.NONE


def _certainty(one: FolderYear) -> Certainty:
    if one.guess.exactness == Exactness.HAND:
        return Certainty.BY_HAND
    if not one.guess.key:
        return Certainty.NO_YEAR
    return Certainty.GUESS if one.guess.is_guess else Certainty.CLEAR


def year_lines(layout: ArchiveLayout) -> Iterator[str]:
    """One line a folder, separated by tabs: folder, school year, certainty, reason; then what was left out."""
    folders = folder_years(layout)
    for one in _notable_folders(folders):
        yield "\t".join((one.folder, one.year, one.certainty, one.reason))
    yield from _listing_notes(layout, folders)


def year_notes(layout: ArchiveLayout) -> list[str]:
    """A few lines for the end of a run: which school years are guesses, and how many system files were left out."""
    folders = folder_years(layout)
    guesses = [one for one in _notable_folders(folders) if one.certainty == Certainty.GUESS]
    lines = []
    if guesses:
        count = "1 folder" if len(guesses) == 1 else f"{len(guesses):,} folders"
        help_text = "`classface years` shows why, `classface years set FOLDER YEAR` sets it"
        lines.append(f"The school year of {count} is a guess; {help_text}:")
        lines += [f"  {one.folder} → {one.year}" for one in guesses[:SHOWN_GUESSES]]
        lines += [f"  … and {len(guesses) - SHOWN_GUESSES:,} more"] if len(guesses) > SHOWN_GUESSES else []
    return [*lines, *_listing_notes(layout, folders)]


def listing_notes(layout: ArchiveLayout) -> list[str]:
    """The part of `year_notes` that is not about guesses: set years of missing folders, and system files left out."""
    return list(_listing_notes(layout, folder_years(layout)))


def _listing_notes(layout: ArchiveLayout, folders: Sequence[FolderYear]) -> Iterator[str]:
    gone = manual_school_years(layout).keys() - set(_names(folders))
    if gone:
        yield gettext("A school year is set for folders that are not there: %(names)s.", names=", ".join(sorted(gone)))
    links = [f"{one.name}/{link}".removeprefix("./") for one in folders for link in one.folder.links_left_out]
    if links:
        left = len(links) - SHOWN_GUESSES
        more = " … " + ngettext("and %(num)s more", "and %(num)s more", left) if left > 0 else ""
        yield gettext(
            "Links that are not followed, since they lead to what is read in its own place, or to a folder above: "
            "%(links)s.",
            links=", ".join(links[:SHOWN_GUESSES]) + more,
        )
    systems = count_ignored_names(folders)
    if systems:
        names = ", ".join(f"{name.strip()} {count:,}" for name, count in systems.most_common(SHOWN_GUESSES))
        more = ", …" if len(systems) > SHOWN_GUESSES else ""
        yield ngettext(
            "Left out, as systems and programs made it: %(num)s file or folder (%(names)s).",
            "Left out, as systems and programs made them: %(num)s files and folders (%(names)s).",
            systems.total(),
            names=names + more,
        )


def set_folder_year(layout: ArchiveLayout, folder: str, year: str) -> str:
    """Set the school year of an existing folder.

    Args:
        layout: The archive.
        folder: Its path, below the photos folder or whole.
        year: A school year such as 2019-2020, or `none`.

    Returns:
        The school year as it is recorded.

    Raises:
        YearsFileError: There is no such folder, or the year is none.
    """
    return set_school_year(layout, _find_folder(layout, folder), year)


def unset_folder_year(layout: ArchiveLayout, folder: str) -> None:
    """Remove the school year that was set for a folder, whether it still exists or not.

    Raises:
        YearsFileError: None was set.
    """
    unset_school_year(layout, _relative_path(folder, layout.photos))


def _find_folder(layout: ArchiveLayout, text: str) -> str:
    """The path of the folder below the photos folder, which must exist."""
    folder = _relative_path(text, layout.photos)
    if folder not in _names(folder_years(layout)):
        raise YearsFileError(
            sentence(
                "There is no folder %(folder)s in %(photos)s; name it by its path there, as `classface years` lists "
                "it.",
                folder=repr(text),
                photos=layout.photos,
            )
        )
    return folder


def _names(folders: Iterable[FolderYear]) -> Iterator[str]:
    return (unicodedata.normalize("NFC", one.name) for one in folders)


def _relative_path(text: str, photos: Location) -> str:
    """The path below the photos folder, in NFC, of a folder given so or by its whole path."""
    whole = text.rstrip("/")
    root = photos.as_posix().rstrip("/")
    below = encode_relative_path(photos / whole[len(root) + 1 :], photos) if whole.startswith(f"{root}/") else whole
    return unicodedata.normalize("NFC", below.removeprefix("./") or ".")
