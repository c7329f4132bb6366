"""School years as Dagster partitions: found in the photos folder, registered in the instance.

New folders that are too many to be school years, as when a disk of programs or backups lies among the photos, would
each be a partition with runs of its own. They are held back until somebody says that they are meant; what was run once
is never held back again.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location
from classface_assets.orchestration.settings.archive_names import ALONE, names_of
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.school_years import year_folders

SHOWN_EXAMPLES = 5
school_year_partitions = ALONE.school_years
"""The school years of an archive that has its Dagster to itself."""


def register_school_years(instance: dg.DagsterInstance, layout: ArchiveLayout) -> list[str]:
    """Register every school year that has a folder.

    A year whose folder is gone stays registered, so that its run can let its photos drop out. Of too many new ones at
    once none is registered: they are no school years.

    Returns:
        The partition keys that were new.

    Raises:
        PhotosFolderError: The photos folder cannot be read.
    """
    name = names_of(layout).school_years_name
    known = set(instance.get_dynamic_partitions(name))
    found = year_folders(layout)
    new = [year for year in found if year not in known]
    held = set(held_back_years(layout, new)) if new else set()
    new = [year for year in new if year not in held]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


def held_back_years(layout: ArchiveLayout, years: Iterable[str]) -> list[str]:
    """Those of the photos folder's school years that no run has scanned yet, if they are more than the archive allows.

    Args:
        layout: The archive.
        years: The school years that have a folder, with the folders that are of none.

    Returns:
        Sorted; empty where the new ones are few enough.
    """
    new = sorted(set(years) - set(list_school_years(layout)))
    return new if 0 < layout.most_new_years < len(new) else []


def held_back_sentence(layout: ArchiveLayout, held: Sequence[str]) -> str:
    """What is the matter with them, and what to do."""
    examples = ", ".join(held[:SHOWN_EXAMPLES])
    return sentence(
        "%(folder)s has %(number)s new folders that would each be a school year of its own (%(examples)s …), more than "
        "%(most)s. Move out what are no photos; or, if they are meant, run them with `classface run --yes`, or set "
        "CLASSFACE_MOST_NEW_YEARS.",
        folder=layout.photos,
        number=len(held),
        examples=examples,
        most=layout.most_new_years,
    )


def year_listing(photos: Location, folders: Iterable[Location]) -> list[FileEntry]:
    """Every file of one school year, sorted by path.

    At a URL this takes one listing a folder, and no request a file.

    Args:
        photos: The photos folder.
        folders: The year's folders, as `year_folders` returns them.

    Returns:
        The files; one that cannot be read has the size -1.
    """
    return list_files(photos, list(folders))[0]


def year_files(photos: Location, folders: Iterable[Location]) -> list[Location]:
    """The locations of `year_listing`."""
    return [entry.path for entry in year_listing(photos, folders)]
