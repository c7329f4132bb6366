"""School years as Dagster partitions: found in the photos folder, registered in the instance."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from classface_assets.places import Entry, Place, entries, files_below, look_at
from classface_assets.store.layout import Layout
from classface_assets.store.years import year_folders
from classface_assets.vision.photo_files import LEFT_OUT, photo_files

school_years = dg.DynamicPartitionsDefinition(name="school_year")


def sync_school_years(instance: dg.DagsterInstance, layout: Layout) -> list[str]:
    """Register every school year that has a folder; returns the keys that were new.

    A year whose folder is gone stays registered, so that its run can let its photos drop out.
    Raises PhotosFolderError when the photos folder cannot be read.
    """
    name = str(school_years.name)
    known = set(instance.get_dynamic_partitions(name))
    new = [year for year in year_folders(layout) if year not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


def year_listing(photos: Place, folders: Iterable[Place]) -> list[Entry]:
    """Every file of one school year, sorted: all below its folders, of the photos folder itself only the loose ones.

    A file that cannot be looked at has the size -1. Of a URL each folder is one listing, and no call a file.
    """
    found: list[Entry] = []
    for folder in folders:
        if not isinstance(folder, Path):
            listed = [e for e in entries(folder) if not e.is_folder] if folder == photos else files_below(folder)
            found += [entry for entry in listed if _is_wanted(str(entry.path)[len(str(folder)) :])]
        else:
            files = _loose_files(folder) if folder == photos else photo_files(folder)
            found += map(look_at, files)
    return sorted(found, key=lambda entry: str(entry.path))


def year_files(photos: Place, folders: Iterable[Place]) -> list[Place]:
    """The files of `year_listing`."""
    return [entry.path for entry in year_listing(photos, folders)]


def _loose_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _is_wanted(path.name) and not path.is_dir()]


def _is_wanted(path: str) -> bool:
    """Whether no part of a path below a school year's folder is hidden or left behind by a system."""
    parts = [part for part in path.split("/") if part]
    return not any(part.startswith(".") or part.lower() in LEFT_OUT for part in parts)
