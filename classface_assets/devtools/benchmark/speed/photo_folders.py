"""The photos that a benchmark runs on: the first of a folder, or nearly the same photo many times."""

import shutil
from pathlib import Path

from PIL import Image, JpegImagePlugin

from classface_assets.core.errors import UserError
from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files

COARSEST_STEP = 255
"""Of the quantization in a baseline JPEG."""


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
    """Write `times` photos of each photo, in its format and as good as it is, each a pixel less wide than the last one.

    With few photos the start would be measured, not the speed: the two seconds of Dagster, once a school year, are a
    sixth of the time of 56 photos. Copies that show the same picture are one photo, and would be searched once.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in list_photo_files(photos):
        with Image.open(file) as image:
            options = _as_good_as(image)
            for number in range(times):
                cut = image.crop((0, 0, image.width - number, image.height))
                cut.save(folder / f"{file.stem}_{number}{file.suffix}", image.format, **options)
    return folder


def _as_good_as(image: Image.Image) -> dict[str, object]:
    """How to save a picture with as much detail as this one has; a JPEG then takes nearly as many bytes."""
    exif = {"exif": image.info["exif"]} if "exif" in image.info else {}
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return exif
    tables = {number: [min(step, COARSEST_STEP) for step in steps] for number, steps in image.quantization.items()}
    return {"qtables": tables, "subsampling": JpegImagePlugin.get_sampling(image), **exif}
