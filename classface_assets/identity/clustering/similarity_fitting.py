"""How the faces of an archive are to be compared, measured on these faces themselves."""

import numpy as np

from classface_assets.identity.clustering.average_linkage import linked
from classface_assets.identity.inputs import Material
from classface_assets.identity.sampling import fair_order, fair_sample, marks
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import Measured, made_with
from classface_assets.identity.similarity.whitening import FACES_OF_ONE, measure

MANY_FACES = 20_000
"""With more faces than these, a part tells how the faces of one person differ."""


def measure_archive(material: Material, settings: AssignmentSettings) -> Measured:
    """How these faces are to be compared: what all have in common counts less, and so does what differs within people.

    The latter is what a first linkage, of a part of a large archive, finds in the space that knows only of the former.
    """
    sample = fair_sample(material.vectors) if material.sample is None else material.sample
    how = settings.cluster_threshold, settings.whitened_gain, settings.whitened_share
    blind, part = measure(sample, *how), _some_people(material)
    within = _differences(part, linked(part, settings, blind.space(part.vectors)))
    return Measured(blind, measure(sample, *how, within), made_with(settings), marks(sample))


def _some_people(material: Material) -> Material:
    """The material, or of a large one about 2,000 faces and whom the graph has near them."""
    if len(material) <= MANY_FACES:
        return material
    chosen = np.zeros(len(material), bool)
    chosen[fair_order(material.vectors)[:2000]] = True
    chosen[material.pairs[chosen[material.pairs[:, 0]], 1]] = True
    return material.subset(chosen)


def _differences(material: Material, of: np.ndarray) -> np.ndarray:
    """How the faces differ from the mean of their group, (r, d); large groups count no more than five faces."""
    size = np.bincount(of, minlength=len(of))
    order = np.argsort(of, kind="stable")
    order = order[size[of[order]] > 1]
    first = np.flatnonzero(np.diff(of[order], prepend=-1))
    if not len(first):
        return np.empty((0, material.vectors.shape[1]), np.float32)
    sizes = size[of[order[first]]]
    means = np.add.reduceat(material.vectors[order], first, axis=0) / sizes[:, None]
    weight = np.sqrt(np.minimum(1.0, FACES_OF_ONE / sizes))
    found = (material.vectors[order] - np.repeat(means, sizes, axis=0)) * np.repeat(weight, sizes)[:, None]
    return found.astype(np.float32)
