"""School years as Dagster partitions: found in the photos folder, registered in the instance."""

from collections.abc import Iterable

import dagster as dg

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import FileEntry, Location
from classface_assets.store.catalog.photo_folders import list_files
from classface_assets.store.catalog.school_years import year_folders

school_year_partitions = dg.DynamicPartitionsDefinition(name="school_year")


def register_school_years(instance: dg.DagsterInstance, layout: ArchiveLayout) -> list[str]:
    """Register every school year that has a folder.

    A year whose folder is gone stays registered, so that its run can let its photos drop out.

    Returns:
        The partition keys that were new.

    Raises:
        PhotosFolderError: The photos folder cannot be read.
    """
    name = str(school_year_partitions.name)
    known = set(instance.get_dynamic_partitions(name))
    new = [year for year in year_folders(layout) if year not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


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
