"""Training the projection head: a small network learns from confirmed faces to separate this school's people.

It is promoted only when it beats the vectors it was given on faces that it never saw, and does not do worse on people
whom it never saw: most of an archive's faces are theirs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from classface_assets.identity.projection.metrics import (
    DataSplit,
    VerificationMetrics,
    is_better,
    is_no_worse,
    split_faces,
    verification_metrics,
)
from classface_assets.identity.projection.network import (
    build_network,
    person_batches,
    project_vectors,
    serialize_network,
    single_thread,
    triplet_loss,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TrainingSettings:
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
class TrainingResult:
    """The result of the training; metrics and losses are None when it was skipped."""

    status: Literal["trained", "skipped"]
    reason: str
    people: int
    training_faces: int
    held_out_faces: int
    train_loss: float | None = None
    held_out_loss: float | None = None
    raw: VerificationMetrics | None = None
    head: VerificationMetrics | None = None
    raw_on_strangers: VerificationMetrics | None = None
    head_on_strangers: VerificationMetrics | None = None
    promoted: bool = False
    checkpoint: bytes | None = None


def train_head(vectors: np.ndarray, persons: Sequence[str], settings: TrainingSettings) -> TrainingResult:
    """Train a head on confirmed faces, by triplet loss with the hardest positive and negative of each batch.

    After Hermans, Beyer, Leibe 2017. People with few faces are not trained on, nor is a fifth of the others, nor a
    fifth of each other person's faces.

    Args:
        vectors: (n, d) float32 of unit length.
        persons: The person of each face.
        settings: How it is trained.

    Returns:
        The result, with a checkpoint even when the head is not promoted.
    """
    counts = Counter(persons)
    usable = sum(count >= settings.min_faces_per_person for count in counts.values())
    if usable < settings.min_people:
        reason = (
            f"{usable} people have {settings.min_faces_per_person} confirmed faces or more, "
            f"{settings.min_people} are needed: label more faces."
        )
        return TrainingResult("skipped", reason, usable, 0, 0)
    targets = np.unique(np.asarray(persons), return_inverse=True)[1]
    chosen = np.ascontiguousarray(vectors, np.float32)
    split = split_faces(targets, settings.min_faces_per_person, np.random.default_rng(settings.seed))
    with single_thread():
        trained, loss = _train(chosen, targets, split.train, settings)
        return _evaluate(trained, loss, chosen, targets, split, settings.margin)


def _train(
    vectors: np.ndarray, targets: np.ndarray, train: np.ndarray, settings: TrainingSettings
) -> tuple["nn.Module", float]:
    """The trained network, and the mean loss of its last epoch."""
    import torch

    rows, rng = np.flatnonzero(train), np.random.default_rng(settings.seed)
    inputs, classes = torch.from_numpy(vectors), torch.from_numpy(targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = build_network(vectors.shape[1])
    optimiser = torch.optim.Adam(head.parameters(), lr=settings.learning_rate)
    head.train()
    losses: list[float] = []
    for _ in range(settings.epochs):
        losses = []
        for batch in person_batches(rows, targets[rows], settings.batch_size, rng):
            chosen = torch.from_numpy(batch)
            projected, own = head(inputs[chosen]), classes[chosen]
            loss = triplet_loss(projected, own, projected, own, settings.margin)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    return head, float(np.mean(losses)) if losses else 0.0


def _evaluate(
    trained: "nn.Module", train_loss: float, vectors: np.ndarray, targets: np.ndarray, split: DataSplit, margin: float
) -> TrainingResult:
    """The trained head against the raw vectors, on held-out faces and on strangers."""
    import torch

    after = project_vectors(trained, vectors)
    raw, head = (verification_metrics(v, targets, split.held_out) for v in (vectors, after))
    raw_strange, head_strange = (verification_metrics(v, targets, split.strangers) for v in (vectors, after))
    promoted = is_better(head, raw) and is_no_worse(head_strange, raw_strange)
    numbers = "; ".join(
        f"{who}: rank-1 {h.rank1:.3f} against {r.rank1:.3f}, AUC {h.auc:.4f} against {r.auc:.4f}, "
        f"true positives at 0.1 % false {h.tpr:.4f} against {r.tpr:.4f}"
        for who, h, r in (("held-out faces", head, raw), ("people it never saw", head_strange, raw_strange))
    )
    points, classes, held = torch.from_numpy(after), torch.from_numpy(targets), torch.from_numpy(split.held_out)
    seen = torch.from_numpy(split.train)
    held_loss = triplet_loss(points[held], classes[held], points[seen], classes[seen], margin)
    return TrainingResult(
        status="trained",
        reason=f"{'Better' if promoted else 'Not better'} than the raw vectors. {numbers}.",
        people=len(np.unique(targets[split.train])),
        training_faces=int(split.train.sum()),
        held_out_faces=int((split.held_out | split.strangers).sum()),
        train_loss=train_loss,
        held_out_loss=float(held_loss),
        raw=raw,
        head=head,
        raw_on_strangers=raw_strange,
        head_on_strangers=head_strange,
        promoted=promoted,
        checkpoint=serialize_network(trained, vectors.shape[1]),
    )
