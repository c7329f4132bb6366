"""A school year of thousands of photos, each with bytes of its own, made from a few: to measure large archives."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files

SMALL_SIDE, LARGE_SIDE, LARGE_PHOTO_INTERVAL = 400, 3000, 16
"""Long sides in pixels; every sixteenth photo is a large one."""


def make_school_year(source: Path, folder: Path, count: int) -> Path:
    """Write `count` photos into one school year below `folder`, and return that; existing ones are left as they are."""
    originals = list_photo_files(source)
    year = folder / "2019-2020"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: make_photo(originals, year, number), range(count)))
    return folder


def make_photo(originals: list[Path], year: Path, number: int) -> None:
    """Write one photo, cropped, lit and compressed a little differently from every other one."""
    year.mkdir(parents=True, exist_ok=True)
    target = year / f"IMG_{number:05}.jpg"
    if target.exists():
        return
    rng = random.Random(number)
    size = LARGE_SIDE if number % LARGE_PHOTO_INTERVAL == 0 else SMALL_SIDE
    picture = _open_upright(originals, number)
    width, height = picture.size
    left, top, right, bottom = (rng.uniform(0, 0.04) for _ in range(4))
    picture = picture.crop((left * width, top * height, (1 - right) * width, (1 - bottom) * height))
    picture = ImageOps.contain(picture, (size, size))
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.8, 1.2))
    picture.save(target, quality=rng.randint(80, 92))


def _open_upright(originals: list[Path], number: int) -> Image.Image:
    """The photo of that number, modulo their count; the next one where it is broken, as some in archives are."""
    try:
        with Image.open(originals[number % len(originals)]) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except OSError:
        return _open_upright(originals, number + 1)
