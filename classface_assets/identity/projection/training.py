"""Training the projection head: a small network learns from confirmed faces to separate this school's people.

It is tested on people whom it never saw, since most of an archive's faces are theirs: the people are dealt out into
folds; for each a head is trained on three of the others, stopped by a fourth, and tested on the fold itself. The head
that may be used is then trained in the same way on everybody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from classface_assets.identity.projection.closed_form import as_compared, closed_form
from classface_assets.identity.projection.epochs import (
    CheckpointStore,
    Epoch,
    Stage,
    StageResult,
    held_out_loss,
    train_stage,
)
from classface_assets.identity.projection.metrics import (
    PersonScores,
    VerificationMetrics,
    person_scores,
    verification_metrics,
)
from classface_assets.identity.projection.network import (
    Architecture,
    build_mlp,
    build_residual,
    project_vectors,
    serialize_network,
    single_thread,
)
from classface_assets.identity.projection.promotion import PairedTest, decide_promotion, describe_lack
from classface_assets.identity.projection.settings import FOLDS, TrainingSettings
from classface_assets.identity.projection.training_faces import (
    TrainingFaces,
    UnlabelledClusters,
    folds_of_people,
    held_out_faces,
)

if TYPE_CHECKING:
    from torch import nn

MIXES = (0.25, 0.5, 0.75, 1.0)
"""Shares of a residual head's projection against the centred vectors that are tried on held-out people."""

CLUSTERED_FACES = 30_000
"""Faces in unlabelled clusters that a training takes: of 150,000 it learned the same in more than twice the time."""

MEASURED_PAIRS = 100_000
"""Pairs of strangers by which a training is stopped and mixed; the test takes all."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of the training; metrics and losses are None when it was skipped."""

    status: Literal["trained", "skipped"]
    reason: str
    people: int
    training_faces: int
    held_out_faces: int
    architecture: Architecture
    train_loss: float | None = None
    held_out_loss: float | None = None
    raw: VerificationMetrics | None = None
    head: VerificationMetrics | None = None
    raw_on_strangers: VerificationMetrics | None = None
    head_on_strangers: VerificationMetrics | None = None
    test_on_strangers: PairedTest | None = None
    test_on_others: PairedTest | None = None
    nearest_on_strangers: PairedTest | None = None
    gain_needed: float | None = None
    faces_needed: int | None = None
    """Confirmed faces that a person must have; of a training that was skipped, as `people_needed`."""
    people_needed: int | None = None
    epochs_trained: int = 0
    mix: float = 1.0
    promoted: bool = False
    checkpoint: bytes | None = None
    epochs: tuple[Epoch, ...] = field(default=())
    """Every epoch of every fold and of the final head."""


def train_head(
    faces: TrainingFaces,
    settings: TrainingSettings,
    clusters: UnlabelledClusters | None = None,
    checkpoints: CheckpointStore | None = None,
) -> TrainingResult:
    """Train a head on confirmed faces, by triplet loss with the hardest positive and negative of each batch.

    Args:
        faces: The labelled faces, of people who have enough.
        settings: How it is trained.
        clusters: Faces that nobody labelled, which help a residual head to its start; of very many a sample does.
        checkpoints: Where a checkpoint is stored after each epoch, and a training that was interrupted goes on from.

    Returns:
        The result, with a checkpoint even when the head is not promoted.
    """
    if faces.count < settings.people_needed:
        needed = settings.min_faces_per_person, settings.people_needed
        return TrainingResult(
            "skipped",
            reason=describe_lack(faces.count, *needed),
            people=faces.count,
            training_faces=0,
            held_out_faces=0,
            architecture=settings.architecture,
            faces_needed=needed[0],
            people_needed=needed[1],
        )
    trainer = _Trainer(faces, settings, (clusters or UnlabelledClusters()).sample(CLUSTERED_FACES), checkpoints)
    with single_thread():
        folds = [trainer.fold(number) for number in range(FOLDS)]
        return trainer.result(folds, trainer.final(folds))


@dataclass(frozen=True)
class _Fold:
    """A head that never saw the people of a fold, and how it does on them and on others."""

    trained: StageResult
    mix: float
    raw: PersonScores
    head: PersonScores
    raw_others: np.ndarray
    head_others: np.ndarray
    metrics: tuple[VerificationMetrics, ...]
    """Raw and head on held-out faces, raw and head on strangers."""


