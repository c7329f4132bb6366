"""The interfaces of a model pack: what a detector, an embedder and an inference session must offer.

A new network only needs a class that fits one of these; `models.registry` decides which is loaded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from classface_assets.vision.faces import FaceDetections


class TensorSpec(Protocol):
    """The description of a network's input or output."""

    @property
    def name(self) -> str:
        """The tensor's name."""
        ...

    @property
    def type(self) -> str:
        """The element type as onnxruntime writes it, such as `tensor(float)`."""
        ...

    @property
    def shape(self) -> list[int | str | None]:
        """The length of each axis; a name or None for a dynamic one."""
        ...


class InferenceSession(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used; `run` may be called from many threads."""

    def get_inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs."""
        ...

    def get_outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs."""
        ...

    def get_providers(self) -> Sequence[str]:
        """The execution providers that run it."""
        ...

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs (None: all) of the fed inputs."""
        ...


class Detector(Protocol):
    """Finds the faces of a picture; may be called from many threads.

    Attributes:
        base_side: The long side, in pixels, at which a photo is searched first.
        fixed_input: The side of its input if it takes squares of one size only, else None.
        reliable_px: Faces narrower than that, in pixels of its input, may be missed.
        landmark_crop: The side of the small picture in which the landmarks of one face are placed best, and the side
            of the face in it, in pixels.
        precision: What it computes in, `float32` or `bfloat16`.
    """

    base_side: int
    fixed_input: int | None
    reliable_px: int
    landmark_crop: tuple[int, int]
    precision: str

    def detect(self, image: np.ndarray, min_confidence: float) -> FaceDetections:
        """The faces of an (H, W, 3) uint8 RGB picture, best first, in its pixels."""
        ...


class Embedder(Protocol):
    """Turns face chips into vectors; may be called from many threads.

    Attributes:
        dim: The length of a vector.
        precision: What it computes in, `float32` or `bfloat16`.
    """

    dim: int
    precision: str

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """The unit vectors (n, dim) float32 of (n, 192, 192, 3) uint8 RGB chips."""
        ...


ModelSource = bytes | Path
"""A serialised ONNX model, or the file that holds one."""
