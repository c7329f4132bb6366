"""The one place that imports onnxruntime and chooses where models run: on a GPU if it really works, else on the CPU."""

import os
from contextlib import redirect_stdout
from io import StringIO
from types import ModuleType
from typing import TYPE_CHECKING, cast

from classface_assets.vision.protocols import InferenceSession, ModelSource

if TYPE_CHECKING:
    import onnxruntime


ExecutionProvider = str | tuple[str, dict[str, str]]
"""An execution provider's name, alone or with its options."""
# By default cuDNN tries every algorithm for each new input shape, and photos and batches have many.
CUDA_PROVIDER: ExecutionProvider = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})


def onnxruntime_module() -> ModuleType:
    """The module onnxruntime, with its telemetry switched off.

    From 1.29 on the official Linux builds report every model they load to Microsoft, and store a device id in the home
    folder, unless this variable is set before the first import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return cast(ModuleType, onnxruntime)


def session_options() -> "onnxruntime.SessionOptions":
    """Onnxruntime's options for photos and faces that are processed in parallel, one in each core.

    Measured on 30 pictures of as many shapes, long side 640 or 1600, one thread: with memory patterns CenterFace grows
    to 940 MB and SCRFD to 520 (they cache a block for each shape), without to 610 and 350 in the same time. Without the
    arena too, CenterFace takes half as long again and as much at its peak.
    """
    onnxruntime = onnxruntime_module()
    onnxruntime.set_default_logger_severity(4)  # the CUDA build without a GPU writes two lines to stderr otherwise
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # whole photos and batches use more cores than one network can
    options.enable_mem_pattern = False
    return options


def execution_providers() -> list[ExecutionProvider]:
    """CUDA first if this build of onnxruntime has it; onnxruntime itself falls back to the CPU when that fails."""
    onnxruntime = onnxruntime_module()
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available and hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(StringIO()):
            onnxruntime.preload_dlls()
    return [provider for provider in (CUDA_PROVIDER, "CPUExecutionProvider") if _provider_name(provider) in available]


def _provider_name(provider: ExecutionProvider) -> str:
    return provider if isinstance(provider, str) else provider[0]


def open_session(model: ModelSource) -> InferenceSession:
    """An onnxruntime session of a model file or of serialised bytes. Raises errors of onnxruntime's own classes."""
    source = model if isinstance(model, bytes) else str(model)
    with redirect_stdout(StringIO()):  # onnxruntime prints there that a GPU did not work and that it takes the CPU
        session = onnxruntime_module().InferenceSession(source, session_options(), providers=execution_providers())
    return cast(InferenceSession, session)


def device_of(session: InferenceSession) -> str:
    """`cuda` or `cpu`: where a session really runs (the list of available providers names CUDA without a GPU too)."""
    return "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"


def error_summary(error: Exception) -> str:
    """The first line of an error, without the lines of explanation that onnxruntime and protobuf add."""
    return str(error).splitlines()[0].rstrip(".: ") if str(error) else type(error).__name__
