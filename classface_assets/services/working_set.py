"""The facts of an archive as several assets and their checks look at them, one after the other, in one process.

The portraits that people were enrolled with, as the matcher needs them: a vector a person, of the pack in use.
"""

import functools

import numpy as np

from classface_assets.core.layout import Layout
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.memoization import facts_digest
from classface_assets.store.catalog.faces import Facts, gather
from classface_assets.store.catalog.portraits import exemplars
from classface_assets.store.model.decisions import Decisions
from classface_assets.vision.alignment import decode_chip


def current_facts(archive: Archive, models: Models) -> Facts:
    """All files, faces and vectors of the model pack in use."""
    pack = models.describe(archive.layout)
    parts = facts_digest(archive.layout, pack.detector_version, pack.key)
    return _gathered(archive.layout, pack.detector_version, pack.key, parts)


@functools.lru_cache(maxsize=1)
def _gathered(layout: Layout, detector: str, pack: str, parts: str) -> Facts:  # noqa: ARG001 - other parts, other facts
    """Five assets and their checks look at the same facts, one after the other."""
    return gather(layout, detector, pack)


def forget_facts() -> None:
    """Free the memory that the facts take, when the last that looks at them is done."""
    _gathered.cache_clear()


def known_portraits(archive: Archive, models: Models, decisions: Decisions) -> tuple[dict[str, np.ndarray], int]:
    """Person → vector (d,), and how many portraits are lost; those that the pack has not seen are embedded now."""
    layout = archive.layout

    def embed(chips: list[bytes]) -> np.ndarray:
        return models.load(layout).embedder.embed(np.stack([decode_chip(chip) for chip in chips]))

    return exemplars(layout, models.describe(layout).key, decisions.portraits, embed)
