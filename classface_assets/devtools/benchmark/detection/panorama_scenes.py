"""Composes whole-school panoramas with known faces: rows of people in one long picture, each row before the one above.

The people are cut from photos along head and shoulders, so that hardly any background comes with them and the heads of
one row cover the chests, and now and then a chin, of the row behind.
"""

import csv
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box

LABELS_FILE = "labels.csv"
# Left, top and width of the faces of InsightFace's sample photo, as the detectors see them; they are 1.3 times as high.
SAMPLE_FACES = ((60, 277, 109), (746, 362, 101), (1134, 287, 92), (463, 285, 109), (274, 164, 97), (903, 80, 107))
MIN_VISIBLE = 0.6  # a face of which less is to be seen does not count
JITTER = 0.12  # of the face's height: nobody stands in the middle of their place
HEIGHT_SPREAD = 0.2  # faces are that much larger or smaller than the mean
# Around the face's box, in its widths and heights: hair, and shoulders down to the chest.
CROP_LEFT, CROP_TOP, CROP_RIGHT, CROP_BOTTOM = 0.8, 0.6, 1.8, 2.1


class PanoramaSourceError(UserError):
    """The folder holds no usable photos to compose panoramas from."""


@dataclass(frozen=True)
class FaceSource:
    """A photo, and the box of a person's face in it."""

    path: Path
    box: Box


@dataclass(frozen=True)
class PanoramaSpec:
    """What a panorama looks like.

    Attributes:
        name: What it is called in reports.
        rows: Rows of people.
        columns: People in a row.
        face_px: Mean height of a face, in pixels.
        apart: How far apart the middles of two faces of a row are, in heights of a face.
        row_step: How much lower each row is, in heights of a face.
        around: How much of the building and of the ground is to be seen, in heights of a face.
        cut_out: Whether people are cut out along head and shoulders, or as rectangles with what is behind them.
        blur: Radius of the blur over the whole picture, in pixels.
        quality: Of the JPEG that it has been through.
        seed: Of all chances.
    """

    name: str
    rows: int
    columns: int
    face_px: float
    apart: float = 1.6
    row_step: float = 1.5
    around: float = 3.0
    cut_out: bool = True
    blur: float = 0.0
    quality: int = 88
    seed: int = 0


@dataclass(frozen=True)
class Panorama:
    """A composed picture.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        boxes: (n, 4) float32 x, y, w, h of the faces of which enough is to be seen.
    """

    picture: np.ndarray
    boxes: np.ndarray


def bundled_sources() -> list[FaceSource]:
    """The six faces of the photo that InsightFace's package brings along."""
    spec = find_spec("insightface")
    if spec is None or spec.origin is None:
        raise PanoramaSourceError("The package insightface, whose sample photo is used, is missing: run `make test`.")
    photo = Path(spec.origin).parent / "data" / "images" / "t1.jpg"
    return [FaceSource(photo, (float(x), float(y), float(w), 1.3 * w)) for x, y, w in SAMPLE_FACES]


