"""Models in InsightFace's format (SCRFD detector, ArcFace-like embedder), loaded by insightface's own loader."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from classface_assets.vision.chips import arcface_matrix, crop_for
from classface_assets.vision.faces import NO_FACES, Faces
from classface_assets.vision.sessions import providers, runtime, session_options

USUAL_INPUT = 640


@contextmanager
def quiet() -> Iterator[None]:
    """insightface prints to stdout, which belongs to the caller."""
    with redirect_stdout(StringIO()):
        yield


def load_model(path: Path, threads: int) -> Any:
    """insightface's model of one ONNX file, None for a kind that it does not know. Raises all kinds of errors."""
    with quiet():
        runtime()
        from insightface.model_zoo import get_model

        logging.getLogger("insightface").setLevel(logging.ERROR)
        return get_model(str(path), providers=providers(), sess_options=session_options(threads))


class Scrfd:
    """Detector: squares of one size, into which insightface fits the picture."""

    def __init__(self, model: Any) -> None:
        self.model, self.session = model, model.session
        self.fixed_input = (model.static_input_size or (USUAL_INPUT, USUAL_INPUT))[0]

    def find(self, image: np.ndarray, min_confidence: float) -> Faces:
        """Faces of an (H, W, 3) RGB picture."""
        side = (self.fixed_input, self.fixed_input)
        found, landmarks = self.model.detect(image[..., ::-1], input_size=side, det_thresh=min_confidence)
        if not len(found):
            return NO_FACES
        boxes = np.concatenate([found[:, :2], found[:, 2:4] - found[:, :2]], axis=1)
        return Faces(*(a.astype(np.float32) for a in (boxes, landmarks, found[:, 4])))


class ArcFace:
    """Embedder of the ArcFace family."""

    def __init__(self, model: Any) -> None:
        self.model, self.session = model, model.session
        self.size = int(model.input_size[0])
        self.single = model.input_shape[0] == 1  # some files were exported for one face at a time
        self.dim = self._forward(np.zeros((1, self.size, self.size, 3), np.uint8)).shape[1]

    def _forward(self, crops: np.ndarray) -> np.ndarray:
        pixels = crops.transpose(0, 3, 1, 2).astype(np.float32)
        parts = [self.model.forward(part) for part in (np.split(pixels, len(pixels)) if self.single else [pixels])]
        return np.concatenate(parts)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of (n, 192, 192, 3) chips."""
        matrix = arcface_matrix(self.size)
        found = self._forward(np.stack([crop_for(chip, matrix, self.size) for chip in chips]))
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
