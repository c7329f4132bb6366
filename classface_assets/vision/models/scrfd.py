"""Models in InsightFace's format: which file is what, by insightface's own rules, and the SCRFD detector."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from classface_assets.vision.faces import NO_DETECTIONS, FaceDetections
from classface_assets.vision.models.onnx_session import (
    execution_providers,
    onnxruntime_module,
    open_session,
    session_options,
)
from classface_assets.vision.models.openvino_bf16 import accelerate, precision_of
from classface_assets.vision.protocols import InferenceSession

BASE_SIDE = 512
DEFAULT_INPUT_SIDE = 640
STRIDE = 32


class InsightFaceModel(Protocol):
    """What insightface makes of a file: `taskname` is the kind of model (detection, recognition, …)."""

    taskname: str


class InsightFaceDetector(InsightFaceModel, Protocol):
    """The part of `insightface.model_zoo.scrfd.SCRFD` that is used."""

    session: InferenceSession
    use_kps: bool
    static_input_size: tuple[int, int] | None

    def forward(self, image: np.ndarray, threshold: float) -> tuple[list[np.ndarray], ...]:
        """Scores, boxes (as corners) and landmarks, a list of strides each, of an (H, W, 3) BGR picture."""
        ...

    def nms(self, boxes: np.ndarray) -> list[int]:
        """The rows of (n, 5) corners and scores, best first, that survive non-maximum suppression."""
        ...


class InsightFaceRecognizer(InsightFaceModel, Protocol):
    """The part of insightface's `ArcFaceONNX` that is used: how it would feed its network."""

    input_size: tuple[int | str, int | str]
    input_mean: float
    input_std: float


@contextmanager
def suppress_stdout() -> Iterator[None]:
    """Hides what insightface prints: stdout belongs to the caller."""
    with redirect_stdout(StringIO()):
        yield


def load_insightface_model(path: Path) -> InsightFaceModel | None:
    """Loads one ONNX file as insightface does; None for a kind that it does not know. Raises all kinds of errors."""
    with suppress_stdout():
        onnxruntime_module()
        from insightface.model_zoo import get_model

        logging.getLogger("insightface").setLevel(logging.ERROR)
        model = get_model(str(path), providers=execution_providers(), sess_options=session_options())
        return cast(InsightFaceModel | None, model)


def make_input_dynamic(path: Path) -> bytes:
    """The serialised SCRFD model, for pictures of any height and width that are multiples of 32."""
    import onnx

    model = onnx.load(str(path))
    del model.graph.value_info[:]  # the sizes that the exporter noted between the layers
    weights = {weight.name for weight in model.graph.initializer}
    picture = next(value for value in model.graph.input if value.name not in weights)
    for axis, name in ((2, "height"), (3, "width")):
        picture.type.tensor_type.shape.dim[axis].dim_param = name
    for output in model.graph.output:
        dims = output.type.tensor_type.shape.dim
        dims[len(dims) - 2].dim_param = f"{output.name}_count"
    return bytes(model.SerializeToString())


def load_dynamic_scrfd(path: Path) -> InsightFaceDetector | None:
    """Loads the SCRFD of a file for pictures of any size; None if the exported graph allows one size only.

    insightface itself would open, and keep open, a session for each size that it meets.
    """
    try:
        with suppress_stdout():
            onnxruntime_module()
            from insightface.model_zoo.scrfd import SCRFD

            network = make_input_dynamic(path)
            session = open_session(network)
            noise = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 96)).astype(np.float32)
            session = accelerate(network, session, {session.get_inputs()[0].name: noise})
            model = SCRFD(session=session, static_shape_sessions=False)
        for height, width in ((64, 96), (160, 32)):
            model.forward(np.zeros((height, width, 3), np.uint8), 0.5)
    except Exception:  # a graph with sizes written into its layers can fail in any way
        return None
    return cast(InsightFaceDetector, model)


class Scrfd:
    """A `Detector` with the SCRFD network (Guo et al. 2021).

    A picture is searched in its own shape where the model can, else resized to the model's one size. May be called from
    many threads: onnxruntime's sessions allow it, and insightface only fills a dictionary.
    """

    # Chosen by the true accept rate at a false accept rate of 1e-4, mean of three composed archives: .893. With
    # (64, 48), a fifth slower, .890; with (48, 40), a fifth faster, .893, but less at 1e-3 (.9595 instead of .9606).
    landmark_crop = (56, 48)
    reliable_px = 10  # measured: of wider faces 1 % is missed, of those of 9 pixels 4 %, of 8 pixels 15 %

    def __init__(self, model: InsightFaceDetector, size: tuple[int, int] | None = None, dynamic: bool = True) -> None:
        """Wrap insightface's model.

        Args:
            model: The loaded model.
            size: Width and height of its input, where that is fixed.
            dynamic: Whether it takes pictures of any size (`load_dynamic_scrfd`).
        """
        self.model, self.session, self.dynamic = model, model.session, dynamic
        self.precision = precision_of(self.session)
        self.width, self.height = size or (DEFAULT_INPUT_SIDE, DEFAULT_INPUT_SIDE)
        self.fixed_input: int | None = None if dynamic else self.width
        self.base_side = BASE_SIDE if dynamic else self.width

    def detect(self, image: np.ndarray, min_confidence: float) -> FaceDetections:
        """The faces of an (H, W, 3) RGB picture; for a model of one size it is first resized to that."""
        import cv2

        height, width = image.shape[:2]
        factor = 1.0 if self.dynamic else min(self.height / height, self.width / width)
        size = (max(1, int(width * factor)), max(1, int(height * factor)))
        shape = (_round_up_to_stride(height), _round_up_to_stride(width)) if self.dynamic else (self.height, self.width)
        padded = np.zeros((*shape, 3), np.uint8)
        padded[: size[1], : size[0]] = (image if self.dynamic else cv2.resize(image, size))[..., ::-1]
        scores, boxes, marks = (np.concatenate(strides) for strides in self.model.forward(padded, min_confidence))
        if not len(scores):
            return NO_DETECTIONS
        order = np.argsort(-scores[:, 0], kind="stable")
        scores, boxes, marks = scores[order], boxes[order], marks[order]
        keep = self.model.nms(np.hstack([boxes, scores]))
        corners = boxes[keep] * (height / size[1])
        found = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        return FaceDetections(
            found.astype(np.float32),
            (marks[keep] * (height / size[1])).astype(np.float32),
            scores[keep, 0].astype(np.float32),
        )


def _round_up_to_stride(pixels: int) -> int:
    return -(-pixels // STRIDE) * STRIDE
