"""The projection head's networks: S1's multilayer perceptron and the residual head, and vectors projected by them.

How they are trained is in `training`, and when they are used in `promotion`.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from classface_assets.core.errors import UserError
from classface_assets.identity.similarity.space import AffineTransform

if TYPE_CHECKING:
    from torch import Tensor, device, nn

HIDDEN, OUTPUT = 256, 128
"""Of the multilayer perceptron."""
RANK = 8
"""Directions that the residual head may turn into one another."""


class Architecture(StrEnum):
    """What a head is made of."""

    RESIDUAL = "residual"
    """A closed-form projection and a small correction of it."""
    MLP = "mlp"
    """A multilayer perceptron of size -> 256 -> 128 with a linear projection beside it."""


class ProjectionHeadError(UserError):
    """A checkpoint that cannot be used, or vectors that do not fit it."""


def build_mlp(size: int) -> "nn.Module":
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


def build_residual(size: int, start: AffineTransform | None = None) -> "nn.Module":
    """A network that starts as a closed-form projection and learns a correction, which is zero at first.

    The correction scales the directions and turns some into others (of rank RANK). The result is mixed with the centred
    vectors in the share `mix`. One that depends on the position along the direction of age was tried: trained on labels
    that are mostly of adults, it made children of all ages alike.

    Args:
        size: Numbers of a vector.
        start: The projection; None where the weights are loaded afterwards.
    """
    import torch
    from torch import nn

    class ResidualHead(nn.Module):
        mean: "Tensor"
        matrix: "Tensor"
        mix: "Tensor"

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(size))
            self.register_buffer("matrix", torch.eye(size))
            self.register_buffer("mix", torch.ones(()))
            self.log_scale = nn.Parameter(torch.zeros(size))
            self.down = nn.Parameter(torch.randn(RANK, size) / size**0.5)
            self.up = nn.Parameter(torch.zeros(size, RANK))

        def forward(self, x: "Tensor") -> "Tensor":
            centred = x - self.mean
            start = centred @ self.matrix
            changed = start * self.log_scale.exp() + (start @ self.down.T) @ self.up.T
            plain, changed = nn.functional.normalize(centred, dim=1), nn.functional.normalize(changed, dim=1)
            return nn.functional.normalize((1 - self.mix) * plain + self.mix * changed, dim=1)

    head = ResidualHead()
    if start is not None:
        with torch.no_grad():
            head.mean.copy_(torch.from_numpy(start.mean))
            head.matrix.copy_(torch.from_numpy(start.matrix))
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


def training_device() -> "device":
    """Where heads are trained and applied: a CUDA device where there is one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def project_vectors(network: "nn.Module", vectors: np.ndarray) -> np.ndarray:
    """The unit vectors (n, e) float32 that the network makes of vectors (n, d) float32."""
    import torch

    place = next(network.parameters()).device
    network.eval()
    with single_thread(), torch.no_grad():
        found: np.ndarray = network(torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(place)).cpu().numpy()
    return found


def serialize_network(trained: "nn.Module", architecture: Architecture, size: int) -> bytes:
    """The checkpoint of a trained network that takes vectors of `size` numbers."""
    weights = {name: value.cpu() for name, value in trained.state_dict().items()}
    return save_tensors({"architecture": str(architecture), "input": size, "weights": weights})


def save_tensors(content: dict[str, Any]) -> bytes:
    """A mapping of plain values and tensors as bytes; the same one is the same bytes."""
    import torch

    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def load_tensors(content: bytes) -> dict[str, Any]:
    """What `save_tensors` made.

    Raises:
        ProjectionHeadError: It is something else.
    """
    import torch

    try:
        return dict(torch.load(io.BytesIO(content), weights_only=True, map_location="cpu"))
    except Exception as error:
        raise ProjectionHeadError("The projection head's checkpoint is broken: train the head again.") from error


def apply_head(checkpoint: bytes, vectors: np.ndarray) -> np.ndarray:
    """Project vectors with a trained head.

    Args:
        checkpoint: What `serialize_network` made; one without an architecture is a multilayer perceptron, as all were.
        vectors: (n, d) float32 of unit length.

    Returns:
        (n, 128) float32 of unit length of a multilayer perceptron, (n, d) of a residual head.

    Raises:
        ProjectionHeadError: The checkpoint is broken, or was trained on vectors of another length.
    """
    saved = load_tensors(checkpoint)
    try:
        size, is_mlp = int(saved["input"]), saved.get("architecture", Architecture.MLP) == Architecture.MLP
        head = build_mlp(size) if is_mlp else build_residual(size)
        head.load_state_dict(saved["weights"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ProjectionHeadError("The projection head's checkpoint is broken: train the head again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != size:
        raise ProjectionHeadError(
            f"The projection head was trained on vectors of {size} numbers, not {vectors.shape[-1]}: "
            "train it again for this model pack."
        )
    return project_vectors(head.to(training_device()), vectors)
