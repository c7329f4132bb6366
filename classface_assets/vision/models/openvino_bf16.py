"""Networks run in bfloat16 by OpenVINO, on processors that multiply such numbers twice as fast.

bfloat16 has the range of float32 and 8 of its 24 bits of precision. Measured on three composed archives with
MobileFaceNet: the mean cosine between a bfloat16 vector and the float32 vector of the same face is .9996 (the lowest
.998), and the true accept rate at a false accept rate of 1e-4 is .8930 instead of .8936, in 2.9 ms a face instead of
5.0. SCRFD and CenterFace take half the time.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol, cast

import numpy as np

from classface_assets.core.arrays import available_cores
from classface_assets.vision.models.onnx_session import device_of
from classface_assets.vision.protocols import InferenceSession, ModelSource, TensorSpec

# The norm of the outputs' difference, relative to that of the float32 outputs. bfloat16 alone gives .02 to .07 on
# pictures of noise; a network above that loses digits that it needs.
MAX_RELATIVE_DIFFERENCE = 0.2

Precision = Literal["float32", "bfloat16"]
FLOAT32: Precision = "float32"
BFLOAT16: Precision = "bfloat16"


class _InferRequest(Protocol):
    """The part of `openvino.InferRequest` that is used."""

    def infer(self, inputs: Mapping[str, np.ndarray], share_inputs: bool) -> Mapping[str, np.ndarray]:
        """The outputs by name."""
        ...


class _CompiledModel(Protocol):
    """The part of `openvino.CompiledModel` that is used."""

    def create_infer_request(self) -> _InferRequest:
        """A request, which serves one thread at a time."""
        ...


class OpenVinoCore(Protocol):
    """The part of `openvino.Core` that is used."""

    def read_model(self, model: bytes | str) -> object:
        """The network of a file or of serialised bytes."""
        ...

    def compile_model(self, model: object, device_name: str, config: Mapping[str, object]) -> _CompiledModel:
        """The network, ready to run on a device."""
        ...

    def get_property(self, device_name: str, name: str) -> object:
        """A property of a device."""
        ...


@cache
def installed_openvino_core() -> OpenVinoCore | None:
    """OpenVINO's core; None where the package is absent.

    OpenVINO's telemetry module would report the import to Google Analytics and store an id in the home folder. With
    that module blocked, OpenVINO uses a stub of its own.
    """
    cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None
    try:
        import openvino
    except ImportError:
        return None
    return cast(OpenVinoCore, openvino.Core())


@cache
def openvino_core() -> OpenVinoCore | None:
    """OpenVINO's core, where OpenVINO itself would choose bfloat16 on this processor; else, or if absent, None."""
    core = installed_openvino_core()
    if core is None:
        return None
    import openvino

    return core if core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.bf16 else None


@dataclass(frozen=True)
class TensorInfo:
    """An input or an output of a network, described as onnxruntime describes it."""

    name: str
    type: str
    shape: list[int | str | None]


class OpenVinoSession:
    """An `InferenceSession` on OpenVINO; `run` may be called from many threads, each call takes one core."""

    def __init__(
        self, core: OpenVinoCore, model: ModelSource, session: InferenceSession, precision: Precision = BFLOAT16
    ) -> None:
        """Compile `model`, and take its inputs, outputs and providers from the onnxruntime session of the same model.

        Raises:
            RuntimeError: OpenVINO cannot read or compile the model.
        """
        self._inputs, self._outputs = _tensor_infos(session.get_inputs()), _tensor_infos(session.get_outputs())
        self._providers, self.precision = session.get_providers(), precision
        network = core.read_model(model if isinstance(model, bytes) else str(model))
        self._network = core.compile_model(
            network,
            "CPU",
            # A stream is the caller's own thread. What OpenVINO prepares for an input shape is cached for the last
            # shapes only (an undocumented property): over 16 school years 150 MB less, in 3 % more time.
            {
                "NUM_STREAMS": available_cores(),
                "INFERENCE_NUM_THREADS": available_cores(),
                "ENABLE_CPU_PINNING": False,
                "CPU_RUNTIME_CACHE_CAPACITY": 400,
                "INFERENCE_PRECISION_HINT": "bf16" if precision == BFLOAT16 else "f32",
            },
        )
        self._idle: deque[_InferRequest] = deque()

    def get_inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs."""
        return self._inputs

    def get_outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs."""
        return self._outputs

    def get_providers(self) -> Sequence[str]:
        """The providers of the onnxruntime session that this one replaces."""
        return self._providers

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs (None: all) of the fed inputs."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._network.create_infer_request()
        try:
            outputs = request.infer(input_feed, share_inputs=True)
            return [outputs[name] for name in output_names or [output.name for output in self._outputs]]
        finally:
            self._idle.append(request)


def accelerate(
    model: ModelSource, session: InferenceSession, feeds: Mapping[str, np.ndarray], even_float32: bool = False
) -> InferenceSession:
    """The same network in bfloat16, where that is faster on this CPU and its outputs of `feeds` are nearly the same.

    Args:
        model: The network that `session` runs.
        session: Its onnxruntime session.
        feeds: Inputs to compare both on.
        even_float32: Whether OpenVINO is faster than onnxruntime with this network in float32 too.

    Returns:
        An `OpenVinoSession`, or else `session` itself.
    """
    core, precision = openvino_core(), BFLOAT16
    if core is None and even_float32:
        core, precision = installed_openvino_core(), FLOAT32
    if core is None or device_of(session) != "cpu":
        return session
    try:
        network = OpenVinoSession(core, model, session, precision)
        outputs = network.run(None, feeds)
    except (RuntimeError, KeyError):  # OpenVINO reads fewer networks, and names fewer outputs, than onnxruntime
        return session
    return network if _outputs_agree(outputs, session.run(None, feeds)) else session


def precision_of(session: InferenceSession) -> str:
    """What a session computes in: `bfloat16` or `float32`."""
    return session.precision if isinstance(session, OpenVinoSession) else FLOAT32


def _outputs_agree(outputs: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Whether all outputs together differ by no more than MAX_RELATIVE_DIFFERENCE."""
    if any(output.shape != reference.shape for output, reference in zip(outputs, expected, strict=True)):
        return False
    output, reference = (
        np.concatenate([array.ravel() for array in arrays]).astype(np.float64) for arrays in (outputs, expected)
    )
    return bool(np.linalg.norm(output - reference) <= MAX_RELATIVE_DIFFERENCE * np.linalg.norm(reference))


def _tensor_infos(tensors: Sequence[TensorSpec]) -> list[TensorInfo]:
    return [TensorInfo(tensor.name, tensor.type, list(tensor.shape)) for tensor in tensors]
