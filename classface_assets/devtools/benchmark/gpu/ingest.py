"""How many photos and faces a second go through the real pipeline, from files to written vectors."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from classface_assets.devtools.benchmark.gpu.machine import missing_cuda_in_onnxruntime
from classface_assets.devtools.benchmark.gpu.measurements import Device, Measurement, Outcome
from classface_assets.devtools.benchmark.gpu.networks import network_outcome
from classface_assets.devtools.benchmark.speed.contenders import time_ingest
from classface_assets.devtools.sample.compose import compose_sample
from classface_assets.vision.models.registry import load_pack

TASK = "ingest photos (files to vectors)"


def measure_ingest(device: Device) -> Iterator[Measurement]:
    """The assets images, detections and embeddings over the folder in PHOTOS, or over the composed sample."""
    pack = os.environ.get("PACK") or "builtin"
    setting = Path(pack).name
    if device is Device.CUDA and (missing := missing_cuda_in_onnxruntime()):
        yield Measurement(TASK, f"{setting}, photos", device, Outcome.NOT_RUN, note=missing)
        yield Measurement(TASK, f"{setting}, faces", device, Outcome.NOT_RUN, note=missing)
        return
    with TemporaryDirectory() as text:
        work = Path(text)
        photos = Path(os.environ["PHOTOS"]) if os.environ.get("PHOTOS") else compose_sample(work / "sample").photos
        loaded = load_pack(pack, work, work)
        result = time_ingest(photos, pack, work / "ingest")
    outcomes = {network_outcome(network, device) for network in (loaded.detector, loaded.embedder)}
    outcome = Outcome.FELL_BACK if Outcome.FELL_BACK in outcomes else Outcome.MEASURED
    boxes, seconds = result["faces"], result["seconds"]
    note = f"{len(boxes)} photos in {seconds:.1f} s, start of Dagster's steps included"
    yield Measurement(TASK, f"{setting}, photos", device, outcome, len(boxes) / seconds, "photos", note)
    faces = sum(len(found) for found in boxes.values())
    yield Measurement(TASK, f"{setting}, faces", device, outcome, faces / seconds, "faces")
