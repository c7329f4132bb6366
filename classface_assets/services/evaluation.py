"""An archive measured by itself: what the program found against a file of the truth, or against hidden labels.

The asset `evaluation` and the commands `evaluate` and `calibrate` use this; the measures themselves are in `identity`.

What an archive is measured on: its faces, their graph and their labels, assigned anew with some labels hidden.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.core.errors import UserError
from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.identity.evaluation.calibration import Calibration, calibrate
from classface_assets.identity.evaluation.curve import draw_curve, joining_threshold, threshold_curve
from classface_assets.identity.evaluation.ground_truth import GroundTruthError, match_to_ground_truth, validate_truth
from classface_assets.identity.evaluation.holdout import evaluate_holdout
from classface_assets.identity.evaluation.report import EvaluationReport, IdentificationMetrics, evaluation_report
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, unconstrained_input
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog, load_portrait_vectors
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.parquet import read_parquet

MAX_EVALUATED_FACES = 50_000
"""Of a larger archive so many are assigned anew to measure with: the labelled faces, and others evenly chosen."""


class NoFacesError(UserError):
    """There is nobody to measure."""


class EvaluationContext:
    """The faces of an archive, their graph, and what people said of them. Raises UserError before the first run."""

    def __init__(self, archive: Archive, models: Models) -> None:
        layout = archive.layout
        facts = current_catalog(archive, models)
        self.faces, self.vectors, self.images = facts.faces, facts.vectors, facts.images
        try:
            graph = KnnGraph.from_frame(read_parquet(layout.table("knn_graph")))
            self.published = read_parquet(layout.table("identities"))
        except FileNotFoundError:
            raise UserError("No faces were grouped yet; `classface run` does that.") from None
        except pl.exceptions.ColumnNotFoundError:
            raise UserError("The faces were grouped by an older version; `classface run` does it anew.") from None
        if self.faces.is_empty():
            raise NoFacesError("There are no faces to measure; put photos of people into the photos folder.")
        self.graph = graph.of(self.faces["face_id"])
        decisions = archive.open_ledger().decisions()
        self.said: FaceConstraints = constraints_for(decisions, self.faces)
        self._portraits = load_portrait_vectors(archive, models, decisions)[0]

    def assign(self, confirmed: Mapping[str, str], settings: AssignmentSettings) -> pl.DataFrame:
        """Who is who when only `confirmed` (face → person) is known; of a large archive so many as MOST_FACES says.

        Of people whose labels are all hidden the portraits are hidden too.
        """
        rows = self._some
        faces, vectors = (self.faces, self.vectors) if rows is None else (self.faces[rows], self.vectors[rows])
        hidden = set(self.said.confirmed.values()) - set(confirmed.values())
        portraits = {person: vector for person, vector in self._portraits.items() if person not in hidden}
        labels = FaceConstraints(confirmed, collages=self.said.collages, portraits=portraits)
        return assign_identities(EmbeddedFaces(faces, vectors, self.graph), labels, settings).rows

    @cached_property
    def _some(self) -> np.ndarray | None:
        """The rows that are assigned anew when labels are hidden; None: all."""
        if self.faces.height <= MAX_EVALUATED_FACES:
            return None
        labelled = self.faces["face_id"].is_in(list(self.said.confirmed)).to_numpy()
        others = np.flatnonzero(~labelled)
        room = max(0, MAX_EVALUATED_FACES - int(labelled.sum()))
        chosen = evenly_spaced(others, room)
        return np.sort(np.concatenate([np.flatnonzero(labelled), chosen]))

    def people(self, known: Mapping[str, str]) -> np.ndarray:
        """A number a person for each face, (n,) int64, -1 where nobody is known."""
        numbers = {person: number for number, person in enumerate(sorted(set(known.values())))}
        return np.array([numbers.get(known.get(face, ""), -1) for face in self.faces["face_id"]], np.int64)

    def material(self) -> ClusteringInput:
        """The faces as if nobody had said who they are."""
        return unconstrained_input(EmbeddedFaces(self.faces, self.vectors, self.graph), self.said.collages)


@dataclass(frozen=True)
class EvaluationResult:
    """The scores, what they were measured with, and the curve of the method in use with its picture (PNG)."""

    source: str
    found: EvaluationReport
    curve: pl.DataFrame
    picture: bytes


def evaluate_archive(
    archive: Archive, models: Models, settings: AssignmentSettings, truth: Path | None
) -> EvaluationResult:
    """What is published against a file of the truth, or the settings by the archive's own labels.

    Raises UserError, and TooFewLabelsError where there is no truth.
    """
    measurable = EvaluationContext(archive, models)
    return _evaluate_by_truth(measurable, settings, truth) if truth else _evaluate_by_labels(measurable, settings)


def calibrate_archive(archive: Archive, models: Models, settings: AssignmentSettings) -> Calibration:
    """Thresholds fitted to the labels. Raises UserError, TooFewLabelsError."""
    measurable = EvaluationContext(archive, models)
    confirmed = measurable.said.confirmed
    today = measurable.assign(confirmed, settings)
    unlabelled = today.filter(~pl.col("face_id").is_in(list(confirmed)))
    known = unlabelled["person_id"].count()
    strangers = unlabelled.height - known

    def name(settings: AssignmentSettings, seed: int) -> IdentificationMetrics:
        found = evaluate_holdout(confirmed, measurable.faces, lambda kept: measurable.assign(kept, settings), seed)
        return (found.naming or IdentificationMetrics(0, 1.0, 1.0)).in_archive(known, strangers)

    return calibrate(measurable.material(), measurable.people(confirmed), settings, name)


def _evaluate_by_truth(measurable: EvaluationContext, settings: AssignmentSettings, file: Path) -> EvaluationResult:
    """What is published against a file of the truth. Raises UserError when it is none, or of other photos."""
    paths = measurable.images.filter(pl.col("status") == "ok").select("asset_id", "path").unique("asset_id")
    placed = measurable.faces.join(paths, on="asset_id").join(
        measurable.published.select("face_id", "cluster_id", "person_id"), on="face_id"
    )
    found = placed.with_columns(labelled=pl.col("face_id").is_in(list(measurable.said.confirmed)))
    try:
        truth = validate_truth(pl.read_csv(file, infer_schema=False), found["path"].to_list())
    except (GroundTruthError, OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{file} cannot be used: {str(error).splitlines()[0].rstrip('.')}.") from None
    judged = match_to_ground_truth(truth, found)
    people = dict(judged.drop_nulls("face_id").select("face_id", "person").iter_rows())
    return _evaluation_result(measurable, settings, f"the truth in {file.name}", evaluation_report(judged), people, 1.0)


def _evaluate_by_labels(measurable: EvaluationContext, settings: AssignmentSettings) -> EvaluationResult:
    """What comes out for labels when they are hidden. Raises TooFewLabelsError."""
    confirmed, faces = measurable.said.confirmed, measurable.faces
    found = evaluate_holdout(confirmed, faces, lambda kept: measurable.assign(kept, settings))
    source = f"{len(confirmed):,} labelled faces, about half of them hidden"
    some = f", among {MAX_EVALUATED_FACES:,} of {faces.height:,} faces" if faces.height > MAX_EVALUATED_FACES else ""
    return _evaluation_result(measurable, settings, source + some, found, confirmed, faces.height / len(confirmed))


def _evaluation_result(
    measurable: EvaluationContext,
    settings: AssignmentSettings,
    source: str,
    found: EvaluationReport,
    people: Mapping[str, str],
    strangers: float,
) -> EvaluationResult:
    curve = threshold_curve(measurable.material(), measurable.people(people), settings, strangers)
    title = f"{settings.method}, nobody named: {len(people):,} faces whose person is known"
    return EvaluationResult(source, found, curve, draw_curve(curve, joining_threshold(settings), title))
