"""The names by which packs are asked for: the packs' own, and those of networks and training data that people know."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUILTIN = "builtin"
DLIB = "dlib"
INSIGHTFACE_PACKS = ("buffalo_l", "buffalo_s", "antelopev2")
PACK_NAMES = (BUILTIN, DLIB, *INSIGHTFACE_PACKS)

KNOWN_NAMES: Mapping[str, tuple[str, str]] = {
    "sface": (BUILTIN, "SFace"),
    "iresnet100": ("antelopev2", "iResNet-100 trained on Glint360K"),
    "glint360k": ("antelopev2", "iResNet-100 trained on Glint360K"),
    "iresnet50": ("buffalo_l", "ArcFace's ResNet-50 trained on WebFace600K"),
    "webface600k": ("buffalo_l", "ArcFace's ResNet-50 trained on WebFace600K"),
    "arcface": ("buffalo_l", "ArcFace's ResNet-50 trained on WebFace600K"),
}
"""A known name, as `plain_name` returns it -> the pack that has that network, and the network in words."""


@dataclass(frozen=True)
class OwnWeights:
    """A network whose weights no pack brings: people export them to ONNX themselves.

    Attributes:
        title: The network's name as its authors write it.
        description: The lines of the description that its usual weights need.
    """

    title: str
    description: str


OWN_WEIGHTS: Mapping[str, OwnWeights] = {
    "adaface": OwnWeights("AdaFace", 'channels = "BGR"'),
    "facenet": OwnWeights("FaceNet", "input_size = 160"),
}


def plain_name(name: str) -> str:
    """A name without case, hyphens, underscores and spaces: `iResNet-100` is `iresnet100`."""
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")


def canonical_name(name: str) -> str:
    """The name or path of the pack that is meant by a name.

    The path of a folder of models or of an .onnx file becomes absolute; what is neither that nor known stays as it is.

    >>> canonical_name("iResNet-100"), canonical_name("SFace"), canonical_name("buffalo_l")
    ('antelopev2', 'builtin', 'buffalo_l')
    """
    plain, path = plain_name(name), Path(name).expanduser()
    if name in (BUILTIN, *INSIGHTFACE_PACKS):
        return name
    if is_pack_path(path):
        return str(path.absolute())
    if plain == DLIB:
        return DLIB
    return KNOWN_NAMES[plain][0] if plain in KNOWN_NAMES else name


def is_pack_path(path: Path) -> bool:
    """Whether a path is a folder that holds models, or an .onnx file. A folder `dlib` of source code is none."""
    try:
        if path.is_dir():
            return any(path.glob("*.onnx")) or (path / "pack.toml").is_file()
        return path.suffix == ".onnx" and path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no path at all, such as a text that somebody pasted
            return False
        raise


def known_network(name: str) -> str:
    """What a known name stands for, for messages: ` (iResNet-100 trained on Glint360K)`; empty for other names."""
    known = KNOWN_NAMES.get(plain_name(name))
    return f" ({known[1]})" if known else ""
