"""Names on disk, in links and on pages: folder and file names, page slugs, relative URLs, display names and sort keys.

Nothing here touches the disk.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import quote

from classface_assets.core.languages import gettext
from classface_assets.core.schemas import CLUSTER_PREFIX

FOLDER_BYTES = 120
FILE_BYTES = 180
FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
JOINERS = "\u200c\u200d"
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
DIGEST = re.compile(r" ~[0-9a-f]{8}$")
PLAIN_FILE_NAME = re.compile(r"([A-Za-z0-9_-]{1,100})\.([A-Za-z0-9]{1,20})")
"""Names as cameras give them: they are valid everywhere, unless a part is a reserved word."""
PLAIN_URL = re.compile(r"[A-Za-z0-9_.~/-]*")
UNKNOWN_CLUSTER = re.compile(rf"{CLUSTER_PREFIX}(\d+)")


@functools.lru_cache(maxsize=1 << 14)  # a student has a folder in many school years
def album_folder_name(name: str) -> str:
    """A folder name that Windows, macOS and Linux all accept; letters of every script and emoji stay.

    Two names may give one folder name, or two that differ in case only: `unique_name` makes them different.

    >>> album_folder_name("Ann / Bob: twins")
    'Ann - Bob- twins'
    """
    return _safe_name(name, FOLDER_BYTES) or "unnamed"


def album_file_name(path: str) -> str:
    """The last part of a photo's path as a file name that is valid everywhere, with the same ending."""
    plain = PLAIN_FILE_NAME.fullmatch(path.rpartition("/")[2])
    if plain and not any(map(RESERVED.match, plain.groups())):
        return plain[0]
    original = PurePosixPath(path)
    ending = _safe_name(original.suffix[1:], 20)
    stem = _safe_name(original.stem, FILE_BYTES - 21) or "photo"
    return f"{stem}.{ending}" if ending else stem


def unique_name(name: str, taken: set[str]) -> str:
    """`name`, or `name (2)`, `name (3)` … if it is taken.

    Args:
        name: A file or folder name.
        taken: The `disk_name_key` of each name in use; the new one is added.
    """
    candidate, number = name, 1
    while (key := disk_name_key(candidate)) in taken:
        path = PurePosixPath(name)
        stem, ending = (path.stem, path.suffix) if len(path.suffix) <= 6 and " " not in path.suffix else (name, "")
        number += 1
        candidate = f"{stem} ({number}){ending}"
    taken.add(key)
    return candidate


def student_slug(key: str, name: str) -> str:
    """The page name of a student: the name in readable ASCII, and a digest of `key` (person or cluster id)."""
    unknown = UNKNOWN_CLUSTER.fullmatch(key)
    if unknown:
        return f"unknown-student-{unknown[1]}"
    ascii_name = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_name)[:40].strip("-")
    return f"{readable or 'student'}-{hashlib.blake2b(key.encode(), digest_size=5).hexdigest()}"


def unknown_student_name(cluster_id: str) -> str:
    """What an unknown student is called on pages, by the number of the cluster."""
    unknown = UNKNOWN_CLUSTER.fullmatch(cluster_id)
    return gettext("Unknown student %(number)s", number=unknown[1]) if unknown else gettext("Unnamed student")


def encode_url(*parts: str) -> str:
    """Parts of a path joined and percent-encoded, so that `#`, `?`, `%`, spaces and accents survive in a link."""
    joined = "/".join(parts)
    return joined if PLAIN_URL.fullmatch(joined) else quote(joined, safe="/")


@functools.lru_cache(maxsize=1024)
def year_path(year: str) -> str:
    """The folder of a school year below the albums folder, with `/`: different years have different folders.

    A digest is added to a name that a disk might change; so no two folders differ by case alone.
    """
    folder = album_folder_name(year)
    if folder == year and not DIGEST.search(folder):
        return f"years/{folder}"
    digest = hashlib.blake2b(year.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"years/{folder} ~{digest}"


def disk_name_key(name: str) -> str:
    """A key that is equal for two names that some disk takes for one: by case, or by how accents are encoded."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def sort_key(name: str) -> list[tuple[int, int | str]]:
    """Sorts names without regard to case and accents, and `Unknown student 9` before `Unknown student 10`."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", plain) if part]


def index_letter(name: str) -> str:
    """The letter under which a name is in an index: `É` is under `E`; `#` for a name that begins with no letter."""
    first = next((c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)), "").upper()
    return first if first.isalpha() else "#"


def years_span(years: Iterable[str]) -> str:
    """A span such as `2006 → 2015` of school years in their order; `2006-2007` for a single one."""
    ordered = list(years)
    if len(ordered) < 2:
        return "".join(ordered)
    return f"{short_year(ordered[0])} → {short_year(ordered[-1])}"


def short_year(year: str) -> str:
    """The calendar year in which a school year starts, if its name begins with it; else the name."""
    found = re.match(r"\d{4}", year)
    return found[0] if found else year


def _safe_name(name: str, limit: int) -> str:
    spaced = " ".join(unicodedata.normalize("NFC", name).split())
    # Control and format characters hide or reorder what a person reads; joiners belong to letters and emoji.
    visible = "".join(c for c in spaced if c in JOINERS or not unicodedata.category(c).startswith("C"))
    cut = FORBIDDEN.sub("-", visible).encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
    safe = cut.strip(" ." + JOINERS)
    return f"_{safe}" if RESERVED.match(safe) else safe
