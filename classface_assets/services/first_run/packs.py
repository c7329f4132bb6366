"""The model packs to choose from, each with what it is good for and whether it is there, in a sentence."""

from dataclasses import dataclass
from pathlib import Path

from classface_assets.core.languages import gettext, marked
from classface_assets.core.layout import ArchiveLayout
from classface_assets.vision.models.pack_names import BUILTIN, DLIB, INSIGHTFACE_PACKS, PACK_NAMES, is_pack_path

_SENTENCES = {
    BUILTIN: marked("The best choice for most schools: quick on an ordinary computer and allowed for every use."),
    DLIB: marked(
        "An older network whose training photos are documented; it takes strangers for each other more often."
    ),
    "buffalo_l": marked(
        "Larger networks by InsightFace, slower without a graphics card; for non-commercial research only."
    ),
    "buffalo_s": marked("Small networks by InsightFace, quick and less exact; for non-commercial research only."),
    "antelopev2": marked(
        "InsightFace's largest networks, slow without a graphics card; for non-commercial research only."
    ),
}


@dataclass(frozen=True)
class PackChoice:
    """A pack that can be chosen.

    Attributes:
        name: Its name, or the path of its folder.
        sentence: What it is good for.
        is_installed: Whether it can be used without the internet.
        is_chosen: Whether it is the one in use.
    """

    name: str
    sentence: str
    is_installed: bool
    is_chosen: bool


def pack_choices(layout: ArchiveLayout, chosen: str) -> list[PackChoice]:
    """The packs: those of the program, InsightFace's, and those that lie in the archive's folder `packs`.

    Args:
        layout: The archive.
        chosen: The pack in use, which is listed too where it is a path.
    """
    own = [path for path in sorted((layout.packs / "models").glob("*")) if is_pack_path(path)]
    others = [str(path) for path in own if path.name not in PACK_NAMES]
    names = [*PACK_NAMES, *others, *([chosen] if chosen not in (*PACK_NAMES, *others) else [])]
    return [PackChoice(name, _sentence(name), _is_installed(layout, name), name == chosen) for name in names]


def _sentence(name: str) -> str:
    return gettext(_SENTENCES.get(name, marked("A pack of your own; its licence is that of its models.")))


def _is_installed(layout: ArchiveLayout, name: str) -> bool:
    if name not in INSIGHTFACE_PACKS:
        return True
    return any((root / "models" / name).is_dir() for root in (layout.packs, Path.home() / ".insightface"))
