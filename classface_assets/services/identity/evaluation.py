"""Evaluation and calibration on a whole archive: against a file with the ground truth, or against hidden labels.

The asset `evaluation` and the commands `evaluate` and `calibrate` use this; the metrics are in `identity.evaluation`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.core.errors import UserError
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.schemas import PhotoStatus
from classface_assets.identity.evaluation.calibration import Calibration, calibrate
from classface_assets.identity.evaluation.curve import draw_curve, joining_threshold, threshold_curve
from classface_assets.identity.evaluation.ground_truth import GroundTruthError, match_to_ground_truth, validate_truth
from classface_assets.identity.evaluation.holdout import evaluate_holdout
from classface_assets.identity.evaluation.progress import LabelledFaces, labelling_progress
from classface_assets.identity.evaluation.report import EvaluationReport, IdentificationMetrics, evaluation_report
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, unconstrained_input
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.portraits import load_portrait_vectors
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet

MAX_EVALUATED_FACES = 50_000
"""Of a larger archive this many faces are assigned again: the labelled ones, and an even sample of the others."""


MAX_PROGRESS_POINTS = 8
"""Points of an archive's history at which faces are assigned again …"""
MAX_PROGRESS_FACES = 10_000
"""… and how many: the labelled ones, and an even sample of the others."""


class NoFacesError(UserError):
    """The archive has no faces to evaluate."""


class NotIdentifiedError(UserError):
    """The faces were not clustered yet, or by a version whose tables cannot be read."""


class EvaluationContext:
    """The faces of an archive, their graph and labels, for assignments with some of the labels hidden.

    Attributes:
        faces: The faces of the archive, one row each.
        vectors: (n, d) float32 of unit length, row by row with `faces`.
        images: The files of the archive.
        published: The identities of the last run (ASSIGNMENTS).
        graph: The nearest neighbours of these faces.
        constraints: The decisions of the ledger on these faces.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
    """

    def __init__(self, archive: Archive, models: Models, most_faces: int = MAX_EVALUATED_FACES) -> None:
        layout, self._most_faces = archive.layout, most_faces
        catalog = archive.catalog(models)
        self.faces, self.vectors, self.images = catalog.faces, catalog.vectors, catalog.images
        try:
            graph = KnnGraph.from_frame(read_parquet(layout.table("knn_graph")))
            self.published = read_parquet(layout.table("identities"))
        except FileNotFoundError:
            raise NotIdentifiedError("No faces were clustered yet; `classface run` does that.") from None
        except pl.exceptions.ColumnNotFoundError:
            raise NotIdentifiedError(
                "The faces were clustered by an older version; run `classface run` again."
            ) from None
        if self.faces.is_empty():
            raise NoFacesError("There are no faces to evaluate; put photos of people into the photos folder.")
        self.graph = graph.of(self.faces["face_id"])
        decisions = archive.open_ledger().decisions()
        self.constraints: FaceConstraints = constraints_for(decisions, self.faces)
        self._portraits = load_portrait_vectors(archive, models, decisions)[0]

    def assign(self, confirmed: Mapping[str, str], settings: AssignmentSettings) -> pl.DataFrame:
        """Assign all faces when only the labels `confirmed` (face id → person id) are known.

        Of people whose labels are all hidden the portraits are hidden too. Of an archive with more than `most_faces`
        faces, a sample is assigned.

        Returns:
            ASSIGNMENTS, one row per face.
        """
        rows = self._sampled_rows
        faces, vectors = (self.faces, self.vectors) if rows is None else (self.faces[rows], self.vectors[rows])
        hidden = set(self.constraints.confirmed.values()) - set(confirmed.values())
        portraits = {person: vector for person, vector in self._portraits.items() if person not in hidden}
        labels = FaceConstraints(confirmed, collages=self.constraints.collages, portraits=portraits)
        return assign_identities(EmbeddedFaces(faces, vectors, self.graph), labels, settings).rows

    @cached_property
    def _sampled_rows(self) -> np.ndarray | None:
        """The rows (m,) that are assigned again when labels are hidden; None: all."""
        if self.faces.height <= self._most_faces:
            return None
        labelled = self.faces["face_id"].is_in(list(self.constraints.confirmed)).to_numpy()
        others = np.flatnonzero(~labelled)
        room = max(0, self._most_faces - int(labelled.sum()))
        chosen = evenly_spaced(others, room)
        return np.sort(np.concatenate([np.flatnonzero(labelled), chosen]))

    def person_numbers(self, known: Mapping[str, str]) -> np.ndarray:
        """(n,) int64: a number for the person of each face by `known` (face id → person), -1 where it is not known."""
        numbers = {person: number for number, person in enumerate(sorted(set(known.values())))}
        return np.array([numbers.get(known.get(face, ""), -1) for face in self.faces["face_id"]], np.int64)

    def unlabelled_input(self) -> ClusteringInput:
        """The clustering input of all faces as if nobody had labelled any."""
        return unconstrained_input(self.faces, self.vectors, self.graph, collages=self.constraints.collages)


@dataclass(frozen=True)
class EvaluationResult:
    """An evaluation of an archive.

    Attributes:
        source: What it was measured with, as a phrase.
        report: The scores.
        curve: Precision and recall of the clustering method by threshold.
        curve_png: The curve as a picture (PNG).
    """

    source: str
    report: EvaluationReport
    curve: pl.DataFrame
    curve_png: bytes


