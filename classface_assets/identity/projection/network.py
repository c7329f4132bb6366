"""The projection head: its network, batches and loss, its checkpoint, and vectors projected by it.

When it is trained, and when it is used, is decided in `training`.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


HIDDEN, OUTPUT = 256, 128


def build_network(size: int) -> "nn.Module":
    """A network of `size` -> 256 -> 128, plus a linear projection beside it.

    The linear one starts as near to the identity as 128 numbers allow: so the head starts from the raw vectors and
    learns only what to change.
    """
    import torch
    from torch import nn

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skip = nn.Linear(size, OUTPUT, bias=False)
            self.hidden, self.last = nn.Linear(size, HIDDEN), nn.Linear(HIDDEN, OUTPUT)

        def forward(self, x: "Tensor") -> "Tensor":
            return nn.functional.normalize(self.skip(x) + self.last(self.hidden(x).relu()), dim=1)

    head = Head()
    with torch.no_grad():
        nn.init.orthogonal_(head.skip.weight)
        if size <= OUTPUT:
            head.skip.weight.copy_(torch.eye(OUTPUT, size))
        nn.init.zeros_(head.last.weight)
        nn.init.zeros_(head.last.bias)
    return head


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread for the time being: the head is so small that several cost more than they save."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def project_vectors(network: "nn.Module", vectors: np.ndarray) -> np.ndarray:
    """The unit vectors (n, 128) float32 that the network makes of vectors (n, d) float32."""
    import torch

    network.eval()
    with single_thread(), torch.no_grad():
        return network(torch.from_numpy(np.ascontiguousarray(vectors, np.float32))).numpy()


def person_batches(rows: np.ndarray, targets: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide rows into batches that hold up to four faces of a person, so that every anchor has a positive.

    Args:
        rows: (m,) row numbers, each of which is in one batch.
        targets: (m,) int64, the person of each.
        size: Greatest number of faces of a batch.
        rng: By which faces are drawn.
    """
    fours = []
    for target in np.unique(targets):
        own = rng.permutation(rows[targets == target])
        fours += [own[i : i + 4] for i in range(0, len(own), 4)]
    order = rng.permutation(len(fours))
    a_batch = max(2, size // 4)
    batches = [np.concatenate([fours[j] for j in order[i : i + a_batch]]) for i in range(0, len(order), a_batch)]
    return [batch for batch in batches if len(batch) > 1]


def triplet_loss(
    anchors: "Tensor", anchor_class: "Tensor", others: "Tensor", other_class: "Tensor", margin: float
) -> "Tensor":
    """Mean of margin + farthest positive - nearest negative, where positive, over the anchors that have both."""
    distance = (2 - 2 * anchors @ others.T).clamp(min=0)
    same = anchor_class[:, None] == other_class[None, :]
    positive = distance.masked_fill(~same, -1).amax(dim=1)
    negative = distance.masked_fill(same, 9).amin(dim=1)
    usable = (positive >= 0) & (negative < 9)
    loss = (positive - negative + margin).clamp(min=0)
    return (loss * usable).sum() / usable.sum().clamp(min=1)


class ProjectionHeadError(UserError):
    """A checkpoint that cannot be used, or vectors that do not fit it."""


def serialize_network(trained: "nn.Module", size: int) -> bytes:
    """The checkpoint of a trained network that takes vectors of `size` numbers."""
    import torch

    file = io.BytesIO()
    torch.save({"input": size, "weights": trained.state_dict()}, file)
    return file.getvalue()


def apply_head(checkpoint: bytes, vectors: np.ndarray) -> np.ndarray:
    """Project vectors with a trained head.

    Args:
        checkpoint: What `serialize_network` made.
        vectors: (n, d) float32 of unit length.

    Returns:
        (n, 128) float32 of unit length.

    Raises:
        ProjectionHeadError: The checkpoint is broken, or was trained on vectors of another length.
    """
    import torch

    try:
        saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
        head = build_network(int(saved["input"]))
        head.load_state_dict(saved["weights"])
    except Exception as error:
        raise ProjectionHeadError("The projection head's checkpoint is broken: train the head again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != saved["input"]:
        raise ProjectionHeadError(
            f"The projection head was trained on vectors of {saved['input']} numbers, not {vectors.shape[-1]}: "
            "train it again for this model pack."
        )
    return project_vectors(head, vectors)
