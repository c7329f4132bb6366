"""School years as folders: which folder belongs to which school year, when it was.

Folders named like a school year (`2019-2020`, `2019-20`, `2019_2020`, `2019`, `Schuljahr 2019-20`) share the key
`2019-2020`, with all that lies below them (`2019/20`); a pattern of the archive's own may say so instead. Any other
folder is its own partition under its own name, and photos loose in the root are `unsorted`.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path

from classface_assets.errors import UserError
from classface_assets.places import Entry, Place, entries
from classface_assets.storage_errors import StorageError
from classface_assets.store.layout import Layout

UNSORTED = "unsorted"
# 2010-11-05 is a day in November, not the school year 2010-11.
_YEAR = r"(?<!\d)(?P<first>19\d\d|20\d\d)(?:\s*[-_–]\s*(?P<second>\d{4}|\d{2}))?(?!\d|[-_.]\d\d(?![^\W_]))"
_KEY = re.compile(r"(19\d\d|20\d\d)-(\d{4})")
_PATTERN = r"set CLASSFACE_YEAR_PATTERN to one like (?P<first>\d{4})-(?P<second>\d\d), or leave it empty."
# What Dagster refuses in a partition key, and bytes of a name that are not Unicode.
_NOT_IN_A_KEY = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\.{3}")
# Left in the root of a drive by systems and network storage; never a school year.
_LEFT_OUT = frozenset(
    {"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found", "system volume information"}
    | {"thumbs.db", "desktop.ini"}
)


class PhotosFolderError(UserError):
    """The photos folder, or a school year in it, is not there or cannot be read."""


class YearSettingError(UserError):
    """The pattern of school-year folders, or the day on which a school year starts, cannot be understood."""


def school_year(folder_name: str, pattern: str = "") -> str:
    """The key of a folder: `2019-2020` for any spelling of that school year, else the folder's own name.

    `pattern` is a regular expression with a group `first` and, if wanted, a group `second`: the two calendar years, of
    four digits or two. A folder whose years do not follow each other is no school year. Raises YearSettingError.
    """
    found = _compiled(pattern or _YEAR).search(folder_name)
    if found:
        first, second = _full_year(found["first"]), found.groupdict().get("second")
        if not second or int(second) % 100 == (first + 1) % 100:
            return f"{first}-{first + 1}"
    return _NOT_IN_A_KEY.sub("_", folder_name)


def _full_year(digits: str) -> int:
    """95 is 1995, 19 is 2019."""
    return int(digits) + (0 if len(digits) > 2 else 1900 if int(digits) >= 70 else 2000)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise YearSettingError(f"The year pattern {pattern!r} is no regular expression ({error}); {_PATTERN}") from None
    if "first" not in compiled.groupindex or not set(compiled.groupindex) <= {"first", "second"}:
        raise YearSettingError(f"The year pattern {pattern!r} needs a group named first; {_PATTERN}")
    return compiled


def first_year(key: str) -> int | None:
    """The calendar year in which a school year starts; None for a folder that names no year."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found and int(found[2]) == int(found[1]) + 1 else None


def start_of(key: str, year_start: str) -> datetime | None:
    """The first day of a school year that starts on `year_start` (month-day); None for a folder that names no year.

    Raises YearSettingError.
    """
    try:
        start = datetime.fromisoformat(f"2001-{year_start}")
    except ValueError:
        raise YearSettingError(
            f"{year_start!r} is no day on which a school year can start; set CLASSFACE_YEAR_START to month-day, 09-01."
        ) from None
    first = first_year(key)
    return start.replace(year=first) if first else None


def year_folders(layout: Layout) -> dict[str, list[Place]]:
    """School year → its folders, sorted by key. Raises PhotosFolderError when the root cannot be read."""
    photos = layout.photos
    found: dict[str, list[Place]] = defaultdict(list)
    try:
        inside = _inside(photos)
    except StorageError as error:
        raise PhotosFolderError(str(error)) from None
    except OSError as error:
        raise PhotosFolderError(
            f"The photos folder {photos} cannot be read ({error.strerror}); "
            "name the right one with --photos or CLASSFACE_PHOTOS, or connect its drive."
        ) from None
    for entry, is_folder in inside:
        if entry.name.startswith(".") or entry.name.lower() in _LEFT_OUT:
            continue
        if is_folder:
            found[school_year(entry.name, layout.year_pattern)].append(entry)
        elif photos not in found[UNSORTED]:
            found[UNSORTED].append(photos)
    return {year: folders for year, folders in sorted(found.items()) if folders}


def folders_still_there(layout: Layout) -> dict[str, list[Place]]:
    """`year_folders` of an archive that was there before. Raises PhotosFolderError for an empty root too.

    A drive that is away leaves the empty folder where it belongs: no reason to drop every photo.
    """
    folders = year_folders(layout)
    if not folders:
        raise PhotosFolderError(
            f"There is nothing in {layout.photos}; connect its drive, or put a folder a school year into it."
        )
    return folders


def _inside(folder: Place) -> list[tuple[Place, bool]]:
    """What lies in a folder, sorted, and whether it is a folder itself; of a local one also what cannot be opened."""
    if isinstance(folder, Path):
        return [(path, path.is_dir()) for path in sorted(folder.iterdir())]
    return [(entry.path, entry.is_folder) for entry in entries(folder)]


def fingerprint(files: Iterable[Entry]) -> str:
    """Changes when a file is added, removed, renamed or rewritten; files that could not be looked at do not count."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        if file.size >= 0:
            digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
