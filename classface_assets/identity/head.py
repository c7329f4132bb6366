"""The projection head: a small network that learns from confirmed faces to tell this school's people apart better.

It is promoted only when it beats the vectors it was given on faces that it never saw: rank-1 no lower, and both AUC and
the true positives at one false in a hundred strictly higher, so that a tie leaves the raw vectors in place.
"""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

HIDDEN, OUTPUT = 256, 128


class HeadError(ValueError):
    """A checkpoint that cannot be used, or vectors that do not fit it."""


@dataclass(frozen=True)
class HeadSettings:
    """How the head is trained, and the least it needs to be worth training."""

    epochs: int = 20
    """Passes over the training faces."""
    margin: float = 0.2
    """How much nearer (squared distance of unit vectors) a person's own faces must be than others'."""
    batch_size: int = 32
    """Faces a batch: up to four of each person in it."""
    learning_rate: float = 1e-4
    """Adam's step."""
    min_people: int = 5
    """Fewer people with enough faces than this: no training."""
    min_faces_per_person: int = 5
    """People with fewer confirmed faces are left out."""
    seed: int = 0
    """Same seed, same faces: same head."""


@dataclass(frozen=True)
class HeadMeasure:
    """How well vectors tell the held-out faces apart."""

    rank1: float
    """Share of held-out faces whose nearest training face is of the same person."""
    auc: float
    """Chance that a held-out face is nearer to a training face of its person than to one of another."""
    tpr: float
    """Share of same-person pairs above the similarity that one in a hundred pairs of strangers reaches."""


@dataclass(frozen=True)
class HeadResult:
    """What came of the training; measures and losses are None when it was skipped."""

    status: Literal["trained", "skipped"]
    reason: str
    people: int
    training_faces: int
    held_out_faces: int
    train_loss: float | None = None
    held_out_loss: float | None = None
    raw: HeadMeasure | None = None
    head: HeadMeasure | None = None
    promoted: bool = False
    checkpoint: bytes | None = None


def train_head(vectors: np.ndarray, persons: Sequence[str], settings: HeadSettings) -> HeadResult:
    """Trains on confirmed faces: vectors (n, d) unit float32 and the person of each.

    A fifth of each person's faces, at least one, is held out. Triplet loss with the hardest positive and negative of
    each batch (Hermans, Beyer, Leibe 2017). The checkpoint is there even when the head is not promoted.
    """
    labels = np.asarray(persons, dtype=object)
    counts = Counter(persons)
    usable = sorted(person for person, count in counts.items() if count >= settings.min_faces_per_person)
    keep = np.flatnonzero([person in set(usable) for person in persons])
    if len(usable) < max(2, settings.min_people):
        reason = (
            f"{len(usable)} people have {settings.min_faces_per_person} confirmed faces or more, "
            f"{max(2, settings.min_people)} are needed: label more faces."
        )
        return HeadResult("skipped", reason, len(usable), 0, 0)
    number = {person: i for i, person in enumerate(usable)}
    targets = np.array([number[person] for person in labels[keep]], np.int64)
    chosen = np.ascontiguousarray(vectors[keep], np.float32)
    held_out = _held_out(targets, np.random.default_rng(settings.seed))
    with _one_thread():
        return _train(chosen, targets, held_out, settings)


def apply_head(checkpoint: bytes, vectors: np.ndarray) -> np.ndarray:
    """The head's unit vectors (n, 128) float32 of vectors (n, d). Raises HeadError for a checkpoint that is broken or
    was trained on vectors of another length."""
    import torch

    try:
        saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
        network = _network(int(saved["input"]))
        network.load_state_dict(saved["weights"])
    except Exception as error:
        raise HeadError("The projection head's checkpoint is broken: train the head again.") from error
    if vectors.ndim != 2 or vectors.shape[1] != saved["input"]:
        raise HeadError(
            f"The projection head was trained on vectors of {saved['input']} numbers, not {vectors.shape[-1]}: "
            "train it again for this model pack."
        )
    return _project(network, vectors)


