"""How the projection head is trained, and the least it needs to be worth training."""

from dataclasses import asdict, dataclass

from classface_assets.identity.projection.network import Architecture

FOLDS = 5
"""Parts into which the people are dealt out: each is tested by a head that was trained on the others."""


@dataclass(frozen=True)
class TrainingSettings:
    """How the head is trained, and the least it needs to be worth training."""

    epochs: int = 20
    """Greatest number of passes over the training faces; where held-out people gain nothing any more, fewer."""
    margin: float = 0.2
    """How much nearer (squared distance of unit vectors) a person's own faces must be than others'."""
    batch_size: int = 32
    """Faces a batch: up to four of each person in it."""
    learning_rate: float = 1e-4
    """Adam's step."""
    min_people: int = 5
    """Fewer people with enough faces than this, or than FOLDS: no training."""
    min_faces_per_person: int = 2
    """People with fewer confirmed faces are left out."""
    seed: int = 0
    """Same seed, same faces: same head."""
    architecture: Architecture = Architecture.RESIDUAL
    """What the head is made of."""
    quality_threshold: float = 0.0
    """Faces of less quality do not train."""
    shrinkage: float = 2.0
    """How much the directions in which one person's faces differ are spared by a residual head's start; times 0.01 the
    weight decay of its corrections."""
    promotion_margin: float = 0.05
    """Least share of the separation that people it never saw lack without a head which it has to gain."""
    resume: bool = False
    """Whether the head that was trained last is trained on when the labels have changed, rather than a new one."""

    @property
    def people_needed(self) -> int:
        """Least number of people: to train on two and more, stop by others and test on a fifth takes FOLDS."""
        return max(self.min_people, FOLDS)

    def key(self, *data: str) -> str:
        """The settings with the digests of the data, by which a checkpoint knows its training."""
        return repr((sorted((name, str(value)) for name, value in asdict(self).items()), data))
