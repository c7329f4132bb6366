"""Fits how faces are compared to a sample of an archive's faces and to provisional groups of them.

What all faces have in common is subtracted (centring), the direction of age taken off (`ageing`), and the directions
in which the faces of one person differ weakened (within-class covariance normalisation: Hatch, Kajarekar and Stolcke
2006). A small archive says nothing about faces in general, and there the plain cosine is used.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.arrays import chunks_by_size, l2_normalize
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.ageing import AgeingDirection
from classface_assets.identity.similarity.hubness import COHORT_SIZE, hubness
from classface_assets.identity.similarity.rows import CentredVectors, VectorRows
from classface_assets.identity.similarity.space import BLOCK_ROWS, AffineTransform, SimilarityModel, StrangerCohort

PART_ROWS = 1_000
"""Faces that are compared with all others, or scaled, at a time."""
MAX_PAIRED_FACES = 2_000
"""Faces of a sample whose similarities with one another are compared."""
WITHIN_PERSON_SHRINKAGE = 1.0
"""Added to each direction's variance within people, in units of their mean, twice that where as many differences as
dimensions are known: no direction is blown up for having next to none."""
MAX_FACES_PER_PERSON = 5
"""A person counts for no more faces than this: who is in every photo is not what all faces have in common."""
MIN_PEOPLE = 30
"""A sample of no more people than this shows nothing about faces in general."""
PEOPLE_PER_DIMENSION = 1.5
"""With this many people for each dimension the normalised similarity has its full share; less in between."""


@dataclass(frozen=True)
class SampleStatistics:
    """What a sample shows before anything is known of who is who."""

    sample: np.ndarray
    """(s, d) float32 of unit length."""
    mean: np.ndarray
    """(d,) float32, each person counting for few faces."""
    share: float
    """Share of the normalised similarity that the number of people allows."""
    spread: float
    """Of the plain cosine among strangers."""

    @staticmethod
    def of(sample: np.ndarray, settings: AssignmentSettings) -> "SampleStatistics":
        """The statistics of a sample, (s, d); people are counted as sets of faces above the plain cosine of one."""
        size = sample.shape[1] if sample.ndim == 2 else 0
        if len(sample) < 2:
            return SampleStatistics(sample, np.zeros(size, np.float32), 0.0, 0.0)
        counts = [(part @ sample.T >= settings.cluster_reference).sum(axis=1) for part in _row_parts(sample)]
        similar = np.maximum(np.concatenate(counts), 1)
        people, enough = float((1.0 / similar).sum()), max(PEOPLE_PER_DIMENSION * size, MIN_PEOPLE + 1)
        share = settings.whitened_share * min(1.0, max(0.0, (people - MIN_PEOPLE) / (enough - MIN_PEOPLE)))
        mean = np.average(sample, axis=0, weights=np.minimum(1.0, MAX_FACES_PER_PERSON / similar))
        paired = sample[:MAX_PAIRED_FACES]
        return SampleStatistics(sample, mean.astype(np.float32), share, _median_and_spread(paired @ paired.T)[1])

    def centred(self, vectors: VectorRows) -> CentredVectors:
        """Vectors (n, d) float32 without the mean."""
        return CentredVectors(vectors, self.mean)

    def model(
        self, matrix: np.ndarray, settings: AssignmentSettings, representatives: np.ndarray | None = None
    ) -> SimilarityModel:
        """The model with a linear map, on the scale of the plain cosine.

        At the reference similarity of the settings faces are `cluster_spreads` spreads more similar than strangers.

        Args:
            matrix: (d, d) float32, what centred vectors are multiplied by.
            settings: Reference, spreads and gain.
            representatives: (r, d) vectors of one face a person, from which hubness is measured; None: it is not.
        """
        normalisation = AffineTransform(self.mean, matrix)
        compared = normalisation(self.sample[:MAX_PAIRED_FACES])
        median, spread = _median_and_spread(compared @ compared.T)
        slope = settings.whitened_gain * self.spread / max(spread, 1e-6)
        at_reference = slope * (median + settings.cluster_spreads * spread)
        cohort = None
        if representatives is not None:
            strangers = normalisation(representatives[:COHORT_SIZE])
            cohort = StrangerCohort(strangers, float(hubness(compared, strangers).mean()))
        return SimilarityModel(
            normalisation=normalisation,
            share=float(self.share),
            slope=float(slope),
            offset=float(self.share * (settings.cluster_reference - at_reference)),
            spread=float(settings.whitened_gain * self.spread),
            cohort=cohort,
        )


def refined_matrix(ageing: AgeingDirection, centred: VectorRows, groups: np.ndarray) -> np.ndarray:
    """The linear map that takes the direction of age off and weakens what differs within people.

    Args:
        ageing: The direction.
        centred: (n, d) of unit length.
        groups: (n,) int64, the group of each of these faces.

    Returns:
        (d, d) float32.
    """
    removal = ageing.removal()
    scatter, differences = within_person_scatter(centred, groups, removal)
    if not differences:
        return removal
    variance, directions = np.linalg.eigh(scatter)
    variance = np.maximum(variance, 0) / max(float(variance.mean()), 1e-12)
    shrinkage = WITHIN_PERSON_SHRINKAGE * (1 + len(variance) / differences)
    return (removal @ (directions / np.sqrt(variance + shrinkage))).astype(np.float32)


def within_person_scatter(
    vectors: VectorRows, groups: np.ndarray, matrix: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """How faces differ from the mean of their group: the sum of outer products, and the number of faces in it.

    Some groups at a time, for all at once would need the room of the vectors several times over.

    Args:
        vectors: (n, d) of unit length.
        groups: (n,) int64; a group counts for MAX_FACES_PER_PERSON at most.
        matrix: (d, d) float32, what the vectors are multiplied by before, and are of unit length again; None: nothing.

    Returns:
        (d, d) float64, and how many faces are not alone.
    """
    scatter = np.zeros((vectors.shape[1], vectors.shape[1]))
    size = np.bincount(groups, minlength=len(groups))
    order = np.argsort(groups, kind="stable")
    order = order[size[groups[order]] > 1]
    first = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = size[groups[order[first]]]
    weight = np.sqrt(np.minimum(1.0, MAX_FACES_PER_PERSON / np.maximum(sizes, 1)))
    for chunk in chunks_by_size(sizes, BLOCK_ROWS):
        start = first[chunk.start]
        some = vectors[order[start : start + sizes[chunk].sum()]]
        if matrix is not None:
            some = some @ matrix
            for part in _row_parts(some):
                part[:] = l2_normalize(part)
        means = np.add.reduceat(some, first[chunk] - start, axis=0) / sizes[chunk, None]
        group = np.repeat(np.arange(len(means)), sizes[chunk])
        found = np.empty(some.shape)
        for row in range(0, len(some), PART_ROWS):
            rows = slice(row, row + PART_ROWS)
            of = group[rows]
            found[rows] = ((some[rows] - means[of]) * weight[chunk][of, None]).astype(np.float32)
        scatter += found.T @ found
    return scatter, len(order)


def _row_parts(vectors: np.ndarray) -> list[np.ndarray]:
    """Views of PART_ROWS rows each."""
    return [vectors[start : start + PART_ROWS] for start in range(0, len(vectors), PART_ROWS)]


def _median_and_spread(similarities: np.ndarray) -> tuple[float, float]:
    """Median over all pairs of (s, s), and the distance from it down to the lowest sixth.

    That distance is the standard deviation among strangers, if they are normal, whatever the pairs of one person do at
    the upper end.
    """
    n = min(len(similarities), MAX_PAIRED_FACES)
    every = similarities[:n, :n][~np.tri(n, dtype=bool)]
    low, median = np.quantile(every, [0.159, 0.5])
    return float(median), float(median - low)
