"""Temporal linkage: clustering faces that may be years apart.

Average linkage (`average_linkage`) in the archive's own space (`similarity`), to which shared neighbours may add, and a
second chance for faces that were left alone: these may join a group that exists already, never found one.
"""

import numpy as np

from classface_assets.identity.clustering.linkage.average import average_linkage
from classface_assets.identity.clustering.linkage.components import average_linkage_in_parts
from classface_assets.identity.clustering.linkage.rule import LinkageRule
from classface_assets.identity.clustering.shared_neighbours import SharedNeighbours
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.constraints.conflicts import Conflicts, merge_must_links
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.year_decay import YearDecay

SINGLE_NEIGHBOUR_PENALTY = 0.1
"""Where a face has one neighbour in a group, the missing second counts as this much less similar than the first."""


def temporal_linkage(
    inputs: ClusteringInput, settings: AssignmentSettings, fixed: np.ndarray | None = None
) -> np.ndarray:
    """Cluster faces by average linkage, pairs of faces weighted by closeness in years; then single faces may join.

    Faces of one photo and cannot-links never are in one group, must-links always are.

    Args:
        inputs: The faces, their graph and constraints.
        settings: Those of `temporal`.
        fixed: (n,) int64, groups of an earlier run, which stay as they are, -1 for the faces that are to be placed.
            Then only these are joined to them or to one another, and what is not near them is not computed.

    Returns:
        (n,) int64, the group of each face, numbered by a face of it; a face similar to nobody is a group of its own.
    """
    similarity = inputs.similarity or fit_archive_similarity(inputs, settings)
    model = similarity.model
    rule = LinkageRule(
        threshold=settings.cluster_threshold,
        decay=YearDecay(settings.cluster_year_decay, 0.0),
        size_penalty=settings.cluster_size_penalty * model.spread * model.share,
        overlap_penalty=settings.cluster_overlap_penalty * model.spread * model.share,
    )
    enough = model.share / max(settings.whitened_share, 1e-6)  # among few faces all have the same neighbours
    shared = SharedNeighbours(settings.shared_neighbour_weight * enough, settings.shared_neighbour_offset * enough)
    attach = settings.attach_threshold, settings.attach_margin
    if fixed is None:
        return attach_singletons(average_linkage_in_parts(inputs, model, shared, rule), inputs, *attach)
    near = _adjacent_rows(fixed, inputs.pairs)
    part, fixed_part = inputs.subset(near), fixed[near]
    space = shared.add(model.transform(part.vectors), inputs, near)
    joined = merge_must_links(fixed, inputs)
    groups = average_linkage(part, space, rule, fixed_part, consume=True)
    joined[near] = near[attach_singletons(groups, part, *attach, movable=fixed_part < 0)]
    return joined


def attach_singletons(
    groups: np.ndarray, inputs: ClusteringInput, threshold: float, margin: float, movable: np.ndarray | None = None
) -> np.ndarray:
    """Let faces that are alone join the group that has their two most similar neighbours.

    A mean over a whole group is hard on a blurred or turned face, which is near only to similar ones. It joins when no
    photo and no cannot-link forbids it. Of several faces that one forbids together the most similar joins.

    Args:
        groups: (n,) int64, the group of each face, numbered by a face of it.
        inputs: The faces, their graph and constraints.
        threshold: Least mean cosine of the two neighbours.
        margin: Least lead of that mean over the next group's.
        movable: (n,) bool, the faces that may join; None: all.

    Returns:
        (n,) int64, the groups after that.
    """
    single = np.bincount(groups, minlength=len(groups))[groups] == 1
    pairs = inputs.pairs
    towards = single[pairs[:, 0]] & ~single[pairs[:, 1]]
    if movable is not None:
        towards &= movable[pairs[:, 0]]
    face, group, score = _two_nearest_mean(pairs[towards, 0], groups[pairs[towards, 1]], inputs.similarities[towards])
    allowed = ~Conflicts(inputs).between(groups[face], group, groups)
    face, group, score = face[allowed], group[allowed], score[allowed]

    order = np.lexsort((group, -score, face))
    face, group, score = face[order], group[order], score[order]
    first = np.flatnonzero(np.diff(face, prepend=-1))
    following = np.minimum(first + 1, len(face) - 1)
    rival = np.where((following > first) & (face[following] == face[first]), score[following], -1.0)
    sure = first[(score[first] >= threshold) & (score[first] - rival >= margin)]
    sure = sure[np.lexsort((face[sure], -score[sure]))]
    face, group = face[sure], group[sure]

    keys = group * (int(inputs.photos.max(initial=0)) + 1) + inputs.photos[face]
    one_per_photo = np.sort(np.unique(keys, return_index=True)[1])
    joined = groups.copy()
    joined[face[one_per_photo]] = group[one_per_photo]
    return _remove_cannot_links(joined, face[one_per_photo], inputs.cannot_link)


def _adjacent_rows(fixed: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The rows of the faces that are to be placed, and of all groups that an edge ties to one of them."""
    placing = fixed < 0
    adjacent = np.zeros(fixed.max(initial=-1) + 2, bool)  # the last is that of the faces to be placed
    for face, other in (pairs.T, pairs.T[::-1]):
        adjacent[fixed[other[placing[face]]]] = True
    return np.flatnonzero(placing | adjacent[fixed])


def _two_nearest_mean(
    face: np.ndarray, group: np.ndarray, similarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each face and group that any edge ties, once, and the mean similarity of the strongest two of these edges."""
    order = np.lexsort((-similarity, group, face))
    face, group, similarity = face[order], group[order], similarity[order].astype(np.float64)
    new = np.ones(len(face), bool)
    new[1:] = (face[1:] != face[:-1]) | (group[1:] != group[:-1])
    first = np.flatnonzero(new)
    second = np.minimum(first + 1, len(face) - 1)
    has_second = (second > first) & ~new[second]
    other = np.where(has_second, similarity[second], similarity[first] - SINGLE_NEIGHBOUR_PENALTY)
    return face[first], group[first], (similarity[first] + other) / 2


def _remove_cannot_links(joined: np.ndarray, faces: np.ndarray, cannot_link: np.ndarray) -> np.ndarray:
    """Of two faces that joined one group in spite of a cannot-link between them, the later one leaves it again."""
    joined = joined.copy()
    position = np.full(len(joined), -1, np.int64)
    position[faces] = np.arange(len(faces))
    both = (position[cannot_link] >= 0).all(axis=1) & (joined[cannot_link[:, 0]] == joined[cannot_link[:, 1]])
    for one, other in cannot_link[both]:
        if joined[one] == joined[other]:
            later = one if position[one] > position[other] else other
            joined[later] = later
    return joined
