"""How well vectors separate people of the training set, and other people: what the promotion of a head depends on."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DataSplit:
    """Which of n faces are for training and which for testing."""

    train: np.ndarray
    """(n,) bool, faces that train the head."""
    held_out: np.ndarray
    """(n,) bool, other faces of the same people."""
    strangers: np.ndarray
    """(n,) bool, all faces of people who are left out of the training altogether."""


@dataclass(frozen=True)
class VerificationMetrics:
    """How well vectors separate some faces from all others."""

    rank1: float
    """Share of the faces whose nearest other face is of the same person."""
    auc: float
    """Chance that two faces of a person are nearer than two of different people."""
    tpr: float
    """Share of same-person pairs above the similarity that one in a thousand pairs of strangers reaches."""


def split_faces(targets: np.ndarray, least: int, rng: np.random.Generator) -> DataSplit:
    """Leave out of the training a fifth of the people, and a fifth of each other person's faces.

    People with fewer faces than `least` are left out too. Of those with one face nothing can be measured but that
    others are not it.

    Args:
        targets: (n,) int64, the person of each face.
        least: Least number of faces of a person who is trained on.
        rng: By which people and faces are drawn.
    """
    numbers, counts = np.unique(targets, return_counts=True)
    people = rng.permutation(numbers[counts >= least])
    left_out = people[: max(1, len(people) // 5)]
    strangers = np.isin(targets, left_out) | np.isin(targets, numbers[(counts < least) & (counts >= 2)])
    held_out = np.zeros(len(targets), bool)
    for target in people[len(left_out) :]:
        own = rng.permutation(np.flatnonzero(targets == target))
        held_out[own[: max(1, len(own) // 5)]] = True
    return DataSplit(np.isin(targets, people[len(left_out) :]) & ~held_out, held_out, strangers)


def verification_metrics(vectors: np.ndarray, targets: np.ndarray, probes: np.ndarray) -> VerificationMetrics:
    """Rank-1, AUC (Mann-Whitney) and true positives at one false in a thousand.

    Args:
        vectors: (n, d) float32 of unit length.
        targets: (n,) int64, the person of each face.
        probes: (n,) bool, the faces that are compared with every other one.
    """
    rows = np.flatnonzero(probes)
    similarity = vectors[rows] @ vectors.T
    others = np.arange(len(vectors))[None, :] != rows[:, None]
    same = (targets[rows][:, None] == targets[None, :]) & others
    own, strange = similarity[same], np.sort(similarity[(targets[rows][:, None] != targets[None, :])])
    below = np.searchsorted(strange, own, "left") + np.searchsorted(strange, own, "right")
    nearest = np.where(others, similarity, -np.inf).argmax(axis=1)
    return VerificationMetrics(
        rank1=float(np.mean(targets[nearest] == targets[rows])),
        auc=float(below.mean() / (2 * len(strange))),
        tpr=float(np.mean(own > strange[int(0.999 * (len(strange) - 1))])),
    )


def is_better(head: VerificationMetrics, raw: VerificationMetrics) -> bool:
    """Whether the head is strictly better at separating pairs, and no worse at finding the nearest."""
    return head.rank1 >= raw.rank1 and head.auc > raw.auc and head.tpr > raw.tpr


def is_no_worse(head: VerificationMetrics, raw: VerificationMetrics) -> bool:
    """Whether no figure of the head's is below that of the raw vectors."""
    return head.rank1 >= raw.rank1 and head.auc >= raw.auc and head.tpr >= raw.tpr
