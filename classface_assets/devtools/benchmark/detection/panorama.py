"""`make bench-panorama`: how many faces of whole-school panoramas are found, what else is found, and how fast.

Panoramas are composed (`panorama_scenes`) from a folder of labelled photos of single people, FACES, or else from the
six faces that InsightFace's package brings along. What is found beside the placed faces is, in photos of real people,
often another real face: SHEETS names a folder for contact sheets of them, to be looked at. PHOTOS names a folder of any
photos, whose faces go to such sheets too, those first that the detector is least sure of at a second look.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw

from classface_assets.core.errors import UserError
from classface_assets.core.geometry import match_boxes
from classface_assets.devtools.benchmark.detection.panorama_scenes import (
    Panorama,
    PanoramaSpec,
    bundled_sources,
    compose_panorama,
    read_sources,
)
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.models.registry import load_pack
from classface_assets.vision.photos.image_pyramid import open_pyramid, pyramid_from_pixels
from classface_assets.vision.protocols import Detector

PANORAMAS = (
    PanoramaSpec("grid, 34 px", 6, 135, 34, 2.3, 2.4, cut_out=False, seed=1),
    PanoramaSpec("rows, 50 px, blurred", 6, 100, 50, blur=0.8, quality=75, seed=5),
    PanoramaSpec("rows, 28 px", 6, 75, 28, 1.4, 1.3, seed=7),
    PanoramaSpec("rows, 90 px, crowded", 6, 75, 90, 1.4, 1.2, seed=6),
    PanoramaSpec("rows, 24 px, poor JPEG", 6, 60, 24, 1.5, 1.3, around=12, quality=40, seed=9),
    PanoramaSpec("ordinary shape, 60 px, far", 6, 60, 60, 1.5, 1.3, around=40, seed=100),
)
HEADER = (
    "| panorama | pixels | faces | found | share | others | seconds | s/megapixel |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)
SHEET_COLUMNS, CELL_PX, CELL_CONTEXT = 16, 72, 1.8


def match_panorama(panorama: Panorama, boxes: np.ndarray) -> tuple[int, np.ndarray]:
    """How many faces of a panorama are found by detected (n, 4) boxes, and which of these find none, by their index."""
    matched = match_boxes(_as_boxes(panorama.boxes), _as_boxes(boxes))
    found = [index for index in matched if index is not None]
    return len(found), np.setdiff1d(np.arange(len(boxes)), found)


def face_sheet(picture: np.ndarray, boxes: np.ndarray, labels: list[str]) -> Image.Image:
    """A contact sheet of the (n, 4) boxes of an (H, W, 3) picture, a text below each."""
    rows = -(-max(1, len(boxes)) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * CELL_PX, rows * (CELL_PX + 12)))
    draw, photo = ImageDraw.Draw(sheet), Image.fromarray(picture)
    for number, ((x, y, w, h), label) in enumerate(zip(boxes, labels, strict=True)):
        side = CELL_CONTEXT * max(w, h) / 2
        low, high = (x + w / 2 - side, y + h / 2 - side), (x + w / 2 + side, y + h / 2 + side)
        cell = photo.crop((round(low[0]), round(low[1]), round(high[0]), round(high[1]))).resize((CELL_PX, CELL_PX))
        left, top = number % SHEET_COLUMNS * CELL_PX, number // SHEET_COLUMNS * (CELL_PX + 12)
        sheet.paste(cell, (left, top))
        draw.text((left + 2, top + CELL_PX), label, fill="white")
    return sheet


def measure_panorama(detector: Detector, spec: PanoramaSpec, panorama: Panorama, sheets: Path | None) -> str:
    """The row of a panorama in the table; with `sheets`, a contact sheet of what is found beside its faces."""
    pyramid = pyramid_from_pixels(panorama.picture)
    start = time.perf_counter()
    faces = detect_oriented(detector, pyramid, DetectionSettings()).faces
    seconds = time.perf_counter() - start
    found, others = match_panorama(panorama, faces.boxes)
    if sheets is not None and len(others):
        labels = [f"{score:.2f}" for score in faces.scores[others]]
        face_sheet(panorama.picture, faces.boxes[others], labels).save(sheets / f"{spec.name.replace(', ', '_')}.png")
    height, width = panorama.picture.shape[:2]
    placed = len(panorama.boxes)
    return (
        f"| {spec.name} | {width:,} × {height:,} | {placed} | {found} | {found / placed:.3f} | {len(others)} "
        f"| {seconds:.1f} | {seconds / (width * height / 1e6):.2f} |"
    )


def write_photo_sheets(detector: Detector, photos: Path, sheets: Path) -> None:
    """Contact sheets of all faces of the photos in a folder, the least sure first; prints how many each has."""
    print("| photo | faces | seconds |\n| --- | --- | --- |")
    for path in sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        pyramid = open_pyramid(path)
        start = time.perf_counter()
        faces = detect_oriented(detector, pyramid, DetectionSettings()).faces
        print(f"| {path.name} | {len(faces)} | {time.perf_counter() - start:.1f} |", flush=True)
        faces = faces.select(np.argsort(faces.scores, kind="stable"))
        picture = pyramid.resized_to(max(pyramid.width, pyramid.height))
        face_sheet(picture, faces.boxes, [f"{s:.2f}" for s in faces.scores]).save(sheets / f"{path.stem}.png")


def main() -> None:
    """Print a row per panorama."""
    faces, photos, sheets = (os.environ.get(name) for name in ("FACES", "PHOTOS", "SHEETS"))
    folder = Path(sheets) if sheets else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    sources = read_sources(Path(faces)) if faces else bundled_sources()
    with TemporaryDirectory() as cache:
        detector = load_pack(os.environ.get("PACK") or "builtin", Path(cache), Path(cache)).detector
    print(HEADER)
    for spec in PANORAMAS:
        print(measure_panorama(detector, spec, compose_panorama(spec, sources), folder), flush=True)
    if photos:
        write_photo_sheets(detector, Path(photos), folder or Path())


def _as_boxes(boxes: np.ndarray) -> list[tuple[float, float, float, float]]:
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in boxes]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None
