"""Fitting the similarity model of an archive to its own faces."""

import numpy as np

from classface_assets.identity.clustering.average_linkage import average_linkage_in
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import stable_order, stable_sample, vector_hashes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity, fitting_settings
from classface_assets.identity.similarity.whitening import MAX_FACES_PER_PERSON, fit_similarity

MAX_FITTING_FACES = 20_000
"""Of more faces, a part shows how the faces of one person differ."""
SEED_FACES = 2_000
"""Faces of that part whose neighbours belong to it too."""


def fit_archive_similarity(inputs: ClusteringInput, settings: AssignmentSettings) -> FittedSimilarity:
    """How these faces are to be compared: what all have in common counts less, and so does what differs within people.

    The latter is what a first linkage, of a part of a large archive, finds in the space that knows only of the former.
    """
    sample = stable_sample(inputs.vectors) if inputs.sample is None else inputs.sample
    arguments = settings.cluster_threshold, settings.whitened_gain, settings.whitened_share
    preliminary, part = fit_similarity(sample, *arguments), _fitting_sample(inputs)
    groups = average_linkage_in(part, settings, preliminary.transform(part.vectors))
    refined = fit_similarity(sample, *arguments, _within_person_differences(part, groups))
    return FittedSimilarity(
        preliminary=preliminary,
        refined=refined,
        settings=fitting_settings(settings),
        sample_hashes=vector_hashes(sample),
    )


def _fitting_sample(inputs: ClusteringInput) -> ClusteringInput:
    """The faces, or of many about SEED_FACES and their neighbours in the graph."""
    if len(inputs) <= MAX_FITTING_FACES:
        return inputs
    chosen = np.zeros(len(inputs), bool)
    chosen[stable_order(inputs.vectors)[:SEED_FACES]] = True
    chosen[inputs.pairs[chosen[inputs.pairs[:, 0]], 1]] = True
    return inputs.subset(chosen)


def _within_person_differences(inputs: ClusteringInput, groups: np.ndarray) -> np.ndarray:
    """How faces differ from the mean of their group, (r, d); a group counts for MAX_FACES_PER_PERSON at most."""
    size = np.bincount(groups, minlength=len(groups))
    order = np.argsort(groups, kind="stable")
    order = order[size[groups[order]] > 1]
    first = np.flatnonzero(np.diff(groups[order], prepend=-1))
    if not len(first):
        return np.empty((0, inputs.vectors.shape[1]), np.float32)
    sizes = size[groups[order[first]]]
    means = np.add.reduceat(inputs.vectors[order], first, axis=0) / sizes[:, None]
    weight = np.sqrt(np.minimum(1.0, MAX_FACES_PER_PERSON / sizes))
    found = (inputs.vectors[order] - np.repeat(means, sizes, axis=0)) * np.repeat(weight, sizes)[:, None]
    return found.astype(np.float32)
