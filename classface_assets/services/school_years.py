"""What `classface years` and the page of school years tell of the photos' folders, and setting one's year by hand."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
"""Guesses told one by one; of more only how many they are."""


class Certainty(StrEnum):
    """How a folder's school year is known."""

    CLEAR = "clear"
    GUESS = "guess"
    BY_HAND = "set by hand"
    NO_YEAR = "no school year"


@dataclass(frozen=True)
class DatedFolder:
    """A folder that has a school year of its own, or stands at the top: its path, its year (a partition), and why."""

    folder: str
    year: str
    certainty: Certainty
    reason: str


def dated_folders(layout: ArchiveLayout) -> list[DatedFolder]:
    """Every top folder, and every other one with a school year of its own or with a doubt about it, by path.

    Needs no database, so it tells before the first run too. Raises PhotosFolderError, YearsFileError.
    """
    return _notable_folders(folder_years(layout))


def _notable_folders(folders: Sequence[FolderYear]) -> list[DatedFolder]:
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
    return one.guess.level == len(one.folder.parts) - 1 and one.guess.exactness != Exactness.NONE


def _certainty(one: FolderYear) -> Certainty:
    if one.guess.exactness == Exactness.HAND:
        return Certainty.BY_HAND
    if not one.guess.key:
        return Certainty.NO_YEAR
    return Certainty.GUESS if one.guess.is_guess else Certainty.CLEAR


def year_lines(layout: ArchiveLayout) -> Iterator[str]:
    """One line a folder, parted by tabs: folder, school year, how it is known, why; then what was left out."""
    folders = folder_years(layout)
    for one in _notable_folders(folders):
        yield "\t".join((one.folder, one.year, one.certainty, one.reason))
    yield from _other_notes(layout, folders)


def year_notes(layout: ArchiveLayout) -> list[str]:
    """A few lines for the end of a run: which school years are guesses, and how much of systems was left out."""
    folders = folder_years(layout)
    guesses = [one for one in _notable_folders(folders) if one.certainty == Certainty.GUESS]
    lines = []
    if guesses:
        many = "1 folder" if len(guesses) == 1 else f"{len(guesses):,} folders"
        how = "`classface years` says why, `classface years set FOLDER YEAR` sets it"
        lines.append(f"The school year of {many} is a guess; {how}:")
        lines += [f"  {one.folder} → {one.year}" for one in guesses[:SHOWN_GUESSES]]
        lines += [f"  … and {len(guesses) - SHOWN_GUESSES:,} more"] if len(guesses) > SHOWN_GUESSES else []
    return [*lines, *_other_notes(layout, folders)]


def _other_notes(layout: ArchiveLayout, folders: Sequence[FolderYear]) -> Iterator[str]:
    gone = manual_school_years(layout).keys() - set(_names(folders))
    if gone:
        yield f"A school year is set for folders that are not there: {', '.join(sorted(gone))}."
    systems = count_ignored_names(folders)
    if systems:
        names = ", ".join(f"{name.strip()} {count:,}" for name, count in systems.most_common(SHOWN_GUESSES))
        more = ", …" if len(systems) > SHOWN_GUESSES else ""
        yield f"Left out, as systems and programs made them: {systems.total():,} files and folders ({names}{more})."


def set_folder_year(layout: ArchiveLayout, folder: str, year: str) -> str:
    """Set the school year of a folder that is there; returns what it is now. Raises YearsFileError."""
    return set_school_year(layout, _find_folder(layout, folder), year)


def unset_folder_year(layout: ArchiveLayout, folder: str) -> None:
    """Take back what was set for a folder, there or gone. Raises YearsFileError."""
    unset_school_year(layout, _relative_path(folder, layout.photos))


def _find_folder(layout: ArchiveLayout, text: str) -> str:
    wanted = _relative_path(text, layout.photos)
    if wanted not in _names(folder_years(layout)):
        raise YearsFileError(
            f"There is no folder {text!r} in {layout.photos}; name it by its path there, as `classface years` lists it."
        )
    return wanted


def _names(folders: Iterable[FolderYear]) -> Iterator[str]:
    return (unicodedata.normalize("NFC", one.name) for one in folders)


def _relative_path(text: str, photos: Location) -> str:
    """The path below the photos folder that a person means, who may write it whole."""
    whole = text.rstrip("/")
    root = photos.as_posix().rstrip("/")
    below = encode_relative_path(photos / whole[len(root) + 1 :], photos) if whole.startswith(f"{root}/") else whole
    return unicodedata.normalize("NFC", below.removeprefix("./") or ".")
