"""How many faces a second the projection head is trained on, over all epochs, its evaluation included."""

import os
import time
from collections.abc import Iterator

import numpy as np

from classface_assets.devtools.benchmark.gpu.machine import missing_cuda_in_torch
from classface_assets.devtools.benchmark.gpu.measurements import Device, Measurement, Outcome
from classface_assets.devtools.benchmark.gpu.search import DIMENSIONS, FACES_A_PERSON, synthetic_vectors
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.training import train_head
from classface_assets.identity.projection.training_faces import training_faces

FACES, EPOCHS = 2000, 50
TASK = "train the projection head"


def measure_head(device: Device) -> Iterator[Measurement]:
    """One training of FACES faces over EPOCHS epochs (HEAD_EPOCHS)."""
    epochs = int(os.environ.get("HEAD_EPOCHS") or EPOCHS)
    setting = f"{FACES:,} faces of {DIMENSIONS} numbers, {epochs} epochs"
    if device is Device.CUDA and (missing := missing_cuda_in_torch()):
        yield Measurement(TASK, setting, device, Outcome.NOT_RUN, note=missing)
        return
    vectors = synthetic_vectors(FACES)
    persons = [str(person) for person in np.arange(FACES) // FACES_A_PERSON]
    start = time.perf_counter()
    result = train_head(training_faces(vectors, persons), TrainingSettings(epochs=epochs))
    seconds = time.perf_counter() - start
    outcome = Outcome.MEASURED if _trained_on() == device else Outcome.FELL_BACK
    note = f"{seconds:.1f} s, held-out loss {result.held_out_loss or 0:.4f}"
    yield Measurement(TASK, setting, device, outcome, FACES * epochs / seconds, "faces", note)


def _trained_on() -> Device:
    """Where the training ran: torch has reserved memory of a card if it ever used one."""
    import torch

    return Device.CUDA if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0 else Device.CPU
