"""Average linkage of very many faces in parts, so that the vectors that they are compared in are made for a part only.

Faces that nothing near enough ties, over however many others, never come into one group: what lies below the threshold
is dropped for good (`average`). So the faces of one component of the graph without what lies below are linked without
those of the others, and the groups are the same. Which edges lie below is told by vectors of 16 bits, whose greatest
error is known: an edge that may lie above is retained, and `average` decides with full precision.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from classface_assets.core.arrays import connected_components, release_freed_memory
from classface_assets.identity.clustering.linkage.average import EDGES_AT_ONCE, average_linkage, edge_keys
from classface_assets.identity.clustering.linkage.rule import LinkageRule
from classface_assets.identity.clustering.shared_neighbours import SharedNeighbours
from classface_assets.identity.constraints.conflicts import must_link_groups
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.similarity.rows import SelectedRows
from classface_assets.identity.similarity.short import ShortVectors
from classface_assets.identity.similarity.space import SimilarityModel, row_slices

MIN_PART_FACES = 8_192
"""Faces that are linked at a time, at least."""
MAX_PARTS = 16
"""Parts that very many faces are linked in, if no component is larger than a part: each costs a look at all edges."""


def average_linkage_in_parts(
    inputs: ClusteringInput,
    model: SimilarityModel,
    shared: SharedNeighbours,
    rule: LinkageRule,
    part_faces: int = MIN_PART_FACES,
) -> np.ndarray:
    """What `average_linkage` finds in the space that a model and shared neighbours make.

    Args:
        inputs: The faces, their graph and constraints.
        model: What the faces are compared by.
        shared: What shared neighbours add to that.
        rule: What two groups need to join.
        part_faces: Faces that are linked at a time, at least.

    Returns:
        (n,) int64, the lowest row of each face's group.
    """
    if len(inputs) <= part_faces:
        space = shared.add(model.transform(inputs.vectors), inputs)
        return average_linkage(inputs, space, rule, consume=True)
    release_freed_memory()
    near, hub_terms = _near_edges(inputs, model, shared, rule.threshold)
    release_freed_memory()
    groups = np.arange(len(inputs))
    for rows, part in _parts(near, max(part_faces, len(inputs) // MAX_PARTS)):
        vectors = SelectedRows(inputs.vectors, rows)
        groups[rows] = rows[  # no name for the space: it is to be gone before the next one is made
            average_linkage(
                part,
                shared.add(model.transform(vectors, None if hub_terms is None else hub_terms[rows]), inputs, rows),
                rule,
                consume=True,
            )
        ]
        release_freed_memory()
    return groups


def _near_edges(
    inputs: ClusteringInput, model: SimilarityModel, shared: SharedNeighbours, threshold: float
) -> tuple[ClusteringInput, np.ndarray | None]:
    """The faces, without vectors, with the edges that may be as similar as the threshold, each pair once.

    All edges of a face that a must-link ties are among them. And the terms of hubness of all faces, (n,) float32; None
    where the space has none.
    """
    n, short, offset = len(inputs), ShortVectors(len(inputs)), 0.0
    hub_terms = np.empty(n, np.float32)
    for rows in row_slices(n):
        space = model.transform(inputs.vectors[rows])
        short.fill(rows, space.vectors)
        offset, hub_terms[rows] = space.offset, space.vectors[:, -1]
    groups = must_link_groups(inputs)
    several = np.bincount(groups, minlength=n)[groups] > 1
    least = threshold - offset - short.error - shared.most
    keys, found = edge_keys(inputs.pairs, n), [(np.empty((0, 2), inputs.pairs.dtype), np.empty(0, np.float32))]
    for start in range(0, len(keys), EDGES_AT_ONCE):
        a, b = np.divmod(keys[start : start + EDGES_AT_ONCE], n)
        similarity = short.products(a, b)
        reached = (similarity >= least) | several[a] | several[b]
        near = np.column_stack([a[reached], b[reached]]).astype(inputs.pairs.dtype)
        found.append((near, similarity[reached]))
    pairs, similarities = (np.concatenate(column) for column in zip(*found, strict=True))
    faces = replace(inputs, sample=inputs.vectors[:0], pairs=pairs, similarities=similarities).without_vectors()
    return faces, hub_terms if model.has_hub_terms else None


def _parts(inputs: ClusteringInput, part_faces: int) -> Iterator[tuple[np.ndarray, ClusteringInput]]:
    """Rows, ascending, of whole components together, and their input; faces without edges are in none.

    A must-link counts as an edge.
    """
    component = connected_components(len(inputs), np.concatenate([inputs.pairs, inputs.must_link]))
    size = np.bincount(component, minlength=len(inputs))
    size[size == 1] = 0
    number = (np.cumsum(size) - 1) // part_faces
    part = np.where(size[component] > 0, number[component], -1)
    of_edge = part[inputs.pairs[:, 0]]
    for each in np.unique(part[part >= 0]):
        yield (rows := np.flatnonzero(part == each)), inputs.with_edges(of_edge == each).subset(rows)
