"""One run of training, epoch by epoch, with a checkpoint after each: it goes on where it was interrupted.

All that is drawn by chance in an epoch depends on the seed and the number of the epoch alone, so that a training that
was interrupted ends bit by bit as one that was not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from classface_assets.identity.projection.network import (
    Architecture,
    ProjectionHeadError,
    load_tensors,
    project_vectors,
    save_tensors,
    training_device,
)
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.training_faces import TrainingFaces
from classface_assets.identity.projection.triplets import (
    ProjectedFaces,
    person_batches,
    similar_batches,
    triplet_loss,
)

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

PATIENCE = 8
"""Epochs without a gain on held-out people after which a training stops."""


class CheckpointStore(Protocol):
    """Where checkpoints lie, by the stage of the training: one of the folds, or the final head."""

    def latest(self, stage: str) -> bytes | None:
        """The last checkpoint of a stage; None before the first."""

    def save(self, stage: str, epoch: int, content: bytes) -> None:
        """Store the checkpoint of an epoch."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch of a stage came to. Epoch 0 is the head before any training."""

    stage: str
    epoch: int
    train_loss: float | None
    held_out_loss: float | None
    held_out_separation: float | None
    """Separation of the people by whom the training is stopped."""
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Stage:
    """A training to be done: of one fold, or of the final head."""

    name: str
    faces: TrainingFaces
    """Those that train."""
    epochs: int
    build: Callable[[], "nn.Module"]
    key: str
    """What the result depends on; a checkpoint of another one is not gone on with."""
    measure: Callable[["nn.Module"], tuple[float, float]] | None = None
    """The loss and the separation of held-out people; None: all epochs are trained."""
    resume: bool = False
    """Whether to begin with the weights of a checkpoint that has another key."""


@dataclass(frozen=True)
class StageResult:
    """A trained head, as it was at its best epoch."""

    network: "nn.Module"
    best_epoch: int
    history: tuple[Epoch, ...]


def train_stage(stage: Stage, settings: TrainingSettings, checkpoints: CheckpointStore | None) -> StageResult:
    """Train one head, from the stage's last checkpoint on where there is one of the same training.

    Args:
        stage: What is trained on what.
        settings: How it is trained.
        checkpoints: Where a checkpoint is stored after each epoch; None: nowhere.
    """
    state = _State.begin(stage, settings)
    state.load(stage, checkpoints.latest(stage.name) if checkpoints else None)
    if not state.history:
        state.record(stage, None, 0.0)
        state.save(stage, checkpoints)
    while len(state.history) <= stage.epochs and not state.is_exhausted(stage):
        started = time.perf_counter()
        loss = _train_epoch(state, stage.faces, settings, len(state.history))
        state.record(stage, loss, time.perf_counter() - started)
        state.save(stage, checkpoints)
    if stage.measure is not None:
        state.network.load_state_dict(state.best)
    return StageResult(state.network, state.best_epoch if stage.measure else stage.epochs, tuple(state.history))


@dataclass
class _State:
    """All that a training needs to go on."""

    network: "nn.Module"
    optimiser: "Optimizer"
    history: list[Epoch]
    best: dict[str, "Tensor"]
    best_epoch: int = 0

    @staticmethod
    def begin(stage: Stage, settings: TrainingSettings) -> "_State":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = stage.build().to(training_device())
        decay = 0.01 * settings.shrinkage if settings.architecture == Architecture.RESIDUAL else 0.0
        optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=decay)
        return _State(network, optimiser, [], {})

    def load(self, stage: Stage, checkpoint: bytes | None) -> None:
        """Go on from a checkpoint of the same training; with `resume` begin with the weights of another one."""
        if checkpoint is None:
            return
        try:
            saved = load_tensors(checkpoint)
            same = saved["key"] == stage.key
            if not same and not stage.resume:
                return
            self.network.load_state_dict(saved["weights"])
            self.optimiser.load_state_dict(saved["optimiser"])
        except (ProjectionHeadError, KeyError, ValueError, RuntimeError):
            return  # of a broken file, another architecture or vectors of another length
        if same:
            self.history = [Epoch(stage.name, *row) for row in saved["history"]]
            self.best, self.best_epoch = saved["best"], saved["best_epoch"]

    def record(self, stage: Stage, loss: float | None, seconds: float) -> None:
        held_out, separation = stage.measure(self.network) if stage.measure else (None, None)
        best = self.history[self.best_epoch].held_out_separation if self.history else None
        self.history.append(Epoch(stage.name, len(self.history), loss, held_out, separation, seconds))
        if separation is not None and (best is None or separation > best + 1e-9):
            self.best_epoch = len(self.history) - 1
            self.best = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def is_exhausted(self, stage: Stage) -> bool:
        return stage.measure is not None and len(self.history) - 1 - self.best_epoch >= PATIENCE

    def save(self, stage: Stage, checkpoints: CheckpointStore | None) -> None:
        if checkpoints is None:
            return
        content: dict[str, Any] = {
            "key": stage.key,
            "epoch": len(self.history) - 1,
            "saved_at": time.time(),
            "weights": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": [
                (e.epoch, e.train_loss, e.held_out_loss, e.held_out_separation, e.seconds) for e in self.history
            ],
        }
        checkpoints.save(stage.name, len(self.history) - 1, save_tensors(content))


def held_out_loss(network: "nn.Module", faces: TrainingFaces, probes: np.ndarray, margin: float) -> float:
    """The triplet loss of some faces (n,) bool against all faces."""
    import torch

    points = torch.from_numpy(project_vectors(network, faces.vectors))
    people, years = torch.from_numpy(faces.people), torch.from_numpy(faces.years)
    chosen = torch.from_numpy(probes)
    anchors = ProjectedFaces(points[chosen], people[chosen], years[chosen])
    return float(triplet_loss(anchors, ProjectedFaces(points, people, years), margin))


def _train_epoch(state: _State, faces: TrainingFaces, settings: TrainingSettings, epoch: int) -> float:
    """One pass over the faces; returns the mean loss of its batches."""
    import torch

    rng, rows = np.random.default_rng([settings.seed, epoch]), np.arange(len(faces))
    if settings.architecture == Architecture.MLP:
        batches = person_batches(rows, faces.people, settings.batch_size, rng)
    else:
        batches = similar_batches(faces.vectors, rows, faces.people, settings.batch_size, rng)
    place = training_device()
    inputs, people, years, rivals = (
        torch.from_numpy(array).to(place)
        for array in (faces.vectors, faces.people, faces.years, np.nan_to_num(faces.rivals))
    )
    has_rival = torch.from_numpy(np.isfinite(faces.rivals).all(axis=1)).to(place)
    has_rivals = bool(has_rival.any())
    state.network.train()
    losses = []
    for batch in batches:
        chosen = torch.from_numpy(batch).to(place)
        own, other = state.network(inputs[chosen]), None
        if has_rivals:
            other = state.network(rivals[chosen]) * has_rival[chosen, None]
        projected = ProjectedFaces(own, people[chosen], years[chosen], other)
        loss = triplet_loss(projected, projected, settings.margin)
        state.optimiser.zero_grad()
        loss.backward()
        state.optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean()) if losses else 0.0
