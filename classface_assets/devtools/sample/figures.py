"""One person at one size: the head cut from a picture, tilted or mirrored, on drawn shoulders in school clothes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from classface_assets.core.geometry import Box
from classface_assets.devtools.sample.people import Person

Colour = tuple[int, int, int]
Shape = tuple[tuple[float, float], ...]

# A figure's canvas in face heights: half its width, and what lies above and below the collar.
HALF, ABOVE, BELOW = 1.6, 2.0, 3.0
# The right half of the body and the clothes, in face heights from the collar.
SHOULDER = ((0.27, -0.26), (0.33, 0.02), (0.62, 0.15), (0.94, 0.27), (1.11, 0.56), (1.22, 1.2), (1.26, 3.2))
SLEEVE = ((0.9, 3.2), (0.87, 1.25), (0.8, 0.95))
JUMPER_V = ((-0.42, 0.02), (0, 0.76), (0.42, 0.02))
SKIN_V = ((-0.3, -0.6), (0.3, -0.6), (0.3, 0.0), (0, 0.36), (-0.3, 0.0))
FLAP = ((-0.29, -0.1), (-0.44, 0.08), (-0.23, 0.41), (0, 0.36))


@dataclass(frozen=True)
class Figure:
    """picture: RGB; mask: L; collar: (x, y) in the picture; face: box (x, y, w, h) in the picture; all in pixels."""

    picture: Image.Image
    mask: Image.Image
    collar: tuple[float, float]
    face: Box


def draw_figure(person: Person, source: Image.Image, size: float, tilt: float, mirror: bool, jumper: Colour) -> Figure:
    """Draw the person with a face `size` pixels high, the head turned by `tilt` degrees (clockwise)."""
    canvas, collar = (round(2 * HALF * size), round((ABOVE + BELOW) * size)), np.array((HALF, ABOVE)) * size
    turn, scale = np.deg2rad(tilt), size / person.size
    # maps source pixels from the source's collar to canvas pixels from the canvas's collar
    matrix = (
        scale * np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn)))) @ np.diag((1 - 2 * mirror, 1))
    )
    skin = _skin(person, source)
    picture, body = _body(canvas, collar, size, jumper, skin)
    head, outline = _head(person, source, matrix, size, collar)
    # the head's soft shadow on neck and clothes joins the two
    shadow = ImageChops.offset(soften(outline, 0.09 * size), 0, round(0.1 * size))
    r, g, b = skin
    picture.paste((r // 3, g // 3, b // 3), (0, 0), shadow.point(lambda v: int(0.45 * v)))
    picture.paste(head, (0, 0), outline)
    body.paste(ImageChops.lighter(body.crop((0, 0, *outline.size)), outline), (0, 0))
    x, y, w, h = person.face
    middle = matrix @ (np.array((x + w / 2, y + h / 2)) - person.collar) + collar
    face = (float(middle[0] - w * scale / 2), float(middle[1] - h * scale / 2), w * scale, h * scale)
    return Figure(picture, body, (float(collar[0]), float(collar[1])), face)


def soften(mask: Image.Image, radius: float) -> Image.Image:
    """Blur by a radius in pixels; a wide blur is done small and enlarged, which nobody sees and which is quick."""
    k = max(1.0, radius / 2)
    small = mask.resize((max(1, round(mask.width / k)), max(1, round(mask.height / k))), Image.Resampling.BOX)
    return small.filter(ImageFilter.GaussianBlur(radius / k)).resize(mask.size, Image.Resampling.BICUBIC)


def _head(
    person: Person, source: Image.Image, matrix: np.ndarray, size: float, collar: np.ndarray
) -> tuple[Image.Image, Image.Image]:
    """The source around the head and the head's feathered mask, both as large as the upper part of the canvas."""
    canvas = (round(2 * HALF * size), round((ABOVE + 0.8) * size))
    back = np.linalg.inv(matrix)
    (a, b), (d, e) = back
    c, f = np.array(person.collar) - back @ collar
    head = source.transform(canvas, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BICUBIC)
    outline = (np.array(person.outline) - person.collar) @ matrix.T + collar
    mask = Image.new("L", canvas)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in outline.tolist()], fill=255)
    return head, soften(mask, 0.025 * size).point(lambda v: max(0, min(255, round((v - 118) * 3))))


def _skin(person: Person, source: Image.Image) -> Colour:
    x, y, w, h = person.face
    cheek = source.crop((int(x + 0.3 * w), int(y + 0.5 * h), int(x + 0.7 * w), int(y + 0.7 * h)))
    r, g, b = ImageStat.Stat(cheek).median
    return int(r * 0.92), int(g * 0.86), int(b * 0.82)


def _body(
    canvas: tuple[int, int], collar: np.ndarray, size: float, jumper: Colour, skin: Colour
) -> tuple[Image.Image, Image.Image]:
    """Shoulders in a V-necked jumper over a white collar, and their mask; drawn at twice the size for smooth edges."""

    def points(shape: Shape, side: int = 1) -> list[tuple[float, float]]:
        return [(2 * (collar[0] + side * x * size), 2 * (collar[1] + y * size)) for x, y in shape]

    big = (canvas[0] * 2, canvas[1] * 2)
    mask = Image.new("L", big)
    ImageDraw.Draw(mask).polygon(points(SHOULDER) + points(SHOULDER, -1)[::-1], fill=255)
    mask = soften(mask.resize(canvas, Image.Resampling.BOX), 0.06 * size)
    mask = mask.point(lambda v: max(0, min(255, (v - 128) * 6 + 128)))
    creases = Image.new("L", big)
    for side in (-1, 1):
        ImageDraw.Draw(creases).line(points(SLEEVE, side), fill=110, width=round(0.08 * size), joint="curve")
    clothes = Image.new("RGB", big, jumper)
    draw = ImageDraw.Draw(clothes)
    r, g, b = jumper
    draw.polygon(points(JUMPER_V), fill=(226, 228, 232))
    rim = (int(0.78 * r), int(0.78 * g), int(0.78 * b))
    draw.line(points(JUMPER_V), fill=rim, width=max(2, round(0.1 * size)), joint="curve")
    draw.rectangle((0, 0, big[0], 2 * collar[1]), fill=skin)
    draw.polygon(points(SKIN_V), fill=skin)
    for side in (-1, 1):
        draw.polygon(points(FLAP, side), fill=(242, 243, 246), outline=(176, 180, 190), width=max(1, round(size / 50)))
    clothes = clothes.resize(canvas, Image.Resampling.BOX)
    clothes.paste((r // 2, g // 2, b // 2), (0, 0), soften(creases.resize(canvas, Image.Resampling.BOX), 0.04 * size))
    # light from the front: the sides of the body fall off
    across = (np.abs(np.arange(canvas[0]) - collar[0]) / size).astype(np.float32)
    falloff = (1.06 - 0.26 * across**2)[None, :, None].clip(0.5, 1.1)
    return Image.fromarray((np.asarray(clothes) * falloff).clip(0, 255).astype(np.uint8)), mask
