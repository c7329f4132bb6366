"""Finds a pack's files, and downloads InsightFace's own packs on first use."""

import tempfile
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.vision.models.onnx_session import onnxruntime_module
from classface_assets.vision.models.scrfd import suppress_stdout

INSIGHTFACE_PACKS = ("buffalo_l", "buffalo_s", "antelopev2")


class PackError(UserError):
    """A model pack that cannot be used; the message says what is wrong and what to do."""


def resolve_pack_path(name: str, packs_dir: Path) -> Path:
    """The folder with a pack's ONNX files, or the single .onnx file of a pack.

    Args:
        name: One of INSIGHTFACE_PACKS, which is downloaded if it is missing; or a path.
        packs_dir: Where downloaded packs are stored, in `models/`.

    Raises:
        PackError: There is no such pack, or it cannot be downloaded.
    """
    if name not in INSIGHTFACE_PACKS:
        path = Path(name).expanduser()
        if path.is_dir() or (path.suffix == ".onnx" and path.is_file()):
            return path
        known = ", ".join(("builtin", *INSIGHTFACE_PACKS))
        raise PackError(
            f"No model pack {name!r}: give one of {known}, or the path of a folder with ONNX files or of an .onnx file."
        )
    for root in (packs_dir, Path.home() / ".insightface"):
        if (root / "models" / name).is_dir():
            return _unnest(root / "models" / name)
    return _unnest(_download_pack(name, packs_dir))


def _unnest(folder: Path) -> Path:
    """The pack's folder: the archive of antelopev2 holds one of that name, which insightface unpacks into another."""
    inner = folder / folder.name
    return inner if inner.is_dir() and not any(folder.glob("*.onnx")) else folder


def _download_pack(name: str, packs_dir: Path) -> Path:
    """Downloads with insightface, into a folder that gets its name only when it is complete."""
    target = packs_dir / "models" / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress_stdout(), tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as root:
            onnxruntime_module()
            from insightface.utils.storage import ensure_available

            fetched = Path(ensure_available("models", name, root=root))
            if not target.is_dir():
                fetched.replace(target)
    except Exception as error:
        raise PackError(
            f"The model pack {name} is not in {target} and could not be downloaded ({type(error).__name__}): "
            f"connect to the internet, or unpack {name}.zip of InsightFace's releases there, or use the pack builtin."
        ) from error
    return target
