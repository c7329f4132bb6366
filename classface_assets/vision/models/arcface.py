"""Embedders of the ArcFace kind from any ONNX file, checked by a trial run when they are loaded.

ArcFace (Deng et al. 2019), AdaFace (Kim et al. 2022), MobileFaceNet and similar networks differ in the size, channel
order and scaling of their input. A file that is something else is recognised by giving it pictures.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classface_assets.core.languages import sentence
from classface_assets.vision.alignment import chip_to_arcface, warp_to_input
from classface_assets.vision.models.converted.dlib_resnet import CHIP_TO_DLIB
from classface_assets.vision.models.converted.dlib_resnet import INPUT_SIZE as DLIB_SIZE
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import error_summary, open_session
from classface_assets.vision.models.openvino_bf16 import accelerate, precision_of
from classface_assets.vision.protocols import InferenceSession

INPUT_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class Preprocessing:
    """How a face becomes the input of a model: (pixel − mean) / scale, with pixels from 0 to 255.

    Attributes:
        input_size: The side of the square input, in pixels.
        channels: `RGB` or `BGR`; `mean` and `scale` are in that order.
        mean: Subtracted from each channel.
        scale: Divides each channel.
        align: The template that the face is aligned to, `arcface` or `dlib`.
        flip: Whether the vector of the mirrored face is added.
        embedding_size: The expected length of a vector; None: whatever the model returns.
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
        """The 2×3 matrix from the frame of a chip to that of the model's input."""
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
    """An `Embedder` of one ONNX file."""

    def __init__(self, path: Path, preprocessing: Preprocessing) -> None:
        """Load the file and try it on three pictures.

        Raises:
            PackError: The file is no face recognition model with that preprocessing.
        """
        self.path, self.preprocessing = path, preprocessing
        try:
            self.session: InferenceSession = open_session(path)
        except Exception as error:
            raise PackError(
                sentence(
                    "%(file)s is not an ONNX model that can be loaded (%(why)s): replace it or delete it.",
                    file=path,
                    why=error_summary(error),
                )
            ) from error
        self._check_input()
        self.one_at_a_time = True
        probes = preprocessing.blob(_probe_images(preprocessing.input_size))
        vectors = self._try_one_by_one(probes)
        self.dim = int(vectors.shape[1])
        self.one_at_a_time = not self._takes_batches(probes, vectors)
        feeds = {self._input: probes[: 1 if self.one_at_a_time else None].astype(self._dtype)}
        self.session = accelerate(path, self.session, feeds)
        self.precision = precision_of(self.session)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """The unit vectors (n, dim) float32 of (n, 192, 192, 3) chips."""
        size = self.preprocessing.input_size
        faces = np.stack([warp_to_input(chip, self.preprocessing.matrix, size) for chip in chips])
        vectors = self._run(self.preprocessing.blob(faces))
        if self.preprocessing.flip:
            vectors = vectors + self._run(self.preprocessing.blob(faces[:, :, ::-1]))
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def _run(self, blob: np.ndarray) -> np.ndarray:
        batches = np.split(blob, len(blob)) if self.one_at_a_time else [blob]
        vectors = [self.session.run([self._output], {self._input: batch.astype(self._dtype)})[0] for batch in batches]
        return np.concatenate(vectors).astype(np.float32)

    def _check_input(self) -> None:
        """Sets the input's name and type. Raises PackError when it is no batch of square pictures of that size."""
        inputs, size = self.session.get_inputs(), self.preprocessing.input_size
        self._input, self._output = inputs[0].name if inputs else "", self.session.get_outputs()[0].name
        if len(inputs) != 1 or inputs[0].type not in INPUT_DTYPES or len(inputs[0].shape) != 4:
            actual = ", ".join(f"{i.type} {_format_shape(i.shape)}" for i in inputs) or "no input"
            raise self._unusable(f"it takes {actual}, not pictures (n, 3, {size}, {size}) of numbers")
        self._dtype = INPUT_DTYPES[inputs[0].type]
        for dim, expected in zip(inputs[0].shape[1:], (3, size, size), strict=True):
            if isinstance(dim, int) and dim != expected:
                raise self._unusable(
                    f"its input is {_format_shape(inputs[0].shape)}, not (n, 3, {size}, {size}): give its input_size "
                    "in the pack's description, if it is one"
                )

    def _try_one_by_one(self, probes: np.ndarray) -> np.ndarray:
        """The vectors (n, dim) of different pictures, one at a time. Raises PackError when they cannot be faces'."""
        try:
            outputs = [
                np.asarray(self.session.run([self._output], {self._input: probe[None].astype(self._dtype)})[0])
                for probe in probes
            ]
        except Exception as error:
            raise self._unusable(f"it does not run on one picture ({error_summary(error)})") from error
        shape = outputs[0].shape
        if len(shape) != 2 or shape[0] != 1 or shape[1] < 2:
            raise self._unusable(f"for one picture it returns numbers of the shape {_format_shape(shape)}, not (1, d)")
        expected = self.preprocessing.embedding_size
        if expected is not None and shape[1] != expected:
            raise PackError(
                f"{self.path} returns {shape[1]} numbers a face, but embedding_size is {expected}: correct one of them."
            )
        vectors = np.concatenate(outputs).astype(np.float64)
        if not np.isfinite(vectors).all():
            raise self._unusable("it returns numbers that are not finite; mean and scale may be wrong")
        if np.ptp(vectors, axis=0).max() <= 1e-4 * np.abs(vectors).max():
            raise self._unusable("it returns the same numbers for different pictures; mean and scale may be wrong")
        return vectors

    def _takes_batches(self, probes: np.ndarray, one_by_one: np.ndarray) -> bool:
        """Whether a batch gives the same vectors as its pictures one by one: some files were exported for one only."""
        try:
            vectors = self.session.run([self._output], {self._input: probes.astype(self._dtype)})[0]
        except Exception:  # onnxruntime has a class of errors of its own for each reason
            return False
        tolerance = 0.01 * np.abs(one_by_one).max()
        return vectors.shape == one_by_one.shape and bool(np.allclose(vectors, one_by_one, atol=tolerance))

    def _unusable(self, reason: str) -> PackError:
        return PackError(f"{self.path} does not work as a face recognition model: {reason}.")


def _probe_images(size: int) -> np.ndarray:
    """Three different (size, size, 3) pictures: noise, a ramp, a bright disc on black."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3))
    row = np.linspace(0, 255, size)
    ramp = np.stack([np.tile(row, (size, 1)), np.tile(row[::-1], (size, 1)), np.tile(row[:, None], size)], -1)
    disc = np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]) < 0.6
    return np.stack([noise, ramp, np.repeat(disc[..., None] * 230, 3, axis=-1)]).astype(np.uint8)


def _format_shape(shape: object) -> str:
    return "(" + ", ".join(str(dim) for dim in shape) + ")" if isinstance(shape, list | tuple) else str(shape)
