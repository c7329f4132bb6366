"""How the faces of an archive are to be compared, measured on these faces themselves."""

import numpy as np

from classface_assets.identity.clustering.average_linkage import average_linkage_in
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import stable_order, stable_sample, vector_hashes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity, fitting_settings
from classface_assets.identity.similarity.whitening import MAX_FACES_PER_PERSON, fit_similarity

MAX_FITTING_FACES = 20_000
"""With more faces than these, a part tells how the faces of one person differ."""


def fit_archive_similarity(material: ClusteringInput, settings: AssignmentSettings) -> FittedSimilarity:
    """How these faces are to be compared: what all have in common counts less, and so does what differs within people.

    The latter is what a first linkage, of a part of a large archive, finds in the space that knows only of the former.
    """
    sample = stable_sample(material.vectors) if material.sample is None else material.sample
    how = settings.cluster_threshold, settings.whitened_gain, settings.whitened_share
    blind, part = fit_similarity(sample, *how), _fitting_sample(material)
    within = _within_person_differences(part, average_linkage_in(part, settings, blind.space(part.vectors)))
    return FittedSimilarity(
        blind, fit_similarity(sample, *how, within), fitting_settings(settings), vector_hashes(sample)
    )


def _fitting_sample(material: ClusteringInput) -> ClusteringInput:
    """The material, or of a large one about 2,000 faces and whom the graph has near them."""
    if len(material) <= MAX_FITTING_FACES:
        return material
    chosen = np.zeros(len(material), bool)
    chosen[stable_order(material.vectors)[:2000]] = True
    chosen[material.pairs[chosen[material.pairs[:, 0]], 1]] = True
    return material.subset(chosen)


def _within_person_differences(material: ClusteringInput, of: np.ndarray) -> np.ndarray:
    """How the faces differ from the mean of their group, (r, d); large groups count no more than five faces."""
    size = np.bincount(of, minlength=len(of))
    order = np.argsort(of, kind="stable")
    order = order[size[of[order]] > 1]
    first = np.flatnonzero(np.diff(of[order], prepend=-1))
    if not len(first):
        return np.empty((0, material.vectors.shape[1]), np.float32)
    sizes = size[of[order[first]]]
    means = np.add.reduceat(material.vectors[order], first, axis=0) / sizes[:, None]
    weight = np.sqrt(np.minimum(1.0, MAX_FACES_PER_PERSON / sizes))
    found = (material.vectors[order] - np.repeat(means, sizes, axis=0)) * np.repeat(weight, sizes)[:, None]
    return found.astype(np.float32)
