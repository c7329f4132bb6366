"""Grouping faces that may be years apart: constrained average linkage along the nearest neighbour graph.

The merging is in `averages`, the space in which faces are compared in `space`, their neighbours' part in that in
`company`, how it is measured in `measuring`, the second chance of single faces in `leftovers`.

A second chance for faces that were left alone: they may join a group that is already there, never found one.
"""

import numpy as np

from classface_assets.identity.clustering.average_linkage import average_linkage_in
from classface_assets.identity.clustering.shared_neighbours import add_shared_neighbours
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.constraints.conflicts import Conflicts, merge_must_links
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

SINGLE_NEIGHBOUR_PENALTY = 0.1
"""A second likest face that is not there counts as this much less like than the first."""


def attach_singletons(
    of: np.ndarray, material: ClusteringInput, threshold: float, margin: float, open_to: np.ndarray | None = None
) -> np.ndarray:
    """The same groups, of (n,) numbered by a face of each, but a face that is alone joins the group whose two likest
    neighbours are like it.

    An average over a whole group is hard on a blurred or turned face, which is near only to its likes. It joins when
    the mean cosine of the two reaches the threshold and leads the next group by the margin, and no photo and no
    cannot-link forbids it. Of several that one forbids together the likest joins. open_to (n,) bool: who may join;
    without it everyone.
    """
    alone = np.bincount(of, minlength=len(of))[of] == 1
    pairs = material.pairs
    towards = alone[pairs[:, 0]] & ~alone[pairs[:, 1]]
    if open_to is not None:
        towards &= open_to[pairs[:, 0]]
    face, group, worth = _two_nearest_mean(pairs[towards, 0], of[pairs[towards, 1]], material.similarities[towards])
    open_to = ~Conflicts(material).between(of[face], group, of)
    face, group, worth = face[open_to], group[open_to], worth[open_to]

    order = np.lexsort((group, -worth, face))
    face, group, worth = face[order], group[order], worth[order]
    first = np.flatnonzero(np.diff(face, prepend=-1))
    following = np.minimum(first + 1, len(face) - 1)
    rival = np.where((following > first) & (face[following] == face[first]), worth[following], -1.0)
    sure = first[(worth[first] >= threshold) & (worth[first] - rival >= margin)]
    sure = sure[np.lexsort((face[sure], -worth[sure]))]
    face, group = face[sure], group[sure]

    keys = group * (int(material.photos.max(initial=0)) + 1) + material.photos[face]
    kept = np.sort(np.unique(keys, return_index=True)[1])
    joined = of.copy()
    joined[face[kept]] = group[kept]
    return _remove_cannot_links(joined, face[kept], material.cannot_link)


def _two_nearest_mean(
    face: np.ndarray, group: np.ndarray, likeness: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each face and group that any edge ties, once, and the mean of the greatest two of the edges' likenesses."""
    order = np.lexsort((-likeness, group, face))
    face, group, likeness = face[order], group[order], likeness[order].astype(np.float64)
    new = np.ones(len(face), bool)
    new[1:] = (face[1:] != face[:-1]) | (group[1:] != group[:-1])
    first = np.flatnonzero(new)
    second = np.minimum(first + 1, len(face) - 1)
    has_second = (second > first) & ~new[second]
    other = np.where(has_second, likeness[second], likeness[first] - SINGLE_NEIGHBOUR_PENALTY)
    return face[first], group[first], (likeness[first] + other) / 2


def _remove_cannot_links(joined: np.ndarray, faces: np.ndarray, cannot: np.ndarray) -> np.ndarray:
    """Two faces that joined one group in spite of a cannot-link between them: the one that came later leaves."""
    came = np.full(len(joined), -1, np.int64)
    came[faces] = np.arange(len(faces))
    both = (came[cannot] >= 0).all(axis=1) & (joined[cannot[:, 0]] == joined[cannot[:, 1]])
    for one, other in cannot[both]:
        if joined[one] == joined[other]:
            later = one if came[one] > came[other] else other
            joined[later] = later
    return joined


def temporal_linkage(
    material: ClusteringInput, settings: AssignmentSettings, standing: np.ndarray | None = None
) -> np.ndarray:
    """Group of each face, (n,) int64, numbered by a face of it; a face that nobody is like is a group of its own.

    Average linkage in the archive's own space, pairs of faces weighted by closeness in years; then single faces may
    join a group. Faces of one photo and cannot-links never are in one group, must-links always are.

    standing (n,): groups of before, which stay as they are, -1 for the faces that are to be placed. Then only these are
    joined to them or to one another, and what is not near them is not looked at.
    """
    measured = material.measured or fit_archive_similarity(material, settings)
    enough = measured.told.share / max(settings.whitened_share, 1e-6)  # among few faces all have the same neighbours
    company = settings.company * enough, settings.company_lift * enough
    attach = settings.attach_threshold, settings.attach_margin
    if standing is None:
        space = add_shared_neighbours(measured.told.space(material.vectors), material, *company)
        return attach_singletons(average_linkage_in(material, settings, space), material, *attach)
    near = _adjacent_rows(standing, material.pairs)
    part, stood = material.subset(near), standing[near]
    space = add_shared_neighbours(measured.told.space(part.vectors), material, *company, rows=near)
    joined = merge_must_links(standing, material)
    joined[near] = near[
        attach_singletons(average_linkage_in(part, settings, space, stood), part, *attach, open_to=stood < 0)
    ]
    return joined


def _adjacent_rows(standing: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The rows of the faces that are to be placed, and of all groups that an edge ties to one of them."""
    placing = standing < 0
    beside = np.zeros(standing.max(initial=-1) + 2, bool)  # the last is that of the faces to be placed
    for face, other in (pairs.T, pairs.T[::-1]):
        beside[standing[other[placing[face]]]] = True
    return np.flatnonzero(placing | beside[standing])
