"""A second chance for faces that were left alone: they may join a group that is already there, never found one."""

from collections import defaultdict

import numpy as np

from classface_assets.identity.linkage import Gaps

ONE_WITNESS = 0.1
"""A second likest face that is not there counts as this much less like than the first."""


def attach_single_faces(
    labels: np.ndarray,
    vectors: np.ndarray,
    years: np.ndarray,
    photos: np.ndarray,
    pairs: np.ndarray,
    threshold: float,
    margin: float,
    gaps: Gaps,
) -> np.ndarray:
    """The same labels (n,), but a face that is alone joins the group whose two likest neighbours are like it.

    An average over a whole group is hard on a blurred or turned face, which is near only to its likes. It joins when
    the mean of the two reaches the threshold and leads the next group by the margin, and the group lacks its photo;
    the likest faces first. labels: a number a group, negative for noise; the rest as for `temporal_linkage`.
    """
    labels = labels.copy()
    sizes = np.unique(labels, return_inverse=True, return_counts=True)
    alone = (sizes[2][sizes[1]] == 1) | (labels < 0)
    pairs = pairs.reshape(-1, 2)
    pairs = np.unique(pairs[alone[pairs[:, 0]] & ~alone[pairs[:, 1]]], axis=0)
    gap = np.nan_to_num(np.abs(years[pairs[:, 0]] - years[pairs[:, 1]]))
    likeness = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]]) - gaps.penalty(gap)

    seen: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (face, mate), value in zip(pairs.tolist(), likeness.tolist(), strict=True):
        seen[face][int(labels[mate])].append(value)
    present: dict[int, set[int]] = defaultdict(set)
    for photo, label in zip(photos.tolist(), labels.tolist(), strict=True):
        present[label].add(photo)

    offers = []
    for face, groups in seen.items():
        free = [g for g in groups if photos[face] not in present[g]]
        ranked = sorted(((_two_likest(groups[g]), g) for g in free), reverse=True)
        if ranked and ranked[0][0] >= threshold and ranked[0][0] - (ranked[1][0] if ranked[1:] else -1.0) >= margin:
            offers.append((-ranked[0][0], face, ranked[0][1]))
    for _, face, group in sorted(offers):
        if photos[face] not in present[group]:
            labels[face] = group
            present[group].add(int(photos[face]))
    return labels


def _two_likest(values: list[float]) -> float:
    first, *rest = sorted(values, reverse=True)
    return (first + (rest[0] if rest else first - ONE_WITNESS)) / 2
