"""How well vectors tell people apart whom the head did and did not train on: what a head's promotion rests on."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DataSplit:
    """Row masks. `train` faces train the head; `held_out` are other faces of the same people; `strangers` are all faces
    of people who are kept from the training altogether."""

    train: np.ndarray
    held_out: np.ndarray
    strangers: np.ndarray


@dataclass(frozen=True)
class VerificationMetrics:
    """How well vectors tell some faces apart from all others."""

    rank1: float
    """Share of the faces whose nearest other face is of the same person."""
    auc: float
    """Chance that two faces of a person are nearer than two of different people."""
    tpr: float
    """Share of same-person pairs above the similarity that one in a thousand pairs of strangers reaches."""


def split_faces(targets: np.ndarray, least: int, rng: np.random.Generator) -> DataSplit:
    """Keeps from the training a fifth of the people who have `least` faces (one person at least), all who have fewer,
    and a fifth of each other person's faces. Of those with one face nothing can be measured but that others are not it.
    """
    numbers, counts = np.unique(targets, return_counts=True)
    people = rng.permutation(numbers[counts >= least])
    kept_out = people[: max(1, len(people) // 5)]
    strangers = np.isin(targets, kept_out) | np.isin(targets, numbers[(counts < least) & (counts >= 2)])
    held_out = np.zeros(len(targets), bool)
    for target in people[len(kept_out) :]:
        own = rng.permutation(np.flatnonzero(targets == target))
        held_out[own[: max(1, len(own) // 5)]] = True
    return DataSplit(np.isin(targets, people[len(kept_out) :]) & ~held_out, held_out, strangers)


def verification_metrics(vectors: np.ndarray, targets: np.ndarray, probes: np.ndarray) -> VerificationMetrics:
    """Rank-1, AUC (Mann-Whitney) and true positives at one false in a thousand, of the probes (a row mask) against
    every other face."""
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
    """Strictly better at telling pairs apart, and no worse at finding the nearest."""
    return head.rank1 >= raw.rank1 and head.auc > raw.auc and head.tpr > raw.tpr


def is_no_worse(head: VerificationMetrics, raw: VerificationMetrics) -> bool:
    return head.rank1 >= raw.rank1 and head.auc >= raw.auc and head.tpr >= raw.tpr
