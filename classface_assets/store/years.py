"""School years as folders: which folder belongs to which school year, when it was.

Folders named like a school year (`2019-2020`, `2019-20`, `2019_2020`, `2019`, `Schuljahr 2019-20`) share the key
`2019-2020`; any other folder is its own partition under its own name, and photos loose in the root are `unsorted`.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from classface_assets.errors import UserError
from classface_assets.places import Entry, Place, StorageError, entries

UNSORTED = "unsorted"
# 2010-11-05 is a day in November, not the school year 2010-11.
_YEAR = re.compile(r"(?<!\d)(19\d\d|20\d\d)(?:\s*[-_–]\s*(\d{4}|\d{2}))?(?!\d|[-_.]\d\d(?![^\W_]))")
_KEY = re.compile(r"(19\d\d|20\d\d)-(\d{4})")
# What Dagster refuses in a partition key, and bytes of a name that are not Unicode.
_NOT_IN_A_KEY = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\.{3}")
# Left in the root of a drive by systems and network storage; never a school year.
_LEFT_OUT = frozenset(
    {"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found", "system volume information"}
    | {"thumbs.db", "desktop.ini"}
)


class PhotosFolderError(UserError):
    """The photos folder, or a school year in it, is not there or cannot be read."""


def school_year(folder_name: str) -> str:
    """The key of a folder: `2019-2020` for any spelling of that school year, else the folder's own name."""
    found = _YEAR.search(folder_name)
    if found:
        first = int(found[1])
        second = found[2] or str(first + 1)
        if int(second) % 100 == (first + 1) % 100:
            return f"{first}-{first + 1}"
    return _NOT_IN_A_KEY.sub("_", folder_name)


def first_year(key: str) -> int | None:
    """The calendar year in which a school year starts; None for a folder that names no year."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found and int(found[2]) == int(found[1]) + 1 else None


def year_folders(photos: Place) -> dict[str, list[Place]]:
    """School year → its folders, sorted by key. Raises PhotosFolderError when the root cannot be read."""
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
            found[school_year(entry.name)].append(entry)
        elif photos not in found[UNSORTED]:
            found[UNSORTED].append(photos)
    return {year: folders for year, folders in sorted(found.items()) if folders}


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
