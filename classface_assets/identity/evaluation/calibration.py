"""Calibration: fitting the thresholds of an archive to the labels of its people.

The labelled people are split in two by name. The threshold that is best on one half is measured on the other, and the
other way round, so that what is reported was not chosen on the same people; what is stored is chosen on all of them.
Faces without labels are clustered along, and precision reckons with them: see `curve.bcubed_with_lower_bound` and
`report.IdentificationMetrics`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.identity.evaluation.curve import (
    bcubed_with_lower_bound,
    cluster_at_shifts,
    shift_threshold,
    subsample,
    threshold_shifts,
)
from classface_assets.identity.evaluation.holdout import TooFewLabelsError
from classface_assets.identity.evaluation.metrics import YEAR_GAPS, PrecisionRecall, precision_recall
from classface_assets.identity.evaluation.report import IdentificationMetrics
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

MIN_PRECISION, MIN_NAMING_PRECISION = 0.97, 0.98
MIN_PEOPLE, MIN_FACES = 20, 100
F_TOLERANCE = 0.002
"""Differences in F below this do not count."""
FITTED_THRESHOLDS = ("cluster_threshold", "attach_threshold", "eps", "person_threshold")
IdentificationScorer = Callable[[AssignmentSettings, int], IdentificationMetrics]
"""Metrics of held-out labelled faces with these settings; another seed holds out others."""


@dataclass(frozen=True)
class Calibration:
    """The fitted thresholds. `before` and `after` are measured on people that did not decide the threshold."""

    settings: AssignmentSettings
    """The settings in use where nothing better was found."""
    better: bool
    people: int
    faces: int
    before: PrecisionRecall
    after: PrecisionRecall
    naming_before: IdentificationMetrics
    naming_after: IdentificationMetrics
    similarities: pl.DataFrame

    def changed(self, settings: AssignmentSettings) -> dict[str, float]:
        """The fitted thresholds that differ from these settings, by name."""
        pairs = ((name, getattr(self.settings, name)) for name in FITTED_THRESHOLDS)
        return {name: round(value, 4) for name, value in pairs if value != getattr(settings, name)}


def calibrate(
    inputs: ClusteringInput, people: np.ndarray, settings: AssignmentSettings, name: IdentificationScorer
) -> Calibration:
    """The thresholds of greatest BCubed F at MIN_PRECISION, and of most faces named at MIN_NAMING_PRECISION.

    Args:
        inputs: The faces, their graph and constraints.
        people: (n,) int64, the person of each face's label, negative for none.
        settings: The settings in use.
        name: Measures naming with some labels held out.

    Raises:
        TooFewLabelsError: There are too few labels.
    """
    count = np.unique(people[people >= 0], return_counts=True)[1]
    pairs, faces = int((count >= 2).sum()), int(count[count >= 2].sum())
    if pairs < MIN_PEOPLE or faces < MIN_FACES:
        raise TooFewLabelsError(
            f"There are too few labels to fit thresholds to: {pairs} people have two labelled faces or more, {faces} "
            f"faces together; it takes {MIN_PEOPLE} people with {MIN_FACES} faces."
        )
    similarities, everybody = similarity_by_year_gap(inputs.vectors, people, inputs.years), len(inputs)
    inputs, people = subsample(inputs, people)
    by = threshold_shifts(inputs.vectors, people)
    labels, in_use = cluster_at_shifts(inputs, settings, by), len(by) // 2
    half = np.array([blake2b(str(p).encode()).digest()[0] % 2 for p in range(int(people.max()) + 1)])[people] == 0
    folds = [(people >= 0) & half, (people >= 0) & ~half]
    scores = [
        [bcubed_with_lower_bound(found, people, fold, everybody / max(1, fold.sum())) for found in labels]
        for fold in folds
    ]
    other = [scores[1 - i][best_threshold_index(scores[i], in_use)][0] for i in range(2)]
    before, after = _mean_score([s[in_use][0] for s in scores]), _mean_score(other)
    better = _beats(after, before)
    chosen = best_threshold_index(
        [bcubed_with_lower_bound(f, people, people >= 0, everybody / (people >= 0).sum()) for f in labels], in_use
    )
    fitted = shift_threshold(settings, float(by[chosen])) if better else settings
    fitted, naming_before, naming_after = _fit_person_threshold(fitted, settings, by, name)
    return Calibration(
        settings=fitted,
        better=fitted != settings,
        people=pairs,
        faces=faces,
        before=before,
        after=after if better else before,
        naming_before=naming_before,
        naming_after=naming_after,
        similarities=similarities,
    )


def best_threshold_index(scores: Sequence[tuple[PrecisionRecall, float]], in_use: int) -> int:
    """The index of the best of several scores with their lower bounds of precision.

    Of those that surely reach MIN_PRECISION it is one of about the greatest F, the nearest to the one in use; where
    none does, the most precise.
    """
    sure = [i for i, (_, least) in enumerate(scores) if least >= MIN_PRECISION]
    if not sure:
        return max(range(len(scores)), key=lambda i: (scores[i][1], scores[i][0].f))
    top = max(scores[i][0].f for i in sure)
    return min((i for i in sure if scores[i][0].f >= top - F_TOLERANCE), key=lambda i: (abs(i - in_use), -i))


def similarity_by_year_gap(
    vectors: np.ndarray, people: np.ndarray, years: np.ndarray, limit: int = 3000
) -> pl.DataFrame:
    """The similarity of two faces of a person, and of two people, by the years between the faces.

    Args:
        vectors: (n, d) float32 of unit length.
        people: (n,) int64, negative where unknown.
        years: (n,) float64 calendar years, NaN where unknown.
        limit: Greatest number of faces that are compared.
    """
    known = np.flatnonzero((people >= 0) & np.isfinite(years))
    rows = evenly_spaced(known, limit)
    upper = np.triu_indices(len(rows), 1)
    compared = (vectors[rows] @ vectors[rows].T)[upper]
    same = people[rows][upper[0]] == people[rows][upper[1]]
    gap = np.abs(years[rows][upper[0]] - years[rows][upper[1]])
    lines = []
    for low, high, name in YEAR_GAPS:
        inside = (gap >= low) & (gap <= high)
        own, strange = compared[inside & same], compared[inside & ~same]
        lines.append((name, len(own), *_quantiles(own, (0.5, 0.05)), *_quantiles(strange, (0.5, 0.99))))
    numbers = ("one person: median", "one in twenty below", "two people: median", "one in a hundred above")
    schema = {"years between": pl.String, "pairs of one person": pl.Int64, **dict.fromkeys(numbers, pl.Float64)}
    return pl.DataFrame(lines, schema=schema, orient="row")


def _fit_person_threshold(
    fitted: AssignmentSettings, settings: AssignmentSettings, by: np.ndarray, name: IdentificationScorer
) -> tuple[AssignmentSettings, IdentificationMetrics, IdentificationMetrics]:
    """The threshold of naming chosen with some labels held out, and measured with others held out."""
    tried = [replace(fitted, person_threshold=settings.person_threshold + float(step)) for step in by[::2]]
    found = [name(one, 0) for one in tried]
    precise = [i for i, n in enumerate(found) if n.precision >= MIN_NAMING_PRECISION]
    before = name(settings, 1)
    if not precise:
        return fitted, before, before
    chosen = tried[max(precise, key=lambda i: (found[i].accuracy, i))]
    after = name(chosen, 1)
    gained = after.accuracy > before.accuracy and after.precision >= MIN_NAMING_PRECISION
    if gained or (before.precision < MIN_NAMING_PRECISION and after.precision > before.precision):
        return chosen, before, after
    return fitted, before, name(fitted, 1)


def _beats(after: PrecisionRecall, before: PrecisionRecall) -> bool:
    if before.precision < MIN_PRECISION:
        return after.precision > before.precision
    return after.precision >= MIN_PRECISION and after.f > before.f


def _mean_score(scores: Sequence[PrecisionRecall]) -> PrecisionRecall:
    return precision_recall(float(np.mean([s.precision for s in scores])), float(np.mean([s.recall for s in scores])))


def _quantiles(values: np.ndarray, shares: Sequence[float]) -> list[float | None]:
    return [float(np.quantile(values, share)) if len(values) else None for share in shares]
