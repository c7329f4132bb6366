"""Average linkage of very many faces in parts, so that the vectors that they are compared in are made for a part only.

Faces that nothing near enough ties, over however many others, never come into one group: what lies below the threshold
is dropped for good (`average`). So the faces of one component of the graph without what lies below are linked without
those of the others, and the groups are the same. Which edges lie below is told by vectors of 16 bits, whose greatest
error is known: an edge that may lie above is retained, and `average` decides with full precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

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
SHORT_COLUMNS = 192
"""Numbers of each vector, at most, by which edges are told at a time."""
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
    n, keys = len(inputs), edge_keys(inputs.pairs, len(inputs))
    estimated, hub_terms = _estimated_similarities(inputs, model, keys)
    groups = must_link_groups(inputs)
    several = np.bincount(groups, minlength=n)[groups] > 1
    reached = estimated.products >= threshold - estimated.offset - estimated.error - shared.most
    for edges in _edge_slices(len(keys)):
        a, b = np.divmod(keys[edges], n)
        reached[edges] |= several[a] | several[b]
    keys, similarities = keys[reached], estimated.products[reached]
    pairs = np.empty((len(keys), 2), inputs.pairs.dtype)
    for edges in _edge_slices(len(keys)):
        pairs[edges, 0], pairs[edges, 1] = np.divmod(keys[edges], n)
    faces = replace(inputs, sample=inputs.vectors[:0], pairs=pairs, similarities=similarities).without_vectors()
    return faces, hub_terms if model.has_hub_terms else None


@dataclass(frozen=True)
class _Estimated:
    """The similarities of m edges, without shared neighbours."""

    products: np.ndarray
    """(m,) float32, without the offset."""
    offset: float
    error: float
    """By how much a product may be off."""


def _estimated_similarities(
    inputs: ClusteringInput, model: SimilarityModel, keys: np.ndarray
) -> tuple[_Estimated, np.ndarray]:
    """The similarities of edges, (m,) keys of `edge_keys`, and the last number of each face's vector, (n,) float32.

    The vectors are made once for each few hundred of their numbers: all numbers of all faces would take twice the room.
    """
    n, width = len(inputs), model.transform(inputs.vectors[:1]).vectors.shape[1]
    products, last, offset, error = np.zeros(len(keys), np.float32), np.empty(n, np.float32), 0.0, 0.0
    terms = inputs.similarity.terms if inputs.similarity is not None and inputs.similarity.model is model else None
    is_known = terms is not None and model.has_hub_terms
    if terms is not None and is_known:
        last = terms.hub_terms(model, inputs.vectors)
    for columns in _column_slices(width):
        release_freed_memory()
        short = ShortVectors(n)
        for rows in row_slices(n):
            space = model.transform(inputs.vectors[rows], last[rows] if is_known or columns.start > 0 else None)
            short.fill(rows, space.vectors[:, columns])
            offset, last[rows] = space.offset, space.vectors[:, -1]
        for edges in _edge_slices(len(keys)):
            products[edges] += short.products(*np.divmod(keys[edges], n))
        error += short.error
        del short  # before those of the next numbers are made
    return _Estimated(products, offset, error), last


def _column_slices(width: int) -> list[slice]:
    """Slices of about as many numbers each, at most SHORT_COLUMNS."""
    size = -(-width // -(-width // SHORT_COLUMNS))
    return [slice(start, start + size) for start in range(0, width, size)]


def _edge_slices(count: int) -> list[slice]:
    """Slices of EDGES_AT_ONCE edges each."""
    return [slice(start, start + EDGES_AT_ONCE) for start in range(0, count, EDGES_AT_ONCE)]


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
