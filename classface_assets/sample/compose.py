"""The sample archive of a made-up school, with known truth: who is in which photo, and what is written to disk."""

import csv
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from classface_assets.sample.figures import Box, Colour, draw_figure, soften
from classface_assets.sample.people import PEOPLE, Person, SampleError, load_sources
from classface_assets.sample.scenes import camera, classroom, relight, schoolyard, studio

FIRST_YEARS = (2016, 2017, 2018, 2019)
JOINED, LEFT = {"Bea": 2017}, {"Dan": 2018}  # the first and the last school year of those not there throughout
SCHOOL_JUMPER = (38, 52, 96)
JUMPERS = ((38, 52, 96), (36, 84, 66), (122, 40, 52), (92, 96, 104), (58, 110, 140), (150, 104, 52))
COLUMNS = ("school_year", "path", "kind", "person", "age", "x", "y", "w", "h")
DATE, ORIENTATION, EXIF_IFD, DATE_ORIGINAL = 0x0132, 0x0112, 0x8769, 0x9003
Sources = dict[str, Image.Image]
Spot = tuple[Person, float, float, float]  # a person, the collar's x and y, the height of the face, in pixels


@dataclass(frozen=True)
class SampleArchive:
    """photos: folder of school years; truth: CSV with a row a face; photo_count leaves out the copy and the broken."""

    photos: Path
    truth: Path
    photo_count: int
    face_count: int
    person_count: int
    school_years: tuple[str, ...]


@dataclass(frozen=True)
class _Shot:
    kind: str
    picture: Image.Image
    faces: list[tuple[Person, Box]]


def compose_sample(out: Path, seed: int = 0) -> SampleArchive:
    """Write `out/photos` and `out/truth.csv`: four school years of seven people, the same bytes for the same seed.

    Face boxes are whole pixels of the upright photo. One photo is stored turned (EXIF orientation 6), one file is an
    exact copy and one is cut off. Raises SampleError where the pictures it is made from are not installed, or where
    `out/photos` holds somebody's own photos.
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
    _spoil(photos)
    with truth.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    years = tuple(f"{first}-{first + 1}" for first in FIRST_YEARS)
    return SampleArchive(photos, truth, count, len(rows), len(PEOPLE), years)


def _school_year(first: int, sources: Sources, rng: np.random.Generator) -> list[_Shot]:
    present = [p for p in PEOPLE if JOINED.get(p.name, first) <= first <= LEFT.get(p.name, first)]
    shots = [
        _class_photo(_shuffled(present, rng), first, True, sources, rng),
        _class_photo(_shuffled(present, rng)[1:], first, False, sources, rng),  # one is ill that day
    ]
    friends = _shuffled(present, rng)
    for group in (friends[: rng.integers(2, 4)], friends[-4:]):
        shots.append(_candid(group, sources, rng))
    return shots + [_portrait(person, sources, rng) for person in present]


def _class_photo(people: list[Person], first: int, indoors: bool, sources: Sources, rng: np.random.Generator) -> _Shot:
    """Two rows, the back one seen through the gaps of the front one."""
    face, front = rng.uniform(92, 112), len(people) // 2 + 1
    step, gap = 2.15 * face, front / 2 - 1
    w, h = round(front * step + 1.8 * face), round(6.7 * face)
    seats = [(x, 2.9 * face) for x in np.linspace(-gap, gap, len(people) - front)]
    seats += [(x, 4.75 * face) for x in np.linspace(-gap - 0.5, gap + 0.5, front)]
    spots = [
        (p, w / 2 + x * step + rng.uniform(-4, 4), y + rng.uniform(-8, 8), face * rng.uniform(0.95, 1.05))
        for p, (x, y) in zip(people, seats, strict=True)
    ]
    scene = classroom((w, h), rng, f"Class of {first}-{first + 1}") if indoors else schoolyard((w, h), rng)
    return _shoot("class", scene, spots, (SCHOOL_JUMPER,), sources, rng)


def _candid(people: list[Person], sources: Sources, rng: np.random.Generator) -> _Shot:
    face = rng.uniform(120, 165)
    w, h = round((len(people) - 1) * 2.2 * face + 3.6 * face), round(4.3 * face)
    spots = [
        (p, (1.8 + 2.2 * i) * face, face * rng.uniform(2.3, 2.9), face * rng.uniform(0.92, 1.08))
        for i, p in enumerate(people)
    ]
    scene = schoolyard((w, h), rng) if rng.random() < 0.6 else studio((w, h), rng)
    return _shoot("candid", scene, spots, JUMPERS, sources, rng)


def _portrait(person: Person, sources: Sources, rng: np.random.Generator) -> _Shot:
    face = rng.uniform(150, 215)
    w, h = round(2.9 * face), round(3.5 * face)
    return _shoot("portrait", studio((w, h), rng), [(person, w / 2, 2.25 * face, face)], JUMPERS, sources, rng)


def _shoot(
    kind: str,
    scene: Image.Image,
    spots: list[Spot],
    jumpers: tuple[Colour, ...],
    sources: Sources,
    rng: np.random.Generator,
) -> _Shot:
    """Place the people on the scene, those further back first, each in a light of their own."""
    faces = []
    for person, x, y, size in spots:
        jumper, tilt = jumpers[rng.integers(len(jumpers))], rng.uniform(-8, 8)
        figure = draw_figure(person, sources[person.source], size, tilt, bool(rng.random() < 0.35), jumper)
        left, top = round(x - figure.collar[0]), round(y - figure.collar[1])
        shadow = soften(figure.mask, 0.12 * size)
        scene.paste((20, 22, 26), (left, top), shadow.point(lambda v: int(0.35 * v)))
        scene.paste(relight(figure.picture, rng, 0.6), (left, top), figure.mask)
        fx, fy, fw, fh = figure.face
        faces.append((person, (left + fx, top + fy, fw, fh)))
    return _Shot(kind, camera(scene, rng), faces)


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


def _spoil(photos: Path) -> None:
    """What every real archive has: a copy under another name, and a file that broke."""
    year = photos / f"{FIRST_YEARS[1]}-{FIRST_YEARS[1] + 1}"
    original = min((year / "class").iterdir())
    shutil.copyfile(original, year / "portraits" / "portrait_copy_of_class.jpg")
    # cut off before the first pixel: of a longer piece a forgiving reader would still show faces
    (year / "candids" / "candid_broken.jpg").write_bytes(original.read_bytes()[:400])
