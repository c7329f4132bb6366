"""School years as Dagster partitions: found in the photos folder, registered in the instance."""

from pathlib import Path

import dagster as dg

from classface_assets.store.years import year_folders
from classface_assets.vision.photos import LEFT_OUT, photo_files

school_years = dg.DynamicPartitionsDefinition(name="school_year")


def sync_school_years(instance: dg.DagsterInstance, photos: Path) -> list[str]:
    """Register every school year that has a folder; returns the keys that were new.

    A year whose folder is gone stays registered, so that its run can let its photos drop out.
    Raises PhotosFolderError when the photos folder cannot be read.
    """
    name = str(school_years.name)
    known = set(instance.get_dynamic_partitions(name))
    new = [year for year in year_folders(photos) if year not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


def year_files(photos: Path, folders: list[Path]) -> list[Path]:
    """Every file of one school year, sorted: all below its folders, of the photos folder itself only the loose ones."""
    found: list[Path] = []
    for folder in folders:
        found += _loose_files(photos) if folder == photos else photo_files(folder)
    return sorted(found)


def _loose_files(folder: Path) -> list[Path]:
    names = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in LEFT_OUT)
    return [path for path in names if not path.is_dir()]
