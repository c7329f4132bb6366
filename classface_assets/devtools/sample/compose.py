"""The sample archive of a made-up school with ground truth: which photos there are, and what is written to disk."""

import csv
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from classface_assets.devtools.sample.people import PEOPLE, Person, SampleError, load_sources
from classface_assets.devtools.sample.shots import Shot, Sources, candid, class_photo, portrait

FIRST_YEARS = (2016, 2017, 2018, 2019)
FIRST_YEAR_OF, LAST_YEAR_OF = (
    {"Bea": 2017},
    {"Dan": 2018},
)  # the first and the last school year of those not there throughout
COLUMNS = ("school_year", "path", "kind", "person", "age", "x", "y", "w", "h")
DATE, ORIENTATION, EXIF_IFD, DATE_ORIGINAL = 0x0132, 0x0112, 0x8769, 0x9003


@dataclass(frozen=True)
class SampleArchive:
    """A sample on disk.

    Attributes:
        photos: The folder of school years.
        truth: CSV file with a row for each face.
        photo_count: Without the copy and the broken file.
        face_count: Faces in these photos.
        person_count: People in these photos.
        school_years: The names of the folders.
    """

    photos: Path
    truth: Path
    photo_count: int
    face_count: int
    person_count: int
    school_years: tuple[str, ...]


def compose_sample(out: Path, seed: int = 0) -> SampleArchive:
    """Write `out/photos` and `out/truth.csv`: four school years of seven people, the same bytes for the same seed.

    Face boxes are whole pixels of the upright photo. One photo is stored turned (EXIF orientation 6), one file is an
    exact copy and one is cut off.

    Raises:
        SampleError: The pictures it is made from are not installed, or `out/photos` holds somebody's own photos.
    """
    photos, truth = out / "photos", out / "truth.csv"
    if photos.is_dir() and any(photos.iterdir()) and not truth.is_file():
        raise SampleError(f"{photos} is not empty and holds no earlier sample: choose an empty folder for the sample.")
    sources, rows, count = load_sources(), [], 0
    for first in FIRST_YEARS:
        rng, year = np.random.default_rng([seed, first]), f"{first}-{first + 1}"
        for number, shot in enumerate(_school_year(first, sources, rng), 1):
            folder = {"class": "class", "portrait": "portraits", "candid": "candids"}[shot.kind]
            path = f"{year}/{folder}/{shot.kind}_{first}_{number:02d}.jpg"
            _save(shot.picture, photos / path, _date(first, rng), turned=number == 3 and first == 2017, rng=rng)
            rows += [(year, path, shot.kind, p.name, "", *(round(v) for v in face)) for p, face in shot.faces]
            count += 1
    _add_copy_and_broken_file(photos)
    with truth.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    years = tuple(f"{first}-{first + 1}" for first in FIRST_YEARS)
    return SampleArchive(photos, truth, count, len(rows), len(PEOPLE), years)


def _school_year(first: int, sources: Sources, rng: np.random.Generator) -> list[Shot]:
    present = [p for p in PEOPLE if FIRST_YEAR_OF.get(p.name, first) <= first <= LAST_YEAR_OF.get(p.name, first)]
    shots = [
        class_photo(_shuffled(present, rng), first, True, sources, rng),
        class_photo(_shuffled(present, rng)[1:], first, False, sources, rng),  # one is ill that day
    ]
    friends = _shuffled(present, rng)
    shots += [candid(group, sources, rng) for group in (friends[: rng.integers(2, 4)], friends[-4:])]
    return shots + [portrait(person, sources, rng) for person in present]


def _shuffled(people: list[Person], rng: np.random.Generator) -> list[Person]:
    return [people[i] for i in rng.permutation(len(people))]


def _date(first: int, rng: np.random.Generator) -> datetime:
    return datetime(first, 9, 4, 8) + timedelta(days=int(rng.integers(290)), minutes=int(rng.integers(480)))  # noqa: DTZ001 -- EXIF has no zone


def _save(picture: Image.Image, path: Path, taken: datetime, turned: bool, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif, stamp = Image.Exif(), taken.strftime("%Y:%m:%d %H:%M:%S")
    exif[DATE] = stamp
    exif.get_ifd(EXIF_IFD)[DATE_ORIGINAL] = stamp
    if turned:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[ORIENTATION] = 6
    picture.save(path, quality=int(rng.choice((78, 86, 92))), exif=exif)


def _add_copy_and_broken_file(photos: Path) -> None:
    """Add what every real archive has: a copy under another name, and a broken file."""
    year = photos / f"{FIRST_YEARS[1]}-{FIRST_YEARS[1] + 1}"
    original = min((year / "class").iterdir())
    shutil.copyfile(original, year / "portraits" / "portrait_copy_of_class.jpg")
    # cut off before the first pixel: of a longer piece a forgiving reader would still show faces
    (year / "candids" / "candid_broken.jpg").write_bytes(original.read_bytes()[:400])
