"""The model pack of a process: it takes seconds to load, so all work of one process shares it."""

import functools
from pathlib import Path

from classface_assets.vision.models.registry import ModelPack, load_pack


@functools.lru_cache(maxsize=2)
def load_shared_pack(pack: str, packs: Path, cache: Path) -> ModelPack:
    """As `load_pack`, once in a process."""
    return load_pack(pack, packs, cache)
