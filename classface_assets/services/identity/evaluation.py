"""Evaluation and calibration on a whole archive: against a file with the ground truth, or against hidden labels.

The asset `evaluation` and the commands `evaluate` and `calibrate` use this; the metrics are in `identity.evaluation`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.core.schemas import PhotoStatus
from classface_assets.identity.evaluation.calibration import Calibration, calibrate
from classface_assets.identity.evaluation.curve import draw_curve, joining_threshold, threshold_curve
from classface_assets.identity.evaluation.ground_truth import GroundTruthError, match_to_ground_truth, validate_truth
from classface_assets.identity.evaluation.label_sample import MAX_MEASURED_FACES
from classface_assets.identity.evaluation.progress import LabelledFaces, labelling_progress
from classface_assets.identity.evaluation.report import EvaluationReport, IdentificationMetrics, evaluation_report
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.identity.evaluation_context import EvaluationContext
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay

MAX_PROGRESS_POINTS = 8
"""Points of an archive's history at which faces are assigned again …"""
MAX_PROGRESS_FACES = 10_000
"""… and how many: the labelled ones that are measured, and an even sample of the others."""


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


@dataclass(frozen=True)
class LabellingProgress:
    """How naming got better as labels were added.

    Attributes:
        source: What it was measured with, as a phrase.
        rows: PROGRESS_COLUMNS.
    """

    source: str
    rows: pl.DataFrame


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
    archive: Archive,
    models: Models,
    settings: AssignmentSettings,
    truth: Path | None,
    most_labelled: int = MAX_MEASURED_FACES,
) -> EvaluationResult:
    """Evaluate the published identities with a file of the ground truth, or the settings with hidden labels.

    Args:
        archive: The archive.
        models: The model pack in use.
        settings: How faces are clustered and assigned; also of the curve.
        truth: The file with the ground truth; None: about half of the archive's labels are hidden and looked up.
        most_labelled: Of more labelled faces than this a sample is measured.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
        GroundTruthError: The file cannot be used.
        TooFewLabelsError: There is no file, and too few people are labelled.
    """
    context = EvaluationContext(archive, models, most_labelled=most_labelled)
    return _evaluate_by_truth(context, settings, truth) if truth else _evaluate_by_labels(context, settings)


def measure_progress(
    archive: Archive, models: Models, settings: AssignmentSettings, most_labelled: int = MAX_MEASURED_FACES
) -> LabellingProgress:
    """How well held-out labelled faces are named with the labels of earlier days: a replay of the ledger.

    Args:
        archive: The archive.
        models: The model pack in use.
        settings: How faces are assigned.
        most_labelled: Of more labelled faces than this a sample is measured.

    Returns:
        At most MAX_PROGRESS_POINTS rows.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
        TooFewLabelsError: Too few people are labelled.
    """
    context = EvaluationContext(archive, models, MAX_PROGRESS_FACES, most_labelled)
    events = archive.open_ledger().events()
    labelling = [event for event in events if event.kind in ("faces_labelled", "faces_confirmed")]
    history = []
    for index in evenly_spaced(np.arange(len(labelling) - 1), MAX_PROGRESS_POINTS - 1):
        event = labelling[int(index)]
        confirmed = constraints_for(replay(events, event.id), context.faces).confirmed
        history.append(LabelledFaces(f"{event.at:%Y-%m-%d}", confirmed))
    history.append(LabelledFaces("now", context.sample.labels))
    rows = labelling_progress(history, lambda labels: context.assign(labels, settings), context.sample.measured)
    return LabellingProgress(context.measured_with, rows)


def calibrate_archive(archive: Archive, models: Models, settings: AssignmentSettings) -> Calibration:
    """Fit the thresholds to the labels of an archive.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to fit to yet.
        TooFewLabelsError: Too few people are labelled.
    """
    context = EvaluationContext(archive, models)
    confirmed = context.constraints.confirmed
    assigned = context.assign(context.sample.labels, settings)
    unlabelled = assigned.filter(~pl.col("face_id").is_in(list(confirmed)))
    known = unlabelled["person_id"].count()
    strangers = unlabelled.height - known

    def identification_metrics(settings: AssignmentSettings, seed: int) -> IdentificationMetrics:
        return (context.evaluate(settings, seed).naming or IdentificationMetrics(0, 1.0, 1.0)).in_archive(
            known, strangers
        )

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
    confirmed = context.constraints.confirmed
    report, others = context.evaluate(settings), context.faces.height / len(confirmed)
    return _with_curve(context, settings, context.measured_with, report, confirmed, others)


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
