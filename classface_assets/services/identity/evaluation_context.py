"""The faces of an archive, their graph and labels, for assignments with some of the labels hidden."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from classface_assets.core.arrays import evenly_spaced
from classface_assets.core.errors import UserError
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.evaluation.holdout import evaluate_holdout
from classface_assets.identity.evaluation.label_sample import MAX_MEASURED_FACES, LabelSample, sample_labels
from classface_assets.identity.evaluation.report import EvaluationReport
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity, unconstrained_input
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity, fitting_settings
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.portraits import load_portrait_vectors
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.parquet import read_parquet

MAX_EVALUATED_FACES = 50_000
"""Of a larger archive this many faces are assigned again: the labelled ones that are measured, and an even sample of
the others."""


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
        sample: The labels that are measured.

    Raises:
        NotIdentifiedError, NoFacesError: There is nothing to evaluate yet.
    """

    def __init__(
        self,
        archive: Archive,
        models: Models,
        most_faces: int = MAX_EVALUATED_FACES,
        most_labelled: int = MAX_MEASURED_FACES,
    ) -> None:
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
        self.sample: LabelSample = sample_labels(self.constraints.confirmed, most_labelled)
        self._portraits = load_portrait_vectors(archive, models, decisions)[0]
        self._similarities: dict[tuple[float, ...], FittedSimilarity] = {}

    def assign(self, confirmed: Mapping[str, str], settings: AssignmentSettings) -> pl.DataFrame:
        """Assign all faces when only the labels `confirmed` (face id → person id) are known.

        Of people whose labels are all hidden the portraits are hidden too. Of an archive with more than `most_faces`
        faces, a sample is assigned.

        Returns:
            ASSIGNMENTS, one row per face.
        """
        hidden = set(self.constraints.confirmed.values()) - set(confirmed.values())
        portraits = {person: vector for person, vector in self._portraits.items() if person not in hidden}
        labels = FaceConstraints(confirmed, collages=self.constraints.collages, portraits=portraits)
        previous = PreviousRun(similarity=self._similarity(settings))
        return assign_identities(self._assigned_faces, labels, settings, previous).rows

    def evaluate(self, settings: AssignmentSettings, seed: int = 0) -> EvaluationReport:
        """Hide some of the labels that are measured, and compare what is assigned with them.

        Args:
            settings: How faces are assigned.
            seed: Another one hides other labels.

        Raises:
            TooFewLabelsError: There are too few labels.
        """
        measured, known = self.sample.measured, self.sample.known
        return evaluate_holdout(measured, self.faces, lambda labels: self.assign(labels, settings), seed, known)

    @property
    def measured_with(self) -> str:
        """Of which labels and faces the scores are, as a phrase."""
        labelled, measured = len(self.constraints.confirmed), len(self.sample.measured)
        phrase = (
            f"{measured:,} of {labelled:,} labelled faces" if measured < labelled else f"{labelled:,} labelled faces"
        )
        phrase += ", about half of them hidden"
        faces, assigned = self.faces.height, self._assigned_faces.table.height
        return phrase if assigned == faces else f"{phrase}, among {assigned:,} of {faces:,} faces"

    def _similarity(self, settings: AssignmentSettings) -> FittedSimilarity:
        """How the faces are compared, fitted once: labels have no part in it, and few settings have."""
        key = fitting_settings(settings)
        if key not in self._similarities:
            self._similarities[key] = load_or_fit_similarity(self._assigned_faces, settings)
        return self._similarities[key]

    @cached_property
    def _assigned_faces(self) -> EmbeddedFaces:
        """The faces that are assigned again when labels are hidden: all, or a sample."""
        if self.faces.height <= self._most_faces:
            return EmbeddedFaces(self.faces, self.vectors, self.graph)
        measured = self.faces["face_id"].is_in(list(self.sample.measured)).to_numpy()
        room = max(0, self._most_faces - int(measured.sum()))
        rows = np.sort(np.concatenate([np.flatnonzero(measured), evenly_spaced(np.flatnonzero(~measured), room)]))
        faces = self.faces[rows]
        return EmbeddedFaces(faces, self.vectors[rows], self.graph.of(faces["face_id"]))

    def person_numbers(self, known: Mapping[str, str]) -> np.ndarray:
        """(n,) int64: a number for the person of each face by `known` (face id → person), -1 where it is not known."""
        numbers = {person: number for number, person in enumerate(sorted(set(known.values())))}
        return np.array([numbers.get(known.get(face, ""), -1) for face in self.faces["face_id"]], np.int64)

    def unlabelled_input(self) -> ClusteringInput:
        """The clustering input of all faces as if nobody had labelled any."""
        return unconstrained_input(self.faces, self.vectors, self.graph, collages=self.constraints.collages)
