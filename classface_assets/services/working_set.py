"""The facts of an archive as several assets and their checks look at them, one after the other, in one process.

The portraits that people were enrolled with, as the matcher needs them: a vector a person, of the pack in use.
"""

import functools

import numpy as np

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.memoization import catalog_fingerprint
from classface_assets.store.catalog.faces import FaceCatalog, load_catalog
from classface_assets.store.catalog.portraits import portrait_prototypes
from classface_assets.store.model.decisions import Decisions
from classface_assets.vision.alignment import decode_chip


def current_catalog(archive: Archive, models: Models) -> FaceCatalog:
    """All files, faces and vectors of the model pack in use."""
    pack = models.describe(archive.layout)
    parts = catalog_fingerprint(archive.layout, pack.detector_version, pack.key)
    return _load_cached_catalog(archive.layout, pack.detector_version, pack.key, parts)


@functools.lru_cache(maxsize=1)
def _load_cached_catalog(layout: ArchiveLayout, detector: str, pack: str, parts: str) -> FaceCatalog:  # noqa: ARG001 - other parts, other facts
    """Five assets and their checks look at the same facts, one after the other."""
    return load_catalog(layout, detector, pack)


def clear_catalog_cache() -> None:
    """Free the memory that the facts take, when the last that looks at them is done."""
    _load_cached_catalog.cache_clear()


def load_portrait_vectors(archive: Archive, models: Models, decisions: Decisions) -> tuple[dict[str, np.ndarray], int]:
    """Person → vector (d,), and how many portraits are lost; those that the pack has not seen are embedded now."""
    layout = archive.layout

    def embed(chips: list[bytes]) -> np.ndarray:
        return models.load(layout).embedder.embed(np.stack([decode_chip(chip) for chip in chips]))

    return portrait_prototypes(layout, models.describe(layout).key, decisions.portraits, embed)
