"""The same networks in bfloat16, by OpenVINO, on processors that multiply such numbers twice as fast.

bfloat16 has the range of float32 and 8 of its 24 bits. Measured on three composed archives with MobileFaceNet: vectors
that way are .9996 like those of float32 (the least alike .998), and the true pairs that pass at one false pair in ten
thousand are .8930 instead of .8936, in 2.9 ms a face instead of 5.0. SCRFD and CenterFace take half the time.
"""

import sys
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from classface_assets.core.arrays import available_cores
from classface_assets.vision.models.onnx_session import device_of

# Of an answer's length; bfloat16 alone makes .02 to .07 of difference on pictures of noise.
MAX_RELATIVE_DIFFERENCE = 0.2


@cache
def openvino_core() -> Any | None:
    """OpenVINO's core where OpenVINO itself would take bfloat16 on this processor; else, or without OpenVINO, None.

    Imported with its telemetry it would report that to Google Analytics, and keep an id in the home folder; without
    that module it has a stub of its own.
    """
    cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    return core if core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.bf16 else None


@dataclass(frozen=True)
class TensorInfo:
    """An input or an output of a network, as onnxruntime tells of it."""

    name: str
    type: str
    shape: list[int | str | None]


class OpenVinoSession:
    """What is used of an onnxruntime session; `run` may be called from many threads, one a core at a time."""

    def __init__(self, core: Any, model: bytes | Path, session: Any) -> None:
        self.inputs, self.outputs = _tensor_infos(session.get_inputs()), _tensor_infos(session.get_outputs())
        self.providers: list[str] = session.get_providers()
        network = core.read_model(model if isinstance(model, bytes) else str(model))
        self.network = core.compile_model(
            network,
            "CPU",
            # A stream is the caller's own thread. What is prepared for a shape of pictures is kept for the last shapes
            # only (a property that OpenVINO does not document): over 16 school years 150 MB less, in 3 % more time.
            {
                "NUM_STREAMS": available_cores(),
                "INFERENCE_NUM_THREADS": available_cores(),
                "ENABLE_CPU_PINNING": False,
                "CPU_RUNTIME_CACHE_CAPACITY": 400,
            },
        )
        self.idle: deque[Any] = deque()

    def get_inputs(self) -> list[TensorInfo]:
        return self.inputs

    def get_outputs(self) -> list[TensorInfo]:
        return self.outputs

    def get_providers(self) -> list[str]:
        return self.providers

    def run(self, outputs: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            request = self.idle.pop()
        except IndexError:
            request = self.network.create_infer_request()
        try:
            answers = request.infer(feeds, share_inputs=True)
            return [answers[name] for name in outputs or [port.name for port in self.outputs]]
        finally:
            self.idle.append(request)


def accelerate(model: bytes | Path, session: Any, feeds: dict[str, np.ndarray]) -> Any:
    """The network of a session on the CPU in bfloat16, where that is quicker here and answers `feeds` nearly alike.

    Else the session itself.
    """
    core = openvino_core() if device_of(session) == "cpu" else None
    if core is None:
        return session
    try:
        network = OpenVinoSession(core, model, session)
        answers = network.run(None, feeds)
    except (RuntimeError, KeyError):  # OpenVINO reads fewer networks, and names fewer outputs, than onnxruntime
        return session
    return network if _outputs_agree(answers, session.run(None, feeds)) else session


def precision_of(session: Any) -> str:
    """What a session computes in: `bfloat16` or `float32`."""
    return "bfloat16" if isinstance(session, OpenVinoSession) else "float32"


def _outputs_agree(answers: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    if any(answer.shape != right.shape for answer, right in zip(answers, wanted, strict=True)):
        return False
    answer, right = (np.concatenate([part.ravel() for part in parts]).astype(np.float64) for parts in (answers, wanted))
    return bool(np.linalg.norm(answer - right) <= MAX_RELATIVE_DIFFERENCE * np.linalg.norm(right))


def _tensor_infos(ports: Any) -> list[TensorInfo]:
    return [TensorInfo(port.name, port.type, list(port.shape)) for port in ports]
