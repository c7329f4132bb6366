"""`make bench-embedders`: how many milliseconds of one core a face takes in each pack's embedder.

    make bench-embedders              builtin and dlib, in what this processor runs and in float32
    make bench-embedders PACK=pack    also this pack

CPU time is counted, of all threads, so that other programs on the machine change little.
"""

import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from PIL import Image

from classface_assets.vision.alignment import align_face
from classface_assets.vision.embedding import BATCH_SIZES
from classface_assets.vision.models import openvino_bf16
from classface_assets.vision.models.registry import load_pack
from classface_assets.vision.protocols import Embedder

FACES = 96
ROUNDS = 5


def sample_chips(count: int, folder: Path) -> np.ndarray:
    """Chips (count, 192, 192, 3) of the six faces in InsightFace's sample photo, one after the other."""
    spec = find_spec("insightface")
    assert spec is not None and spec.origin is not None
    with Image.open(Path(spec.origin).parent / "data" / "images" / "t1.jpg") as file:
        group = np.asarray(file.convert("RGB"))
    found = load_pack("builtin", folder, folder).detector.detect(group, 0.5)
    chips = [align_face(group, marks) for marks in found.landmarks]
    return np.stack([chips[number % len(chips)] for number in range(count)])


def milliseconds_a_face(embedder: Embedder, chips: np.ndarray, rounds: int) -> float:
    """The CPU time of a face in batches as the pipeline makes them: the least of some rounds."""
    batches = np.split(chips, range(BATCH_SIZES["cpu"], len(chips), BATCH_SIZES["cpu"]))
    embedder.embed(batches[0])
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        for batch in batches:
            embedder.embed(batch)
        seconds.append(time.process_time() - start)
    return min(seconds) / len(chips) * 1000


def measure(packs: Sequence[str], faces: int, rounds: int) -> list[tuple[str, str, float]]:
    """Pack, precision and milliseconds a face, in what this processor runs and then in float32."""
    rows: dict[tuple[str, str], float] = {}
    with TemporaryDirectory() as text:
        folder = Path(text)
        chips = sample_chips(faces, folder)
        for core in (openvino_bf16.openvino_core, lambda: None):  # then as on a processor without bfloat16
            with patch.object(openvino_bf16, "openvino_core", core):
                for pack in packs:
                    loaded = load_pack(pack, folder, folder)
                    key = loaded.info.name, loaded.embedder.precision
                    if key not in rows:
                        rows[key] = milliseconds_a_face(loaded.embedder, chips, rounds)
    return [(*key, found) for key, found in rows.items()]


def main(packs: Sequence[str] = (), faces: int = FACES, rounds: int = ROUNDS) -> None:
    """Print one row for each pack and precision."""
    print("| pack | precision | ms of one core a face |\n|---|---|---|")
    for pack, precision, found in measure(["builtin", "dlib", *packs], faces, rounds):
        print(f"| {pack} | {precision} | {found:.1f} |", flush=True)


if __name__ == "__main__":
    main([os.environ["PACK"]] if os.environ.get("PACK") else [])
