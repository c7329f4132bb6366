"""School years as folders: which folder of the photos folder belongs to which school year.

The school year of a folder follows from the names on its path (core.school_years), or is set by hand (year_file). A
folder without any date belongs to its top folder, which is then a partition under its own name; photos that lie loose
in the root are `unsorted`.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from classface_assets.core.errors import StorageError, UserError, sentence_of
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location, encode_relative_path
from classface_assets.core.school_years.folders import NO_GUESS, NO_YEAR, YearGuess, combine_with_parent
from classface_assets.core.school_years.names import (
    Exactness,
    first_year,
    parse_folder_name,
)
from classface_assets.store.catalog.photo_folders import PhotoFolder, walk_photo_folders
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.system_files import ignored_name_kind
from classface_assets.store.catalog.year_file import manual_school_years

UNSORTED = "unsorted"
_EMPTY_READING = parse_folder_name("")
# What Dagster refuses in a partition key, and bytes of a name that are not Unicode.
_NOT_IN_A_KEY = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\.{3}")


class PhotosFolderError(UserError):
    """The photos folder, or a school year in it, is not there or cannot be read."""


@dataclass(frozen=True)
class FolderYear:
    """A folder and the partition that the files right in it belong to.

    Attributes:
        folder: The folder and what lies in it.
        name: Its path below the photos folder as people write it.
        year: The partition: a school year, or the name of a folder without one.
        guess: The school year and why.
    """

    folder: PhotoFolder
    name: str
    year: str
    guess: YearGuess


def school_year_key(name: str, pattern: str = "") -> str:
    """The partition key of one name of a folder or file.

    Args:
        name: The name; a date in it, such as the day on which a file was made, is no school year.
        pattern: Regular expression with a group `first` and, if wanted, `second`: the two calendar years of four digits
            or two. "" for the built-in rules.

    Returns:
        `2019-2020` for any spelling of it, else the name itself.

    Raises:
        YearSettingError: The pattern cannot be understood.
    """
    read = parse_folder_name(name, pattern)
    dated = read.first is not None and read.exactness != Exactness.DATE
    return f"{read.first}-{(read.first or 0) + 1}" if dated else _partition_key(name)


def folder_years(layout: ArchiveLayout) -> list[FolderYear]:
    """Every folder with its partition, each before those in it; first the photos folder itself, for loose photos.

    Raises:
        PhotosFolderError: The photos folder cannot be read.
        YearSettingError: The archive's pattern or start of the year cannot be understood.
        YearsFileError: The school years set by hand cannot be understood.
    """
    folders = _walk_or_raise(layout.photos)
    names = {folder.parts: _relative_name(folder, layout.photos) for folder in folders}
    guesses = _guess_school_years(layout, folders, names)
    undated = [f for f in folders if not guesses[f.parts].key and (f.parts or f.has_files)]
    own = {f.parts: _partition_name(f.parts, guesses[f.parts]) for f in undated}
    keys = _partition_keys(set(own.values()), layout)
    years = {parts: guess.key or keys.get(own.get(parts, ""), UNSORTED) for parts, guess in guesses.items()}
    return [FolderYear(f, names[f.parts], years[f.parts], guesses[f.parts]) for f in folders]


def year_folders(layout: ArchiveLayout) -> dict[str, list[Location]]:
    """School year → the folders whose own files belong to it, both sorted. Raises what `folder_years` does.

    A folder without files of its own, all of whose sub-folders belong to other years, makes no school year.
    """
    return group_by_school_year(folder_years(layout))


def group_by_school_year(folders: Sequence[FolderYear]) -> dict[str, list[Location]]:
    """`year_folders` of folders that are listed already."""
    found: dict[str, list[Location]] = defaultdict(list)
    years_of_top: dict[str, set[str]] = defaultdict(set)
    for one in folders:
        found[one.year].append(one.folder.path)
        years_of_top["".join(one.folder.parts[:1])].add(one.year)
    there = {
        one.year
        for one in folders
        if one.folder.has_files or (len(one.folder.parts) == 1 and years_of_top[one.folder.parts[0]] == {one.year})
    }
    return {year: places for year, places in sorted(found.items()) if year in there}


def count_ignored_names(folders: Iterable[FolderYear]) -> Counter[str]:
    """How many system files and folders, hidden ones included, lie in these folders, by name; sidecars as one."""
    return Counter(ignored_name_kind(name) for one in folders for name in one.folder.left_out)


def require_year_folders(layout: ArchiveLayout) -> dict[str, list[Location]]:
    """`year_folders` of an archive that has photos.

    A drive that is away leaves an empty folder in its place, which is no reason to drop every photo.

    Raises:
        PhotosFolderError: The photos folder is empty or cannot be read.
    """
    folders = year_folders(layout)
    if not folders:
        raise PhotosFolderError(
            sentence(
                "There is nothing in %(folder)s; connect its drive, or put one folder per school year into it.",
                folder=layout.photos,
            )
        )
    return folders


def listing_fingerprint(files: Iterable[FileEntry]) -> str:
    """A digest that changes when a file is added, removed, renamed or rewritten; files of size -1 do not count."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        if file.size >= 0:
            digest.update(f"{file.path}\0{file.size}\0{file.mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _walk_or_raise(photos: Location) -> list[PhotoFolder]:
    try:
        return walk_photo_folders(photos)
    except StorageError as error:
        raise PhotosFolderError(sentence_of(error)) from None
    except OSError as error:
        raise PhotosFolderError(
            sentence(
                "The photos folder %(folder)s cannot be read (%(why)s); name the right one with --photos or "
                "CLASSFACE_PHOTOS, or connect its drive.",
                folder=photos,
                why=error.strerror,
            )
        ) from None


def _guess_school_years(
    layout: ArchiveLayout, folders: Sequence[PhotoFolder], names: Mapping[tuple[str, ...], str]
) -> dict[tuple[str, ...], YearGuess]:
    """The school year of each folder, by its path; folders come before those in them."""
    by_hand = manual_school_years(layout)
    siblings: dict[tuple[str, ...], tuple[str, ...]] = {folder.parts: folder.subfolders for folder in folders}
    guesses: dict[tuple[str, ...], YearGuess] = {}
    for folder in folders:
        set_by_hand = by_hand.get(unicodedata.normalize("NFC", names[folder.parts]))
        if not folder.parts:
            loose = YearGuess("", Exactness.NONE, "photos that lie loose in the photos folder")
            guesses[()] = combine_with_parent(loose, _EMPTY_READING, -1, set_by_hand) if set_by_hand else loose
            continue
        *above, name = folder.parts
        parent = guesses[tuple(above)] if above else NO_GUESS
        read = parse_folder_name(name, layout.year_pattern, layout.year_start, siblings[tuple(above)])
        guesses[folder.parts] = combine_with_parent(parent, read, len(above), set_by_hand)
    return guesses


def _relative_name(folder: PhotoFolder, photos: Location) -> str:
    return encode_relative_path(folder.path, photos) if folder.parts else "."


def _partition_name(parts: Sequence[str], guess: YearGuess) -> str:
    """The folder whose name an undated one takes: its top folder, or the one that was set to belong to no year."""
    if not parts:
        return UNSORTED
    name = parts[guess.level if guess.exactness == Exactness.HAND and guess.level >= 0 else 0]
    is_set = guess.exactness == Exactness.HAND and first_year(_partition_key(name)) is not None
    return f"{name} ({NO_YEAR})" if is_set else name


def _partition_key(name: str) -> str:
    """A folder's name as a partition key: the same for every way in which its accents may be written."""
    return _NOT_IN_A_KEY.sub("_", unicodedata.normalize("NFC", name))


def _partition_keys(names: Collection[str], layout: ArchiveLayout) -> Mapping[str, str]:
    """The partition keys of folders without a year: no two differ by case alone, since some disks take them for one.

    A folder that was there before keeps its key, also when its case or accents are written otherwise now.
    """
    before: dict[str, list[str]] = defaultdict(list)
    for year in list_school_years(layout) if names else []:
        before[_partition_key(year).casefold()].append(year)
    spellings_by_key: dict[str, set[str]] = defaultdict(set)
    for name in names:
        spellings_by_key[_partition_key(name).casefold()].add(_partition_key(name))
    keys: dict[str, str] = {}
    for folded, spellings in spellings_by_key.items():
        known = {_partition_key(one): one for one in before[folded]} | {
            one: one for one in before[folded] if one == _partition_key(one)
        }
        first = UNSORTED if UNSORTED in spellings else min(spellings, key=lambda one: (one not in known, one))
        keys[first] = known.get(first) or (min(known.values()) if known and len(spellings) == 1 else first)
        for other in spellings - {first}:
            keys[other] = f"{other} ~{hashlib.blake2b(other.encode(), digest_size=3).hexdigest()}"
    return {name: keys[_partition_key(name)] for name in names}
