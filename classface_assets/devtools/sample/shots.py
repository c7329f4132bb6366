"""The composition of the sample's photos: where each person is, on which scene, and the boxes of the faces."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from classface_assets.core.geometry import Box
from classface_assets.devtools.sample.figures import Colour, draw_figure, soften
from classface_assets.devtools.sample.people import Person
from classface_assets.devtools.sample.scenes import camera, classroom, relight, schoolyard, studio

SCHOOL_JUMPER = (38, 52, 96)
JUMPERS = ((38, 52, 96), (36, 84, 66), (122, 40, 52), (92, 96, 104), (58, 110, 140), (150, 104, 52))
Sources = dict[str, Image.Image]
PlacedPerson = tuple[Person, float, float, float]  # a person, the collar's x and y, the height of the face, in pixels


@dataclass(frozen=True)
class Shot:
    """A photo. `kind`: class, candid or portrait; `faces`: a box (x, y, w, h) in pixels for each person."""

    kind: str
    picture: Image.Image
    faces: list[tuple[Person, Box]]


def class_photo(people: list[Person], first: int, indoors: bool, sources: Sources, rng: np.random.Generator) -> Shot:
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


def candid(people: list[Person], sources: Sources, rng: np.random.Generator) -> Shot:
    """Friends side by side, outdoors or in."""
    face = rng.uniform(120, 165)
    w, h = round((len(people) - 1) * 2.2 * face + 3.6 * face), round(4.3 * face)
    spots = [
        (p, (1.8 + 2.2 * i) * face, face * rng.uniform(2.3, 2.9), face * rng.uniform(0.92, 1.08))
        for i, p in enumerate(people)
    ]
    scene = schoolyard((w, h), rng) if rng.random() < 0.6 else studio((w, h), rng)
    return _shoot("candid", scene, spots, JUMPERS, sources, rng)


def portrait(person: Person, sources: Sources, rng: np.random.Generator) -> Shot:
    """One person, as the school's photographer takes them."""
    face = rng.uniform(150, 215)
    w, h = round(2.9 * face), round(3.5 * face)
    return _shoot("portrait", studio((w, h), rng), [(person, w / 2, 2.25 * face, face)], JUMPERS, sources, rng)


def _shoot(
    kind: str,
    scene: Image.Image,
    spots: list[PlacedPerson],
    jumpers: tuple[Colour, ...],
    sources: Sources,
    rng: np.random.Generator,
) -> Shot:
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
    return Shot(kind, camera(scene, rng), faces)
