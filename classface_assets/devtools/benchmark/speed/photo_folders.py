"""The photos that a benchmark runs on: the first of a folder, or copies of each."""

import shutil
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files


def subset_of_photos(photos: Path, most: int, folder: Path) -> Path:
    """The folder itself, or another with its first `most` photos."""
    files = list_photo_files(photos)
    if not files:
        raise UserError(f"There are no photos in {photos}.")
    if not most or most >= len(files):
        return photos
    shutil.rmtree(folder, ignore_errors=True)
    for file in files[:most]:
        target = folder / file.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return folder


def copy_each_photo(photos: Path, folder: Path, times: int) -> Path:
    """Write `times` copies of each photo, which differ by zero bytes at the end.

    With few photos the start would be measured, not the speed: the two seconds of Dagster, once a school year, are a
    sixth of the time of 56 photos.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in list_photo_files(photos):
        for number in range(times):
            (folder / f"{file.stem}_{number}{file.suffix}").write_bytes(file.read_bytes() + bytes(number))
    return folder
