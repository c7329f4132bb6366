"""The threshold curve: precision against recall as a method becomes stricter, and its plot."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.identity.clustering.methods import cluster, with_fitted_similarity
from classface_assets.identity.evaluation.metrics import PrecisionRecall, bcubed, precision_recall
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings

MAX_FACES = 20_000
"""Greatest number of faces that are clustered, again for each point of the curve."""
CURVE_STEPS = 8
"""Points on either side of the threshold in use."""


def shift_threshold(settings: AssignmentSettings, by: float) -> AssignmentSettings:
    """The settings with the threshold of their method stricter by this much similarity."""
    if settings.method in ("dbscan", "agglomerative"):
        return replace(settings, eps=settings.eps - by)
    stricter = {"cluster_threshold": settings.cluster_threshold + by}
    if settings.method == "temporal":
        stricter["attach_threshold"] = settings.attach_threshold + by
    return replace(settings, **stricter)  # type: ignore[arg-type]


def joining_threshold(settings: AssignmentSettings) -> float:
    """The similarity at which the method of the settings joins."""
    return 1.0 - settings.eps if settings.method in ("dbscan", "agglomerative") else settings.cluster_threshold


def threshold_shifts(vectors: np.ndarray, people: np.ndarray, limit: int = 1500) -> np.ndarray:
    """Shifts of the threshold to try, from looser to stricter.

    Steps of a fortieth of the distance between the median similarity of two faces of a person and that of two people,
    as that depends on the embedder.

    Args:
        vectors: (n, d) float32 of unit length.
        people: (n,) int64, negative where unknown.
        limit: Greatest number of known faces that are compared.
    """
    known = np.flatnonzero(people >= 0)
    rows = evenly_spaced(known, limit)
    upper = np.triu_indices(len(rows), 1)
    similarities = (vectors[rows] @ vectors[rows].T)[upper]
    same = people[rows][upper[0]] == people[rows][upper[1]]
    spread = (
        float(np.median(similarities[same]) - np.median(similarities[~same])) if same.any() and not same.all() else 0.0
    )
    return np.arange(-CURVE_STEPS, CURVE_STEPS + 1) * max(spread, 0.02) / 40


def subsample(inputs: ClusteringInput, people: np.ndarray, most: int = MAX_FACES) -> tuple[ClusteringInput, np.ndarray]:
    """The known faces with as many of the others as make `most`, evenly chosen; all where there are no more."""
    if len(inputs) <= most:
        return inputs, people
    known, others = np.flatnonzero(people >= 0), np.flatnonzero(people < 0)
    room = max(0, most - len(known))
    rows = np.unique(np.concatenate([evenly_spaced(known, most), evenly_spaced(others, room)]))
    return inputs.subset(rows), people[rows]


def cluster_at_shifts(inputs: ClusteringInput, settings: AssignmentSettings, by: Iterable[float]) -> list[np.ndarray]:
    """The clusters at each shift of the threshold, (n,) int64 each, a face without one in a cluster of its own."""
    inputs = with_fitted_similarity(inputs, settings)
    every = (cluster(inputs, shift_threshold(settings, float(step))) for step in by)
    return [np.where(labels < 0, -1 - np.arange(len(labels)), labels) for labels in every]


def bcubed_with_lower_bound(
    labels: np.ndarray, people: np.ndarray, among: np.ndarray, strangers: float = 1.0
) -> tuple[PrecisionRecall, float]:
    """BCubed of some faces, and a lower bound of the precision at a confidence of 95 % (one-sided).

    Each face of another person in a cluster counts for `strangers`: of those that are wrongly there only the ones whose
    person is known are seen. Where few are known the rest must be reckoned with, or every threshold looks better than
    it is, the loose ones most. The bound follows from how much the precision differs between people.

    Args:
        labels: (n,) int64, the cluster of each face.
        people: (n,) int64, negative where unknown.
        among: (n,) bool, the faces that are scored.
        strangers: Faces of the archive that each known face of another person counts for.
    """
    truth, found = people[among].tolist(), labels[among].tolist()
    recall, clusters = bcubed(truth, found).recall, Counter(found)
    of_person: dict[int, list[float]] = defaultdict(list)
    for (person, number), n in Counter(zip(truth, found, strict=True)).items():
        of_person[person] += [n / (n + strangers * (clusters[number] - n))] * n
    precision = sum(map(sum, of_person.values())) / max(1, len(truth))
    error = np.sqrt(sum((sum(own) - precision * len(own)) ** 2 for own in of_person.values())) / max(1, len(truth))
    return precision_recall(precision, recall), float(precision - 1.64 * error)


def threshold_curve(
    inputs: ClusteringInput, people: np.ndarray, settings: AssignmentSettings, strangers: float = 1.0
) -> pl.DataFrame:
    """BCubed of the known faces at thresholds around the one in use.

    Args:
        inputs: The faces, their graph and constraints.
        people: (n,) int64, negative where unknown: those faces are clustered too, and not scored.
        settings: The method and threshold in use.
        strangers: As for `bcubed_with_lower_bound`.

    Returns:
        threshold, precision, recall, f.
    """
    inputs, people = subsample(inputs, people)
    by = threshold_shifts(inputs.vectors, people)
    scores = [
        bcubed_with_lower_bound(labels, people, people >= 0, strangers)[0]
        for labels in cluster_at_shifts(inputs, settings, by)
    ]
    rows = [
        (joining_threshold(shift_threshold(settings, float(b))), s.precision, s.recall, s.f)
        for b, s in zip(by, scores, strict=True)
    ]
    return pl.DataFrame(rows, schema=["threshold", "precision", "recall", "f"], orient="row")


def draw_curve(curve: pl.DataFrame, in_use: float, title: str) -> bytes:
    """The curve as a PNG picture, with the threshold in use marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, style in (("precision", "--"), ("recall", ":"), ("f", "-")):
        axes.plot(curve["threshold"], curve[name], style, label="F" if name == "f" else name, marker=".")
    axes.axvline(in_use, color="grey", linewidth=1, label=f"in use: {in_use:.3f}")
    axes.set(xlabel="least similarity (looser to stricter)", ylabel="BCubed", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    content = BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()
