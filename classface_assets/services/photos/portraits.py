"""The portraits that people were enrolled with, as the matcher needs them."""

import numpy as np

from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.portraits import portrait_prototypes
from classface_assets.store.model.decisions import Decisions
from classface_assets.vision.alignment import decode_chip


def load_portrait_vectors(archive: Archive, models: Models, decisions: Decisions) -> tuple[dict[str, np.ndarray], int]:
    """The vectors of enrolled portraits; those that the pack has not embedded yet are embedded now.

    Args:
        archive: Where the portraits' chips lie.
        models: The pack that embeds them.
        decisions: Who has a portrait.

    Returns:
        Person id → unit vector, float32 (d,); and the number of portraits whose chip is lost.
    """
    layout = archive.layout

    def embed(chips: list[bytes]) -> np.ndarray:
        return models.load(layout).embedder.embed(np.stack([decode_chip(chip) for chip in chips]))

    return portrait_prototypes(layout, models.describe(layout).key, decisions.portraits, embed)
