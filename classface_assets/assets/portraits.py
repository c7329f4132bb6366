"""The portraits that people were enrolled with, as the matcher needs them: a vector a person, of the pack in use."""

import numpy as np

from classface_assets.resources import Archive, Models
from classface_assets.store.decisions import Decisions
from classface_assets.store.portraits import exemplars
from classface_assets.vision.chips import decode_chip


def known_portraits(archive: Archive, models: Models, decisions: Decisions) -> tuple[dict[str, np.ndarray], int]:
    """Person → vector (d,), and how many portraits are lost; those that the pack has not seen are embedded now."""
    layout = archive.layout

    def embed(chips: list[bytes]) -> np.ndarray:
        return models.load(layout).embedder.embed(np.stack([decode_chip(chip) for chip in chips]))

    return exemplars(layout, models.describe(layout).key, decisions.portraits, embed)
