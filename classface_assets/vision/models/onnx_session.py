"""The one place that imports onnxruntime, and chooses where models run: a GPU when it really works, else the CPU."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any


def onnxruntime_module() -> Any:
    """The module onnxruntime, with its telemetry switched off.

    From 1.29 on the official Linux builds report every model they load to Microsoft, and keep a device id in the home
    folder, unless this variable is set before the first import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def session_options() -> Any:
    """onnxruntime options for photos and faces that are worked on side by side, one in each core.

    Measured on 30 pictures of as many shapes, long side 640 or 1600, one thread: with memory patterns CenterFace grows
    to 940 MB and SCRFD to 520 (they keep a block a shape), without to 610 and 350 in the same time. Without the arena
    too, CenterFace takes half as long again and as much at its peak.
    """
    onnxruntime = onnxruntime_module()
    onnxruntime.set_default_logger_severity(4)  # the CUDA build without a GPU writes two lines to stderr otherwise
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # whole photos and batches keep more cores busy than one network can
    options.enable_mem_pattern = False
    return options


def execution_providers() -> list[str]:
    """CUDA first where this build of onnxruntime has it; onnxruntime itself goes on to the CPU when that fails."""
    onnxruntime = onnxruntime_module()
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available and hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(StringIO()):
            onnxruntime.preload_dlls()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]


def open_session(model: bytes | Path) -> Any:
    """An onnxruntime session of a model file or of serialised bytes."""
    source = model if isinstance(model, bytes) else str(model)
    with redirect_stdout(StringIO()):  # there onnxruntime says that a GPU did not work and that it takes the CPU
        return onnxruntime_module().InferenceSession(source, session_options(), providers=execution_providers())


def device_of(session: Any) -> str:
    """`cuda` or `cpu`: where a session really runs (the list of available providers names CUDA without a GPU too)."""
    return "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"


def error_summary(error: Exception) -> str:
    """What an error says, without the lines of explanation that onnxruntime and protobuf add."""
    return str(error).splitlines()[0].rstrip(".: ") if str(error) else type(error).__name__
