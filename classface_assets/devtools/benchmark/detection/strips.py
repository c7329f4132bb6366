"""`make bench-strips`: how many small faces are detected in long strips, such as panoramas, and how fast.

The faces are those of scikit-image's astronaut and of InsightFace's sample photo, so small that one pass of the
detector finds none.
"""

import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.faces import FaceDetections, overlap_ratios
from classface_assets.vision.models.registry import load_pack
from classface_assets.vision.photos.image_pyramid import pyramid_from_pixels

SHAPES = ((12_000, 2_000), (30_000, 2_000), (2_000, 12_000), (2_000, 30_000))
FACES, FACE_PX = 20, 50
HEAD_SCALE = 2.2  # side of the pasted head with its surroundings, relative to the face
# Left, top and width of faces as the detectors see them, in the astronaut and in the group.
ASTRONAUT = ((182, 72, 88),)
GROUP = ((60, 277, 109), (746, 362, 101), (1134, 287, 92), (463, 285, 109), (274, 164, 97), (903, 80, 107))
MIN_IOU = 0.3  # intersection over union of a face that was found with one that was placed


def crop_heads() -> list[Image.Image]:
    """Heads whose faces are `FACE_PX` pixels wide."""
    from skimage import data

    spec = find_spec("insightface")
    assert spec is not None and spec.origin is not None
    with Image.open(Path(spec.origin).parent / "data" / "images" / "t1.jpg") as file:
        group = file.convert("RGB")
    of_each = [(Image.fromarray(data.astronaut()), face) for face in ASTRONAUT] + [(group, face) for face in GROUP]
    return [_crop_head(picture, face) for picture, face in of_each]


def make_strip(width: int, height: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An (h, w, 3) picture of noisy grey with `FACES` faces along its long side, and their (n, 4) boxes."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(128, 6, (height, 1000, 3)).clip(0, 255).astype(np.uint8)
    picture = np.tile(noise, (1, -(-width // 1000), 1))[:, :width].copy()
    pasted, boxes = crop_heads(), []
    for number in range(FACES):
        head = np.asarray(pasted[number % len(pasted)])
        along = (np.array([width, height]) - head.shape[0]) * (number + 0.5) / FACES
        across = rng.uniform(0, np.array([width, height]) - head.shape[0])
        left, top = (along[0], across[1]) if width > height else (across[0], along[1])
        picture[int(top) : int(top) + head.shape[0], int(left) : int(left) + head.shape[1]] = head
        margin = (head.shape[0] - FACE_PX) / 2
        boxes.append([left + margin, top + margin, FACE_PX, FACE_PX])
    return picture, np.array(boxes, np.float32)


def count_found(boxes: np.ndarray, faces: FaceDetections) -> int:
    """How many of the boxes match a detected face."""
    return sum(len(faces) > 0 and bool(overlap_ratios(box, faces.boxes)[0].max() >= MIN_IOU) for box in boxes)


def main(shapes: Sequence[tuple[int, int]] = SHAPES) -> None:
    """Print one row per shape: faces found, other detections, seconds."""
    print(f"| strip | faces of {FACE_PX} px found | others | seconds |\n| --- | --- | --- | --- |")
    with TemporaryDirectory() as folder:
        detector = load_pack("builtin", Path(folder), Path(folder)).detector
    for width, height in shapes:
        picture, boxes = make_strip(width, height)
        start = time.perf_counter()
        faces = detect_oriented(detector, pyramid_from_pixels(picture), DetectionSettings(), turnable=True).faces
        seconds, found = time.perf_counter() - start, count_found(boxes, faces)
        print(
            f"| {width:,} × {height:,} | {found} of {len(boxes)} | {len(faces) - found} | {seconds:.1f} |", flush=True
        )


def _crop_head(picture: Image.Image, face: tuple[int, int, int]) -> Image.Image:
    left, top, width = face
    side, centre = HEAD_SCALE * width, (left + width / 2, top + width / 2)
    low = [round(middle - side / 2) for middle in centre]
    scale = FACE_PX / width
    cut = picture.crop((low[0], low[1], low[0] + round(side), low[1] + round(side)))
    return cut.resize((round(side * scale), round(side * scale)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