@dataclass(frozen=True)
class _Trainer:
    """Trains the heads of the folds and the final one."""

    faces: TrainingFaces
    settings: TrainingSettings
    clusters: UnlabelledClusters
    checkpoints: CheckpointStore | None

    def fold(self, number: int) -> _Fold:
        """Train without the people of a fold, stop by those of the next one, and test."""
        faces, settings = self.faces, self.settings
        folds = folds_of_people(faces, FOLDS, settings.seed)[faces.people]
        strangers, stopping = folds == number, folds == (number + 1) % FOLDS
        others = held_out_faces(faces) & ~strangers & ~stopping
        known, probes = faces.subset(~strangers & ~others), stopping[~strangers & ~others]

        def measure(network: "nn.Module") -> tuple[float, float]:
            separation = _mean_separation(project_vectors(network, known.vectors), known, probes)
            return held_out_loss(network, known, probes, settings.margin), separation

        train = faces.subset(~strangers & ~stopping & ~others)
        trained = train_stage(
            self._stage(f"fold-{number}", train, settings.epochs, measure), settings, self.checkpoints
        )
        mix = self._choose_mix(trained.network, known, probes)
        vectors = (as_compared(faces.vectors, self.clusters), self._compared(trained.network, faces.vectors))
        raw, head = (person_scores(v, faces.people, strangers, faces.years) for v in vectors)
        seen = faces.subset(~strangers)
        raw_others, head_others = (
            _padded(person_scores(v[~strangers], seen.people, others[~strangers], seen.years).rank1, faces.count)
            for v in vectors
        )
        metrics = tuple(
            verification_metrics(v, faces.people, chosen) for chosen in (others, strangers) for v in vectors
        )
        return _Fold(trained, mix, raw, head, raw_others, head_others, metrics)

    def final(self, folds: Sequence[_Fold]) -> StageResult:
        """The head trained on everybody, as long as was best for held-out people."""
        epochs = round(float(np.median([fold.trained.best_epoch for fold in folds])))
        trained = train_stage(self._stage("final", self.faces, epochs), self.settings, self.checkpoints)
        _set_mix(trained.network, float(np.median([fold.mix for fold in folds])))
        return trained

    def result(self, folds: Sequence[_Fold], final: StageResult) -> TrainingResult:
        """What came of it, and whether the head is used."""
        settings, faces = self.settings, self.faces
        promotion = decide_promotion(
            _mean_scores([fold.raw for fold in folds]),
            _mean_scores([fold.head for fold in folds]),
            _mean_measured([fold.raw_others for fold in folds]),
            _mean_measured([fold.head_others for fold in folds]),
            settings.promotion_margin,
        )
        raw, head, raw_strange, head_strange = (_mean_metrics([f.metrics[i] for f in folds]) for i in range(4))
        losses = [e.held_out_loss for f in folds for e in f.trained.history if e.epoch == f.trained.best_epoch]
        return TrainingResult(
            status="trained",
            reason=promotion.reason,
            people=faces.count,
            training_faces=len(faces),
            held_out_faces=len(faces),
            architecture=settings.architecture,
            train_loss=final.history[-1].train_loss,
            held_out_loss=float(np.mean([loss for loss in losses if loss is not None])),
            raw=raw,
            head=head,
            raw_on_strangers=raw_strange,
            head_on_strangers=head_strange,
            test_on_strangers=promotion.strangers,
            test_on_others=promotion.others,
            nearest_on_strangers=promotion.nearest,
            gain_needed=promotion.needed,
            epochs_trained=final.best_epoch,
            mix=float(np.median([fold.mix for fold in folds])),
            promoted=promotion.promoted,
            checkpoint=serialize_network(final.network, settings.architecture, faces.vectors.shape[1]),
            epochs=tuple(epoch for stage in (*(fold.trained for fold in folds), final) for epoch in stage.history),
        )

    def _compared(self, network: "nn.Module", vectors: np.ndarray) -> np.ndarray:
        """Vectors (n, d) as an archive compares them that has this head in use, (n, e)."""
        clusters = self.clusters
        if len(clusters):
            clusters = replace(clusters, vectors=project_vectors(network, clusters.vectors))
        return as_compared(project_vectors(network, vectors), clusters)

    def _choose_mix(self, network: "nn.Module", faces: TrainingFaces, probes: np.ndarray) -> float:
        """Set the mix of a residual head to the share that is best for held-out people: the greatest of equals."""
        if not hasattr(network, "mix"):
            return 1.0
        separation = {}
        for mix in MIXES:
            _set_mix(network, mix)
            separation[mix] = _mean_separation(self._compared(network, faces.vectors), faces, probes)
        best = max(MIXES, key=lambda mix: (separation[mix], mix))
        _set_mix(network, best)
        return best

    def _stage(
        self,
        name: str,
        train: TrainingFaces,
        epochs: int,
        measure: Callable[["nn.Module"], tuple[float, float]] | None = None,
    ) -> Stage:
        settings, size = self.settings, self.faces.vectors.shape[1]

        def build() -> "nn.Module":
            if settings.architecture == Architecture.MLP:
                return build_mlp(size)
            return build_residual(size, closed_form(train, self.clusters, settings.shrinkage))

        return Stage(
            name=name,
            faces=train,
            epochs=epochs,
            build=build,
            key=settings.key(self.faces.digest, self.clusters.digest, name),
            measure=measure,
            resume=settings.resume and measure is None,
        )


def _set_mix(network: "nn.Module", mix: float) -> None:
    if hasattr(network, "mix"):
        network.mix.fill_(mix)  # type: ignore[operator] # a buffer


def _mean_separation(vectors: np.ndarray, faces: TrainingFaces, probes: np.ndarray) -> float:
    """The mean separation over the people of the probes; 1 where they have no pair."""
    separation = person_scores(vectors, faces.people, probes, faces.years, MEASURED_PAIRS).separation
    measured = separation[np.isfinite(separation)]
    return float(measured.mean()) if len(measured) else 1.0


def _padded(scores: np.ndarray, size: int) -> np.ndarray:
    """Scores (m,) of the first people, with NaN for the rest up to (size,)."""
    return np.concatenate([scores, np.full(size - len(scores), np.nan)])


def _mean_scores(scores: Sequence[PersonScores]) -> PersonScores:
    """The scores of each person, from the fold that held them out."""
    return PersonScores(_mean_measured([s.separation for s in scores]), _mean_measured([s.rank1 for s in scores]))


def _mean_measured(scores: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of each person (people,) over the folds that measured them; NaN where none did."""
    found = np.array(scores)
    measured = np.isfinite(found)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(measured, found, 0).sum(axis=0) / measured.sum(axis=0)
    return mean


def _mean_metrics(metrics: Sequence[VerificationMetrics]) -> VerificationMetrics:
    return VerificationMetrics(
        *(float(np.mean([getattr(m, name) for m in metrics])) for name in ("rank1", "auc", "tpr"))
    )
