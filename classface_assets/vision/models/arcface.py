"""Embedders of the ArcFace kind from any ONNX file, tried out when they are loaded.

ArcFace (Deng et al. 2019), AdaFace (Kim et al. 2022), MobileFaceNet and their like differ in the size, channel order
and scaling of their input. A file that is something else is found out by giving it pictures.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classface_assets.vision.alignment import chip_to_arcface, warp_to_input
from classface_assets.vision.models.dlib_resnet import CHIP_TO_DLIB
from classface_assets.vision.models.dlib_resnet import INPUT_SIZE as DLIB_SIZE
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import error_summary, open_session
from classface_assets.vision.models.openvino_bf16 import accelerate, precision_of

INPUT_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class Preprocessing:
    """How a model sees a face: (pixel − mean) / scale, pixels 0 to 255, `mean` and `scale` in the order of `channels`.

    `align` names the template that the face is put on; `flip` adds the vector of the mirror image; `embedding_size` is
    what the model is expected to give, None for whatever it gives.
    """

    input_size: int = 112
    channels: str = "RGB"
    mean: tuple[float, ...] = (127.5,) * 3
    scale: tuple[float, ...] = (127.5,) * 3
    align: str = "arcface"
    flip: bool = False
    embedding_size: int | None = None

    @property
    def matrix(self) -> np.ndarray:
        """Chip frame to the frame of the model's input, 2×3."""
        if self.align == "dlib":
            return CHIP_TO_DLIB * self.input_size / DLIB_SIZE
        return chip_to_arcface(self.input_size)

    def blob(self, faces: np.ndarray) -> np.ndarray:
        """The model's (n, 3, s, s) float32 input of (n, s, s, 3) RGB faces."""
        pixels = faces if self.channels == "RGB" else faces[..., ::-1]
        blob = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)  # planes first: six times as fast
        blob -= np.array(self.mean, np.float32)[:, None, None]
        blob /= np.array(self.scale, np.float32)[:, None, None]
        return blob


class ArcFace:
    """Embedder: chips to unit vectors. Raises PackError for a file that is no face recognition model of that recipe."""

    def __init__(self, path: Path, recipe: Preprocessing) -> None:
        self.path, self.recipe = path, recipe
        try:
            self.session: Any = open_session(path)
        except Exception as error:
            raise PackError(
                f"{path} is not an ONNX model that can be loaded ({error_summary(error)}): replace it or delete it."
            ) from error
        self._check_input()
        self.single = True
        probes = recipe.blob(_probe_images(recipe.input_size))
        found = self._tried(probes)
        self.dim = int(found.shape[1])
        self.single = not self._batches(probes, found)
        self.session = accelerate(
            path, self.session, {self.input: probes[: 1 if self.single else None].astype(self.kind)}
        )
        self.precision = precision_of(self.session)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of (n, 192, 192, 3) chips."""
        size = self.recipe.input_size
        faces = np.stack([warp_to_input(chip, self.recipe.matrix, size) for chip in chips])
        found = self._run(self.recipe.blob(faces))
        if self.recipe.flip:
            found = found + self._run(self.recipe.blob(faces[:, :, ::-1]))
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def _run(self, blob: np.ndarray) -> np.ndarray:
        parts = np.split(blob, len(blob)) if self.single else [blob]
        found = [self.session.run([self.output], {self.input: part.astype(self.kind)})[0] for part in parts]
        return np.concatenate(found).astype(np.float32)

    def _check_input(self) -> None:
        inputs, size = self.session.get_inputs(), self.recipe.input_size
        self.input, self.output = inputs[0].name if inputs else "", self.session.get_outputs()[0].name
        if len(inputs) != 1 or inputs[0].type not in INPUT_DTYPES or len(inputs[0].shape) != 4:
            taken = ", ".join(f"{i.type} {_format_shape(i.shape)}" for i in inputs) or "no input"
            raise self._wrong(f"it takes {taken}, not pictures (n, 3, {size}, {size}) of numbers")
        self.kind = INPUT_DTYPES[inputs[0].type]
        for given, wanted in zip(inputs[0].shape[1:], (3, size, size), strict=True):
            if isinstance(given, int) and given != wanted:
                raise self._wrong(
                    f"its input is {_format_shape(inputs[0].shape)}, not (n, 3, {size}, {size}): give its input_size "
                    "in the pack's description, if it is one"
                )

    def _tried(self, probes: np.ndarray) -> np.ndarray:
        """The vectors (n, dim) of unlike pictures, one at a time. Raises PackError when they cannot be faces'."""
        try:
            answers = [
                np.asarray(self.session.run([self.output], {self.input: probe[None].astype(self.kind)})[0])
                for probe in probes
            ]
        except Exception as error:
            raise self._wrong(f"it does not run on one picture ({error_summary(error)})") from error
        shape = answers[0].shape
        if len(shape) != 2 or shape[0] != 1 or shape[1] < 2:
            raise self._wrong(f"for one picture it gives numbers of the shape {_format_shape(shape)}, not (1, d)")
        wanted = self.recipe.embedding_size
        if wanted is not None and shape[1] != wanted:
            raise PackError(
                f"{self.path} gives {shape[1]} numbers a face, but embedding_size is {wanted}: mend either."
            )
        found = np.concatenate(answers).astype(np.float64)
        if not np.isfinite(found).all():
            raise self._wrong("it gives numbers that are not finite; mean and scale may be wrong")
        if np.ptp(found, axis=0).max() <= 1e-4 * np.abs(found).max():
            raise self._wrong("it gives the same numbers for unlike pictures; mean and scale may be wrong")
        return found

    def _batches(self, probes: np.ndarray, alone: np.ndarray) -> bool:
        """Whether several pictures at once give what each gives alone: some files were exported for one at a time."""
        try:
            together = self.session.run([self.output], {self.input: probes.astype(self.kind)})[0]
        except Exception:  # onnxruntime has a class of errors of its own for each reason
            return False
        return together.shape == alone.shape and bool(np.allclose(together, alone, atol=0.01 * np.abs(alone).max()))

    def _wrong(self, why: str) -> PackError:
        return PackError(f"{self.path} does not work as a face recognition model: {why}.")


def _probe_images(size: int) -> np.ndarray:
    """Three unlike (size, size, 3) pictures: noise, a ramp, a bright disc on black."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3))
    across = np.linspace(0, 255, size)
    ramp = np.stack([np.tile(across, (size, 1)), np.tile(across[::-1], (size, 1)), np.tile(across[:, None], size)], -1)
    disc = np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]) < 0.6
    return np.stack([noise, ramp, np.repeat(disc[..., None] * 230, 3, axis=-1)]).astype(np.uint8)


def _format_shape(shape: object) -> str:
    return "(" + ", ".join(str(part) for part in shape) + ")" if isinstance(shape, list | tuple) else str(shape)
