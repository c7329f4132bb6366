"""How many photos a second the detectors search, and how many faces a second the embedders embed, by batch size."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
from PIL import Image

from classface_assets.devtools.benchmark.detection.panorama_scenes import bundled_sources
from classface_assets.devtools.benchmark.gpu.machine import missing_cuda_in_onnxruntime
from classface_assets.devtools.benchmark.gpu.measurements import Device, Measurement, Outcome
from classface_assets.vision.alignment import align_face
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import device_of
from classface_assets.vision.models.registry import ModelPack, load_pack
from classface_assets.vision.protocols import InferenceSession

BATCHES = (1, 8, 32, 128)
DETECTION_SIDES = (640, 1600)  # of the first pass, and of a tile of a finer one
SECONDS_EACH, ROUNDS = 1.5, 200
SEARCH, EMBED = "search photos (network alone)", "embed faces (chips to vectors)"


def measure_networks(device: Device) -> Iterator[Measurement]:
    """The detector and the embedder of `builtin`, and of the pack in PACK."""
    packs = list(dict.fromkeys(("builtin", os.environ.get("PACK") or "builtin")))
    if device is Device.CUDA and (missing := missing_cuda_in_onnxruntime()):
        for pack in packs:
            name = Path(pack).name
            for side in DETECTION_SIDES:
                yield Measurement(SEARCH, f"{name}, {side} px", device, Outcome.NOT_RUN, note=missing)
            for batch in BATCHES:
                yield Measurement(EMBED, f"{name}, batch {batch}", device, Outcome.NOT_RUN, note=missing)
        return
    with TemporaryDirectory() as folder:
        for pack in packs:
            try:
                loaded = load_pack(pack, Path(folder), Path(folder))
            except PackError as error:
                yield Measurement(EMBED, Path(pack).name, device, Outcome.NOT_RUN, note=str(error))
                continue
            yield from _measure_pack(loaded, Path(pack).name, device)


def _measure_pack(pack: ModelPack, name: str, device: Device) -> Iterator[Measurement]:
    """Photos a second at two sizes, then faces a second in batches."""
    with Image.open(bundled_sources()[0].path) as file:
        photo = file.convert("RGB")
    outcome = network_outcome(pack.detector, device)
    for side in DETECTION_SIDES:
        picture = np.asarray(photo.resize((side, side * 3 // 4)))
        rate = _repeats_a_second(partial(pack.detector.detect, picture, 0.5))
        yield Measurement(SEARCH, f"{name}, {side} px", device, outcome, rate, "photos", pack.detector.precision)
    pixels = np.asarray(photo)
    found = pack.detector.detect(pixels, 0.5)
    chips = np.stack([align_face(pixels, marks) for marks in found.landmarks])
    outcome = network_outcome(pack.embedder, device)
    for batch in BATCHES:
        faces = chips[np.arange(batch) % len(chips)]
        rate = batch * _repeats_a_second(partial(pack.embedder.embed, faces))
        yield Measurement(EMBED, f"{name}, batch {batch}", device, outcome, rate, "faces", pack.embedder.precision)


def network_outcome(network: object, device: Device) -> Outcome:
    """Whether the network runs where it was to run: detectors and embedders hold their session in `session`."""
    session = cast(InferenceSession, vars(network)["session"])
    return Outcome.MEASURED if device_of(session) == device else Outcome.FELL_BACK


def _repeats_a_second(act: Callable[[], object]) -> float:
    """How often a second something can be done, after it was done once."""
    act()
    start, count = time.perf_counter(), 0
    while count < ROUNDS and time.perf_counter() - start < SECONDS_EACH:
        act()
        count += 1
    return count / (time.perf_counter() - start)
