"""What a residual head starts from: a linear projection that labels and unlabelled clusters give without training.

Directions in which the faces of one person differ count less (within-class covariance normalisation: Hatch, Kajarekar,
Stolcke 2006). The direction in which faces change as people grow is left to the archive's similarity model, which is
fitted to the vectors of a head too: taken off twice, with other directions weakened in between, ageing people were
found worse (BCubed F -.01 at a fifth of the people labelled, +.005 so).
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import l2_normalize
from classface_assets.identity.projection.training_faces import (
    TrainingFaces,
    UnlabelledClusters,
    training_faces,
)

MAX_FACES_PER_GROUP = 5
"""A person or cluster counts for no more faces than this."""
UNLABELLED_SHRINKAGE = 1.0
"""Of the projection that clusters give without labels."""
MIN_SPANS = 10
"""People or clusters of two or more years that the direction of age takes."""


@dataclass(frozen=True)
class ClosedForm:
    """A linear projection: subtract a mean, multiply by a matrix."""

    mean: np.ndarray
    """(d,) float32."""
    matrix: np.ndarray
    """(d, d) float32."""


def closed_form(
    faces: TrainingFaces, clusters: UnlabelledClusters, shrinkage: float, without_age: bool = False
) -> ClosedForm:
    """Fit the projection to labelled people and to clusters of unlabelled faces.

    Args:
        faces: The labelled faces that train.
        clusters: Of other faces.
        shrinkage: Added to the variance of each direction within people, in units of their mean: infinity leaves all
            directions as they are.
        without_age: Whether the direction of age is taken off.
    """
    size = faces.vectors.shape[1]
    everything = np.vstack([faces.vectors, clusters.vectors]) if len(clusters) else faces.vectors
    groups = np.concatenate([faces.people, clusters.clusters + faces.count])
    years = np.concatenate([faces.years, clusters.years])
    mean = everything.mean(axis=0, dtype=np.float64)
    centred = l2_normalize(everything - mean)
    differences, weights, gaps = _differences(centred, groups, years)
    spanning = len(np.unique(groups[np.nonzero(gaps)[0]])) if without_age else 0
    age = l2_normalize((differences * (weights * gaps)[:, None]).sum(axis=0)) if spanning >= MIN_SPANS else None
    keep = np.eye(size) if age is None else np.eye(size) - np.outer(age, age)
    within = differences * np.sqrt(weights)[:, None] @ keep
    matrix = keep @ _whitening(within.T @ within, shrinkage)
    return ClosedForm(mean.astype(np.float32), matrix.astype(np.float32))


def as_compared(vectors: np.ndarray, clusters: UnlabelledClusters) -> np.ndarray:
    """Vectors as an archive compares them: with what its unlabelled clusters show taken off.

    This stands for the archive's similarity model (`similarity.fitting`), which is fitted without labels to whatever
    vectors are in use, those of a head too.

    Args:
        vectors: (n, d) float32 of unit length.
        clusters: Their vectors are of the same space; where there are none, vectors are compared as they are.
    """
    if not len(clusters):
        return vectors
    nobody = training_faces(np.empty((0, vectors.shape[1]), np.float32), [])
    start = closed_form(nobody, clusters, UNLABELLED_SHRINKAGE, without_age=True)
    found: np.ndarray = l2_normalize((vectors - start.mean) @ start.matrix).astype(np.float32)
    return found


def _differences(vectors: np.ndarray, groups: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each face: how it differs from the mean of its group (n, d), its weight (n,), years from that mean (n,)."""
    number, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, number, vectors)
    means /= counts[:, None]
    known = np.isfinite(years)
    dated = np.maximum(np.bincount(number, weights=known, minlength=len(counts)), 1)
    middle = np.bincount(number, weights=np.where(known, years, 0.0), minlength=len(counts)) / dated
    gaps = np.where(known, years - middle[number], 0.0)
    return vectors - means[number], np.minimum(1.0, MAX_FACES_PER_GROUP / counts)[number], gaps


def _whitening(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    """The symmetric matrix (d, d) after which directions of great variance count less, of a spectral norm of 1."""
    variance, directions = np.linalg.eigh(covariance)
    variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
    scale = np.sqrt(shrinkage / (variance + shrinkage))
    return (directions * scale) @ directions.T
