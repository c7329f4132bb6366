"""A pack's name, the versions of its detections and its vectors, and its licence, without loading a model.

A version is a hash of the models' files and of a pack's own description.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.faces.embedders import EmbedderKind, embedder_kind
from classface_assets.vision.models.digests import file_sha256
from classface_assets.vision.models.download import PackError, resolve_pack_path
from classface_assets.vision.models.pack_names import BUILTIN, DLIB, INSIGHTFACE_PACKS, canonical_name
from classface_assets.vision.models.pack_toml import PackDescription, find_description, read_description

SEARCH_VERSION = 4  # to be raised when the search finds other faces in a photo: then all are searched again
BUILTIN_DETECTOR = f"centerface-{SEARCH_VERSION}"
BUILTIN_LICENCE = (
    "CenterFace: MIT. SFace (OpenCV Zoo): Apache-2.0; what it was trained on is not stated there. Commercial use is "
    "allowed."
)
DLIB_LICENCE = "CenterFace: MIT. dlib ResNet: CC0, Boost. Commercial use is allowed."
INSIGHTFACE_LICENCE = "InsightFace's weights: for non-commercial research only."
FOLDER_LICENCE = "As the folder's own models say; check it before use."


@dataclass(frozen=True)
class PackInfo:
    """A pack's name and versions: detections belong to `detector_version`, embeddings to `key`.

    Attributes:
        name: What the pack is called.
        version: Of its vectors.
        detector_version: Of its detections.
        licence: Of its models.
        stored_name: The name in `key` where it is not the pack's own.
        former_packs: The packs that had this name in earlier versions of the program, and go by another one now.
    """

    name: str
    version: str
    detector_version: str
    licence: str
    stored_name: str = ""
    former_packs: "tuple[PackInfo, ...]" = ()

    @property
    def key(self) -> str:
        """The name of the embeddings' folder: vectors of two packs are never mixed."""
        return f"{self.stored_name or self.name}@{self.version}"

    @property
    def embedder(self) -> EmbedderKind:
        """The kind of its embedder, which decides what counts as similar."""
        return embedder_kind(self.name)


# Until version 1 of its vectors the pack builtin had dlib's network: those are the vectors of the pack dlib now.
DLIB_PACK = PackInfo(DLIB, "1", BUILTIN_DETECTOR, DLIB_LICENCE, stored_name=BUILTIN)
BUILTIN_PACK = PackInfo(BUILTIN, "2", BUILTIN_DETECTOR, BUILTIN_LICENCE, former_packs=(DLIB_PACK,))


def describe_pack(name: str, packs_dir: Path) -> PackInfo:
    """A pack's name, versions and licence, without loading a model.

    Args:
        name: A pack's own name, a name that `canonical_name` knows, or the path of a folder with ONNX files or of an
            .onnx file with its description beside it.
        packs_dir: Where InsightFace's own packs are stored; a missing one is downloaded.

    Raises:
        PackError: There is no such pack, or its description is not valid.
    """
    canonical = canonical_name(name)
    if canonical in (BUILTIN, DLIB):
        return BUILTIN_PACK if canonical == BUILTIN else DLIB_PACK
    path = resolve_pack_path(name, packs_dir)
    description = load_description(path)
    licence = INSIGHTFACE_LICENCE if canonical in INSIGHTFACE_PACKS else FOLDER_LICENCE
    short = canonical if canonical in INSIGHTFACE_PACKS else path.name
    if description is None:
        files = onnx_files(path)
        return PackInfo(
            short, _version_of(files), f"{short}-{_version_of(detector_files(path) or files)}-{SEARCH_VERSION}", licence
        )
    models = [description.embedder] if description.embedder else onnx_files(path)
    detector = (
        f"{description.name}-{_version_of([description.detector])}-{SEARCH_VERSION}"
        if description.detector
        else BUILTIN_DETECTOR
    )
    version = _version_of(models, detector.encode() + description.fingerprint)
    return PackInfo(description.name, version, detector, description.licence or licence)


def load_description(path: Path) -> PackDescription | None:
    """The description of a pack's folder or .onnx file; None for a folder without one. Raises PackError."""
    file = find_description(path)
    return None if file is None else read_description(file, path, detector_files(path))


def onnx_files(folder: Path) -> list[Path]:
    """The ONNX files of a folder, by name. Raises PackError when there is none."""
    files = sorted(path for path in folder.glob("*.onnx") if path.is_file())
    if not files:
        raise PackError(f"No .onnx files in {folder}: a pack is a folder with a detector and a recognition model.")
    return files


def detector_files(path: Path) -> list[Path]:
    """The files of a folder that are detectors by InsightFace's naming."""
    return [file for file in sorted(path.glob("*.onnx")) if file.name.startswith(("det", "scrfd"))]


def _version_of(files: list[Path], also: bytes = b"") -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(bytes.fromhex(file_sha256(path)))
    digest.update(also)
    return digest.hexdigest()[:12]