def _held_out(targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """True for a fifth of each person's faces, at least one."""
    mask = np.zeros(len(targets), bool)
    for target in np.unique(targets):
        own = rng.permutation(np.flatnonzero(targets == target))
        mask[own[: max(1, len(own) // 5)]] = True
    return mask


def _network(size: int) -> "nn.Module":
    """size -> 256 -> 128, plus a plain projection beside it that starts as near to the identity as 128 numbers allow:
    so the head starts from the raw vectors and learns only what to change."""
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
def _one_thread() -> Iterator[None]:
    """The head is so small that handing its sums to other threads costs more than doing them."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _project(network: "nn.Module", vectors: np.ndarray) -> np.ndarray:
    import torch

    network.eval()
    with _one_thread(), torch.no_grad():
        return network(torch.from_numpy(np.ascontiguousarray(vectors, np.float32))).numpy()


def _train(vectors: np.ndarray, targets: np.ndarray, held_out: np.ndarray, settings: HeadSettings) -> HeadResult:
    import torch

    train, people = np.flatnonzero(~held_out), int(targets.max()) + 1
    rng = np.random.default_rng(settings.seed)
    inputs, classes = torch.from_numpy(vectors), torch.from_numpy(targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = _network(vectors.shape[1])
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    network.train()
    losses: list[float] = []
    for _ in range(settings.epochs):
        losses = []
        for batch in _batches(train, targets[train], settings.batch_size, rng):
            rows = torch.from_numpy(batch)
            projected, own = network(inputs[rows]), classes[rows]
            loss = _triplet_loss(projected, own, projected, own, settings.margin)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    projected_all = torch.from_numpy(_project(network, vectors))
    held_loss = _triplet_loss(
        projected_all[held_out], classes[held_out], projected_all[~held_out], classes[~held_out], settings.margin
    )
    raw = measure(vectors[train], targets[train], vectors[held_out], targets[held_out])
    after = projected_all.numpy()
    head = measure(after[train], targets[train], after[held_out], targets[held_out])
    promoted = head.rank1 >= raw.rank1 and head.auc > raw.auc and head.tpr > raw.tpr
    numbers = (
        f"rank-1 {head.rank1:.3f} against {raw.rank1:.3f}, AUC {head.auc:.4f} against {raw.auc:.4f}, "
        f"true positives at 1 % false {head.tpr:.4f} against {raw.tpr:.4f}"
    )
    file = io.BytesIO()
    torch.save({"input": vectors.shape[1], "weights": network.state_dict()}, file)
    return HeadResult(
        status="trained",
        reason=f"{'Better' if promoted else 'Not better'} than the raw vectors on the held-out faces: {numbers}.",
        people=people,
        training_faces=len(train),
        held_out_faces=int(held_out.sum()),
        train_loss=float(np.mean(losses)) if losses else None,
        held_out_loss=float(held_loss),
        raw=raw,
        head=head,
        promoted=promoted,
        checkpoint=file.getvalue(),
    )


def _batches(rows: np.ndarray, targets: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows once each, in batches of up to `size` that hold people by fours, so that every anchor has a positive."""
    fours = []
    for target in np.unique(targets):
        own = rng.permutation(rows[targets == target])
        fours += [own[i : i + 4] for i in range(0, len(own), 4)]
    order = rng.permutation(len(fours))
    a_batch = max(2, size // 4)
    batches = [np.concatenate([fours[j] for j in order[i : i + a_batch]]) for i in range(0, len(order), a_batch)]
    return [batch for batch in batches if len(batch) > 1]


def _triplet_loss(
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


def measure(gallery: np.ndarray, owners: np.ndarray, probes: np.ndarray, truth: np.ndarray) -> HeadMeasure:
    """Rank-1, AUC (Mann-Whitney) and true positives at one false in a hundred, of probes against a gallery."""
    similarity = probes @ gallery.T
    same = truth[:, None] == owners[None, :]
    own, strangers = similarity[same], np.sort(similarity[~same])
    below = np.searchsorted(strangers, own, "left") + np.searchsorted(strangers, own, "right")
    return HeadMeasure(
        rank1=float(np.mean(owners[similarity.argmax(axis=1)] == truth)),
        auc=float(below.mean() / (2 * len(strangers))),
        tpr=float(np.mean(own > strangers[int(0.99 * (len(strangers) - 1))])),
    )