def read_sources(folder: Path) -> list[FaceSource]:
    """The labelled photos of a folder, each of one person.

    Args:
        folder: With a `labels.csv`, columns file, x, y, w, h: the face's box in pixels of that file.

    Raises:
        PanoramaSourceError: There is no labels.csv, it lacks a column, or it names no photo that exists.
    """
    try:
        with (folder / LABELS_FILE).open(newline="") as file:
            rows = list(csv.DictReader(file))
        boxes = [
            (folder / row["file"], (float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"]))) for row in rows
        ]
    except (OSError, KeyError, ValueError) as error:
        raise PanoramaSourceError(
            f"{folder} needs a {LABELS_FILE} with the columns file, x, y, w, h (the face's box in pixels of the file): "
            f"{error}"
        ) from None
    sources = [FaceSource(path, box) for path, box in boxes if path.is_file()]
    if not sources:
        raise PanoramaSourceError(
            f"{folder / LABELS_FILE} names no photo that exists: give the folder with the photos."
        )
    return sources


def compose_panorama(spec: PanoramaSpec, sources: list[FaceSource]) -> Panorama:
    """The panorama of a specification: the same pixels for the same sources and seed."""
    rng = np.random.default_rng(spec.seed)
    width = round((spec.columns + 2) * spec.apart * spec.face_px)
    height = round((spec.around + spec.rows * spec.row_step) * spec.face_px)
    canvas = _background(width, height, rng)
    visible = np.full((height, width), -1, np.int32)  # which person covers each pixel
    order = np.concatenate([rng.permutation(len(sources)) for _ in range(-(-spec.rows * spec.columns // len(sources)))])
    boxes: list[Box] = []
    for row in range(spec.rows):
        for column in range(spec.columns):
            size = spec.face_px * rng.uniform(1 - HEIGHT_SPREAD, 1 + HEIGHT_SPREAD)
            x, y = rng.uniform(-JITTER, JITTER, 2) * spec.face_px
            x += (column + 1.25 + row % 2 / 2) * spec.apart * spec.face_px  # rows are staggered
            y += (spec.around / 2 + row * spec.row_step) * spec.face_px
            boxes.append(_paste(canvas, visible, sources[order[len(boxes)]], len(boxes), (x, y, size), spec.cut_out))
    if spec.blur:
        canvas = canvas.filter(ImageFilter.GaussianBlur(spec.blur))
    encoded = BytesIO()
    canvas.save(encoded, "JPEG", quality=spec.quality)
    shown = [box for number, box in enumerate(boxes) if _visible_share(visible, box, number) >= MIN_VISIBLE]
    return Panorama(np.asarray(Image.open(encoded)), np.array(shown, np.float32).reshape(-1, 4))


def _background(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A wall in one colour, with spots of other brightness and fine grain."""
    coarse = rng.normal(0, 18, (max(2, height // 48), max(2, width // 48), 1)) + rng.uniform(70, 180, 3)
    wall = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 5, (height, min(width, 2048), 1))
    grain = np.tile(grain, (1, -(-width // grain.shape[1]), 1))[:, :width]
    return Image.fromarray((np.asarray(wall) + grain).clip(0, 255).astype(np.uint8))


def _paste(
    canvas: Image.Image,
    visible: np.ndarray,
    source: FaceSource,
    number: int,
    place: tuple[float, float, float],
    cut_out: bool,
) -> Box:
    """Paste a person so that the face's middle and height are those of the place; returns the face's box."""
    center_x, center_y, size = place
    fx, fy, fw, fh = source.box
    with Image.open(source.path) as file:
        photo = file.convert("RGB")
    left, top = max(0, round(fx - CROP_LEFT * fw)), max(0, round(fy - CROP_TOP * fh))
    right = min(photo.width, round(fx + CROP_RIGHT * fw))
    bottom = min(photo.height, round(fy + CROP_BOTTOM * fh))
    scale = size / fh
    shape = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    cut = photo.resize(shape, Image.Resampling.LANCZOS, box=(left, top, right, bottom), reducing_gap=3.0)
    at_x, at_y = round(center_x - (fx + fw / 2 - left) * scale), round(center_y - (fy + fh / 2 - top) * scale)
    face = ((fx - left) * scale, (fy - top) * scale, fw * scale, fh * scale)
    mask = _silhouette(shape, face) if cut_out else Image.new("L", shape, 255)
    canvas.paste(cut, (at_x, at_y), mask)
    covered = np.asarray(mask) > 127
    y0, x0 = max(0, at_y), max(0, at_x)
    y1, x1 = min(visible.shape[0], at_y + shape[1]), min(visible.shape[1], at_x + shape[0])
    visible[y0:y1, x0:x1][covered[y0 - at_y : y1 - at_y, x0 - at_x : x1 - at_x]] = number
    return (at_x + face[0], at_y + face[1], face[2], face[3])


def _silhouette(shape: tuple[int, int], face: Box) -> Image.Image:
    """The soft mask of a head with hair and of shoulders, for a crop of (width, height) with the face's box in it."""
    x, y, w, h = face
    mask = Image.new("L", shape, 0)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((x - 0.3 * w, y - 0.4 * h, x + 1.3 * w, y + 1.12 * h), fill=255)
    draw.rectangle((x + 0.2 * w, y + 0.8 * h, x + 0.8 * w, y + 1.5 * h), fill=255)
    draw.ellipse((x - 0.8 * w, y + 1.15 * h, x + 1.8 * w, y + 3.5 * h), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(max(0.6, 0.02 * h)))


def _visible_share(visible: np.ndarray, box: Box, number: int) -> float:
    """The share of a face's box that this person's own picture still shows."""
    x, y, w, h = (round(v) for v in box)
    return float((visible[max(0, y) : y + h, max(0, x) : x + w] == number).mean())
