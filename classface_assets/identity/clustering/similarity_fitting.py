"""Fitting the similarity model of an archive to its own faces: group, learn from the groups, group again."""

from dataclasses import replace

import numpy as np

from classface_assets.core.arrays import release_freed_memory
from classface_assets.identity.clustering.linkage.average import average_linkage
from classface_assets.identity.clustering.linkage.rule import LinkageRule
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.sampling import stable_order, stable_sample, vector_hashes
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.ageing import AgeingDirection, AgeingStatus, learn_ageing_direction
from classface_assets.identity.similarity.fitting import SampleStatistics, refined_matrix
from classface_assets.identity.similarity.hubness import COHORT_SIZE
from classface_assets.identity.similarity.model import FittedSimilarity, fitting_settings
from classface_assets.identity.similarity.probability import fit_match_calibration
from classface_assets.identity.similarity.rows import SelectedRows, VectorRows
from classface_assets.identity.similarity.space import ProjectedRows, SimilarityModel
from classface_assets.identity.similarity.year_decay import YearDecay

MAX_FITTING_FACES = 20_000
"""Of more faces, a part shows how the faces of one person differ."""
SEED_FACES = 2_000
"""Faces of that part whose neighbours belong to it too."""
STRICTER_SPREADS = 0.9
"""Spreads of strangers' similarities by which provisional groups are stricter than clusters."""
MAX_ROUNDS = 4
"""Rounds of grouping and learning; two or three are usual."""
SETTLED_COSINE = 0.999
"""The direction of age is settled when it agrees with that of the round before."""


def fit_archive_similarity(inputs: ClusteringInput, settings: AssignmentSettings) -> FittedSimilarity:
    """How these faces are to be compared, learned from the archive itself without any label.

    A strict linkage gives provisional groups; from their faces of different years comes the direction of age, from
    all their faces what differs within people; and with both the groups are found again, until they agree.
    """
    sample = stable_sample(inputs.vectors) if inputs.sample is None else inputs.sample
    statistics = SampleStatistics.of(sample, settings)
    model, ageing = SimilarityModel(), AgeingDirection.absent(inputs.vectors.shape[1], AgeingStatus.TOO_FEW_PEOPLE)
    calibration = None
    if statistics.share > 0:
        part, vectors = _fitting_sample(replace(inputs, sample=sample))
        del inputs  # with all edges of the archive, where the caller has no use for them
        release_freed_memory()
        model, ageing, groups = _refine(statistics, part, vectors, settings)
        calibration = fit_match_calibration(ProjectedRows(model, vectors), part.years, groups)
    return FittedSimilarity(
        model=model,
        ageing=ageing,
        settings=fitting_settings(settings),
        sample_hashes=vector_hashes(sample),
        calibration=calibration,
    )


def _refine(
    statistics: SampleStatistics, part: ClusteringInput, vectors: VectorRows, settings: AssignmentSettings
) -> tuple[SimilarityModel, AgeingDirection, np.ndarray]:
    """The model after rounds of grouping and learning, the direction of age in it, and the groups, (n,) int64."""
    size = vectors.shape[1]
    model, ageing = statistics.model(np.eye(size, dtype=np.float32), settings), None
    groups = np.arange(len(part))
    for _ in range(MAX_ROUNDS):
        strict = LinkageRule(
            threshold=settings.cluster_reference + STRICTER_SPREADS * model.spread,
            decay=YearDecay(settings.cluster_year_decay, 0.0),
        )
        groups = average_linkage(part, model.transform(vectors), strict, consume=True)
        centred = statistics.centred(vectors)
        learned = learn_ageing_direction(centred, part.years, groups)
        representatives = vectors[np.unique(groups)[:COHORT_SIZE]]
        model = statistics.model(refined_matrix(learned, centred, groups), settings, representatives)
        release_freed_memory()
        settled = ageing is not None and learned.agrees_with(ageing, SETTLED_COSINE)
        ageing = learned
        if settled:
            break
    assert ageing is not None
    return model, ageing, groups


def _fitting_sample(inputs: ClusteringInput) -> tuple[ClusteringInput, VectorRows]:
    """The faces, or of many about SEED_FACES and their neighbours in the graph: without vectors, and their vectors."""
    if len(inputs) <= MAX_FITTING_FACES:
        return inputs, inputs.vectors
    chosen = np.zeros(len(inputs), bool)
    chosen[stable_order(inputs.vectors)[:SEED_FACES]] = True
    chosen[inputs.pairs[chosen[inputs.pairs[:, 0]], 1]] = True
    return inputs.without_vectors().subset(chosen), SelectedRows(inputs.vectors, np.flatnonzero(chosen))
