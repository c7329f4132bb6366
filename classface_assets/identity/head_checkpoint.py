"""The projection head as bytes: its checkpoint after the training, and vectors run through it."""

import io
from typing import TYPE_CHECKING

import numpy as np

from classface_assets.errors import UserError
from classface_assets.identity.head_network import network, project

if TYPE_CHECKING:
    from torch import nn


class HeadError(UserError):
    """A checkpoint that cannot be used, or vectors that do not fit it."""


def checkpoint_of(trained: "nn.Module", size: int) -> bytes:
    """The trained network, and how many numbers the vectors have that it takes."""
    import torch

    file = io.BytesIO()
    torch.save({"input": size, "weights": trained.state_dict()}, file)
    return file.getvalue()


def apply_head(checkpoint: bytes, vectors: np.ndarray) -> np.ndarray:
    """The head's unit vectors (n, 128) float32 of vectors (n, d). Raises HeadError for a checkpoint that is broken or
    was trained on vectors of another length."""
    import torch

    try:
        saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
        head = network(int(saved["input"]))
        head.load_state_dict(saved["weights"])
    except Exception as error:
        raise HeadError("The projection head's checkpoint is broken: train the head again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != saved["input"]:
        raise HeadError(
            f"The projection head was trained on vectors of {saved['input']} numbers, not {vectors.shape[-1]}: "
            "train it again for this model pack."
        )
    return project(head, vectors)