def read_ground_truth(file: Path, paths: Collection[str]) -> pl.DataFrame:
    """Read a CSV file that says who is where in the photos: TRUTH_COLUMNS, as text.

    Args:
        file: The file.
        paths: The paths of the archive's photos, of which some must be in the file.

    Raises:
        GroundTruthError: It cannot be read, lacks columns, or is of another archive.
    """
    try:
        return validate_truth(pl.read_csv(file, infer_schema=False), paths)
    except (GroundTruthError, OSError, pl.exceptions.PolarsError) as error:
        raise GroundTruthError(f"{file} cannot be used: {str(error).splitlines()[0].rstrip('.')}.") from None


def evaluate_archive(
    archive: Archive, models: Models, settings: AssignmentSettings, truth: Path | None
) -> EvaluationResult:
    """Evaluate the published identities with a file of the ground truth, or the settings with hidden labels.

    Args:
        archive: The archive.
        models: The model pack in use.
        settings: How faces are clustered and assigned; also of the curve.
        truth: The file with the ground truth; None: about half of the archive's labels are hidden and looked up.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
        GroundTruthError: The file cannot be used.
        TooFewLabelsError: There is no file, and too few people are labelled.
    """
    context = EvaluationContext(archive, models)
    return _evaluate_by_truth(context, settings, truth) if truth else _evaluate_by_labels(context, settings)


def measure_progress(archive: Archive, models: Models, settings: AssignmentSettings) -> pl.DataFrame:
    """How well held-out labelled faces are named with the labels of earlier days: a replay of the ledger.

    Args:
        archive: The archive.
        models: The model pack in use.
        settings: How faces are assigned.

    Returns:
        PROGRESS_COLUMNS, at most MAX_PROGRESS_POINTS rows.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
        TooFewLabelsError: Too few people are labelled.
    """
    context, events = EvaluationContext(archive, models, MAX_PROGRESS_FACES), archive.open_ledger().events()
    labelling = [event for event in events if event.kind in ("faces_labelled", "faces_confirmed")]
    history = []
    for index in evenly_spaced(np.arange(len(labelling) - 1), MAX_PROGRESS_POINTS - 1):
        event = labelling[int(index)]
        confirmed = constraints_for(replay(events, event.id), context.faces).confirmed
        history.append(LabelledFaces(f"{event.at:%Y-%m-%d}", confirmed))
    history.append(LabelledFaces("now", context.constraints.confirmed))
    return labelling_progress(history, lambda labels: context.assign(labels, settings))


def calibrate_archive(archive: Archive, models: Models, settings: AssignmentSettings) -> Calibration:
    """Fit the thresholds to the labels of an archive.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to fit to yet.
        TooFewLabelsError: Too few people are labelled.
    """
    context = EvaluationContext(archive, models)
    confirmed = context.constraints.confirmed
    assigned = context.assign(confirmed, settings)
    unlabelled = assigned.filter(~pl.col("face_id").is_in(list(confirmed)))
    known = unlabelled["person_id"].count()
    strangers = unlabelled.height - known

    def identification_metrics(settings: AssignmentSettings, seed: int) -> IdentificationMetrics:
        report = evaluate_holdout(confirmed, context.faces, lambda labels: context.assign(labels, settings), seed)
        return (report.naming or IdentificationMetrics(0, 1.0, 1.0)).in_archive(known, strangers)

    return calibrate(context.unlabelled_input(), context.person_numbers(confirmed), settings, identification_metrics)


def _evaluate_by_truth(context: EvaluationContext, settings: AssignmentSettings, file: Path) -> EvaluationResult:
    """Compare what is published with a file of the ground truth."""
    paths = context.images.filter(pl.col("status") == PhotoStatus.OK).select("asset_id", "path").unique("asset_id")
    identities = context.published.select("face_id", "cluster_id", "person_id")
    found = context.faces.join(paths, on="asset_id").join(identities, on="face_id")
    found = found.with_columns(labelled=pl.col("face_id").is_in(list(context.constraints.confirmed)))
    matched = match_to_ground_truth(read_ground_truth(file, found["path"].to_list()), found)
    people = dict(matched.drop_nulls("face_id").select("face_id", "person").iter_rows())
    return _with_curve(context, settings, f"the truth in {file.name}", evaluation_report(matched), people)


def _evaluate_by_labels(context: EvaluationContext, settings: AssignmentSettings) -> EvaluationResult:
    """Hide some of the labels and compare what is assigned with them."""
    confirmed, faces = context.constraints.confirmed, context.faces
    report = evaluate_holdout(confirmed, faces, lambda labels: context.assign(labels, settings))
    source = f"{len(confirmed):,} labelled faces, about half of them hidden"
    if faces.height > MAX_EVALUATED_FACES:
        source += f", among {MAX_EVALUATED_FACES:,} of {faces.height:,} faces"
    return _with_curve(context, settings, source, report, confirmed, faces.height / len(confirmed))


def _with_curve(
    context: EvaluationContext,
    settings: AssignmentSettings,
    source: str,
    report: EvaluationReport,
    people: Mapping[str, str],
    faces_per_known_face: float = 1.0,
) -> EvaluationResult:
    """Add the curve of the clustering method over the faces whose person is known (face id → person)."""
    curve = threshold_curve(context.unlabelled_input(), context.person_numbers(people), settings, faces_per_known_face)
    title = f"{settings.method}, nobody named: {len(people):,} faces whose person is known"
    return EvaluationResult(source, report, curve, draw_curve(curve, joining_threshold(settings), title))
