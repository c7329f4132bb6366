"""Networks in bfloat16: nearly the same answers, only on processors made for it, and never networks that suffer."""

import itertools
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from classface_assets.vision.faces import FaceDetections
from classface_assets.vision.models import openvino_bf16
from classface_assets.vision.models.centerface import CenterFace, centerface_weights_path
from classface_assets.vision.models.onnx_session import open_session

pytestmark = pytest.mark.slow

needs_bfloat16 = pytest.mark.skipif(
    openvino_bf16.openvino_core() is None,
    reason="this processor does not multiply bfloat16, or OpenVINO is not installed",
)


def network(*, lifted_by: float) -> bytes:
    """Ten numbers multiplied by a matrix, and something added and taken away again."""
    matrix = np.random.default_rng(1).normal(size=(10, 10)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "lift"], ["lifted"]),
        helper.make_node("MatMul", ["lifted", "one"], ["again"]),
        helper.make_node("Sub", ["again", "lift"], ["y"]),
    ]
    constants = {"matrix": matrix, "one": np.eye(10, dtype=np.float32), "lift": np.array(lifted_by, np.float32)}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 10]) for name in "xy"]
    graph = helper.make_graph(
        nodes, "lift", ends[:1], ends[1:], [numpy_helper.from_array(value, name) for name, value in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@needs_bfloat16
@pytest.mark.parametrize(("lifted_by", "precision"), [(0.0, "bfloat16"), (10000.0, "float32")])
def test_a_network_that_answers_otherwise_in_bfloat16_stays_in_float32(lifted_by: float, precision: str) -> None:
    model, feeds = network(lifted_by=lifted_by), {"x": np.random.default_rng(2).normal(size=(3, 10)).astype(np.float32)}
    session = open_session(model)
    chosen = openvino_bf16.accelerate(model, session, feeds)
    assert openvino_bf16.precision_of(chosen) == precision
    [found], [expected] = chosen.run(None, feeds), session.run(["y"], feeds)
    assert np.allclose(found, expected, atol=0.1)


def sorted_from_left(faces: FaceDetections) -> FaceDetections:
    return faces.select(np.argsort(faces.boxes[:, 0]))


def largest_difference(found: FaceDetections, expected: FaceDetections) -> tuple[float, float]:
    """By how many pixels boxes and landmarks differ at most."""
    return (
        float(np.abs(found.boxes - expected.boxes).max()),
        float(np.abs(found.landmarks - expected.landmarks).max()),
    )


@needs_bfloat16
def test_bfloat16_changes_faces_no_more_than_a_shift_of_the_picture_by_one_pixel_does_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both may let a neighbouring cell of the heatmap win, whose box differs by pixels: on every processor another."""
    file, spec = centerface_weights_path(), find_spec("insightface")
    assert file and spec and spec.origin
    group = np.asarray(Image.open(Path(spec.origin).parent / "data" / "images" / "t1.jpg").convert("RGB"))
    in_bfloat16 = CenterFace(file)
    monkeypatch.setattr(openvino_bf16, "openvino_core", lambda: None)
    in_float32 = CenterFace(file)
    assert (in_bfloat16.precision, in_float32.precision) == ("bfloat16", "float32")
    expected = sorted_from_left(in_float32.detect(group, 0.5))
    padded = np.pad(group, ((1, 1), (1, 1), (0, 0)), mode="edge")
    differences = []
    for dx, dy in set(itertools.product((-1, 0, 1), repeat=2)) - {(0, 0)}:
        shifted = padded[1 - dy : 1 - dy + group.shape[0], 1 - dx : 1 - dx + group.shape[1]]
        faces = sorted_from_left(in_float32.detect(shifted, 0.5).translated(-dx, -dy))
        assert len(faces) == len(expected) == 6
        differences.append(largest_difference(faces, expected))
    box_bound, landmark_bound = np.max(differences, axis=0)
    found = sorted_from_left(in_bfloat16.detect(group, 0.5))
    assert len(found) == 6
    box_difference, landmark_difference = largest_difference(found, expected)
    assert box_difference <= box_bound and landmark_difference <= landmark_bound


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_is_loaded_without_its_telemetry() -> None:
    code = (
        "import sys\nfrom classface_assets.vision.models.openvino_bf16 import openvino_core\nopenvino_core()\n"
        "print(any(name.startswith('openvino_telemetry.') for name in sys.modules), 'openvino' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_without_openvino_the_networks_run_in_onnxruntime() -> None:
    code = (
        "import sys\nsys.modules['openvino'] = None\n"
        "from classface_assets.vision.models.centerface import CenterFace, centerface_weights_path\n"
        "print(CenterFace(centerface_weights_path()).precision)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["float32"]
