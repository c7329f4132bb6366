"""Batches of labelled faces and the triplet loss over them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classface_assets.core.arrays import l2_normalize

if TYPE_CHECKING:
    from torch import Tensor

FACES_OF_A_PERSON = 4
"""In a batch, at most."""


@dataclass(frozen=True)
class ProjectedFaces:
    """Faces as a network projects them."""

    points: "Tensor"
    """(n, e) of unit length."""
    people: "Tensor"
    """(n,) int64."""
    years: "Tensor"
    """(n,) float, NaN where unknown."""
    rivals: "Tensor | None" = None
    """(n, e) of unit length, a face of the same photo that is somebody else; zeros where there is none."""


def person_batches(rows: np.ndarray, targets: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide rows into batches that hold up to four faces of a person, so that every anchor has a positive.

    Args:
        rows: (m,) row numbers, each of which is in one batch.
        targets: (m,) int64, the person of each.
        size: Greatest number of faces of a batch.
        rng: By which faces are drawn.
    """
    groups = _groups(rows, targets, rng)
    order = rng.permutation(len(groups))
    return _batches([groups[i] for i in order], size)


def similar_batches(
    vectors: np.ndarray, rows: np.ndarray, targets: np.ndarray, size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """The same, but half of a batch are the people that are most similar to the other half: hard negatives.

    Args:
        vectors: (n, d) float32 of unit length, of all rows.
        rows: As in `person_batches`.
        targets: As there.
        size: As there.
        rng: As there.
    """
    groups = _groups(rows, targets, rng)
    order = rng.permutation(len(groups)).tolist()
    person = {int(row): int(target) for row, target in zip(rows, targets, strict=True)}
    people = np.array([person[int(group[0])] for group in groups])
    centres = l2_normalize(np.array([vectors[group].mean(axis=0) for group in groups]))
    similar = centres @ centres.T
    similar[people[:, None] == people[None, :]] = -2
    used, chosen = np.zeros(len(groups), bool), []
    for number in order:
        if used[number]:
            continue
        used[number] = True
        chosen.append(groups[number])
        free = np.where(used, -3.0, similar[number])
        partner = int(free.argmax())
        if free[partner] > -2:
            used[partner] = True
            chosen.append(groups[partner])
    return _batches(chosen, size)


def triplet_loss(anchors: ProjectedFaces, others: ProjectedFaces, margin: float) -> "Tensor":
    """Mean of margin + farthest positive - nearest negative, where positive, over the anchors that have both.

    Batch-hard after Hermans, Beyer, Leibe 2017; a positive of g years ago weighs 1 + log(1 + g). Negatives are the
    faces of other people and the anchor's own rival.
    """
    distance = (2 - 2 * anchors.points @ others.points.T).clamp(min=0)
    same = anchors.people[:, None] == others.people[None, :]
    positive, which = distance.masked_fill(~same, -1).max(dim=1)
    negative = distance.masked_fill(same, 9).amin(dim=1)
    if anchors.rivals is not None:
        negative = negative.minimum((2 - 2 * (anchors.points * anchors.rivals).sum(dim=1)).clamp(min=0))
    weight = 1 + (anchors.years - others.years[which]).abs().nan_to_num(nan=0.0).log1p()
    usable = weight * ((positive >= 0) & (negative < 9))
    loss = (positive - negative + margin).clamp(min=0)
    return (loss * usable).sum() / usable.sum().clamp(min=1)


def _groups(rows: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Up to FACES_OF_A_PERSON rows of a person each."""
    groups = []
    for target in np.unique(targets):
        own = rng.permutation(rows[targets == target])
        groups += [own[i : i + FACES_OF_A_PERSON] for i in range(0, len(own), FACES_OF_A_PERSON)]
    return groups


def _batches(groups: list[np.ndarray], size: int) -> list[np.ndarray]:
    each = max(2, size // FACES_OF_A_PERSON)
    batches = [np.concatenate(groups[i : i + each]) for i in range(0, len(groups), each)]
    return [batch for batch in batches if len(batch) > 1]
