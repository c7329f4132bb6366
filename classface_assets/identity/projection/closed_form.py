"""What a residual head starts from: a linear projection that labels and unlabelled clusters give without training.

Directions in which the faces of one person differ count less (within-class covariance normalisation: Hatch, Kajarekar,
Stolcke 2006). The direction in which faces change as people grow is left to the archive's similarity model, which is
fitted to the vectors of a head too: taken off twice, with other directions weakened in between, ageing people were
found worse (BCubed F -.01 at a fifth of the people labelled, +.005 so).
"""

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.projection.training_faces import TrainingFaces, UnlabelledClusters
from classface_assets.identity.similarity.ageing import learn_ageing_direction
from classface_assets.identity.similarity.fitting import refined_matrix, within_person_scatter
from classface_assets.identity.similarity.space import AffineTransform


def closed_form(faces: TrainingFaces, clusters: UnlabelledClusters, shrinkage: float) -> AffineTransform:
    """Fit the projection to labelled people and to clusters of unlabelled faces.

    Args:
        faces: The labelled faces that train.
        clusters: Of other faces.
        shrinkage: Added to the variance of each direction within people, in units of their mean: infinity leaves all
            directions as they are.

    Returns:
        A mean, and a symmetric matrix of a spectral norm of at most 1.
    """
    everything = np.vstack([faces.vectors, clusters.vectors]) if len(clusters) else faces.vectors
    groups = _numbered(np.concatenate([faces.people, clusters.clusters + faces.count]))
    mean = everything.mean(axis=0, dtype=np.float64).astype(np.float32)
    scatter, differences = within_person_scatter(l2_normalize(everything - mean), groups)
    if not differences:
        return AffineTransform(mean, np.eye(everything.shape[1], dtype=np.float32))
    variance, directions = np.linalg.eigh(scatter)
    variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
    scale = np.sqrt(shrinkage / (variance + shrinkage))
    return AffineTransform(mean, ((directions * scale) @ directions.T).astype(np.float32))


def as_compared(vectors: np.ndarray, clusters: UnlabelledClusters) -> np.ndarray:
    """Vectors as an archive compares them: with what its unlabelled clusters show taken off.

    This is the map of the archive's similarity model (`similarity.fitting`), fitted in one round to given clusters; how
    much an archive of few people trusts it, its scale and hubness are left out.

    Args:
        vectors: (n, d) float32 of unit length.
        clusters: Their vectors are of the same space; where there are none, vectors are compared as they are.
    """
    if not len(clusters):
        return vectors
    mean = clusters.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred, groups = l2_normalize(clusters.vectors - mean), _numbered(clusters.clusters)
    ageing = learn_ageing_direction(centred, clusters.years, groups)
    return AffineTransform(mean, refined_matrix(ageing, centred, groups))(vectors)


def _numbered(groups: np.ndarray) -> np.ndarray:
    """The same groups, numbered from 0."""
    number: np.ndarray = np.unique(groups, return_inverse=True)[1]
    return number
