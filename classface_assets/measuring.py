"""An archive measured by itself: what the program found against a file of the truth, or against hidden labels.

The asset `evaluation` and the commands `evaluate` and `calibrate` use this; the measures themselves are in `identity`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.assets.face_tables import current_facts
from classface_assets.errors import UserError
from classface_assets.identity.assign import Labels, assign_faces
from classface_assets.identity.calibrate import Calibration, calibrate
from classface_assets.identity.curve import draw, threshold_curve, threshold_of
from classface_assets.identity.evaluate import Evaluation, Naming, evaluation
from classface_assets.identity.graph import Graph
from classface_assets.identity.held_out import measure_labels
from classface_assets.identity.judged import TruthError, judged_by_truth, read_truth
from classface_assets.identity.material import Material
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.resources import Archive, Models
from classface_assets.store.carry import Said, said
from classface_assets.store.schemas import ASSIGNMENTS
from classface_assets.store.tables import read_table

MOST_FACES = 50_000
"""Of a larger archive so many are assigned anew to measure with: the labelled faces, and others evenly chosen."""


@dataclass(frozen=True)
class Measured:
    """The scores, what they were measured with, and the curve of the method in use with its picture (PNG)."""

    source: str
    found: Evaluation
    curve: pl.DataFrame
    picture: bytes


def measure(archive: Archive, models: Models, settings: AssignmentSettings, truth: Path | None) -> Measured:
    """What is published against a file of the truth, or the settings by the archive's own labels.

    Raises UserError, and TooFewLabelsError where there is no truth.
    """
    measuring = Measuring(archive, models, settings)
    return measuring.by_truth(truth) if truth else measuring.by_labels()


class NoFacesError(UserError):
    """There is nobody to measure."""


class Measuring:
    """The faces of an archive, their graph, and what people said of them. Raises UserError before the first run."""

    def __init__(self, archive: Archive, models: Models, settings: AssignmentSettings) -> None:
        self.layout, self.settings = archive.layout, settings
        facts = current_facts(archive, models)
        self.faces, self.vectors, self.images = facts.faces, facts.vectors, facts.images
        try:
            graph = Graph.of_frame(read_table(self.layout.table("knn_graph")))
            self.published = read_table(self.layout.table("identities"))
        except FileNotFoundError:
            raise UserError("No faces were grouped yet; `classface run` does that.") from None
        except pl.exceptions.ColumnNotFoundError:
            raise UserError("The faces were grouped by an older version; `classface run` does it anew.") from None
        if self.faces.is_empty():
            raise NoFacesError("There are no faces to measure; put photos of people into the photos folder.")
        self.graph = graph.of(self.faces["face_id"])
        self.said: Said = said(archive.open_ledger().decisions(), self.faces)

    def by_truth(self, file: Path) -> Measured:
        """What is published against a file of the truth. Raises UserError when it is none, or of other photos."""
        paths = self.images.filter(pl.col("status") == "ok").select("asset_id", "path").unique("asset_id")
        placed = self.faces.join(paths, on="asset_id").join(
            self.published.select("face_id", "cluster_id", "person_id"), on="face_id"
        )
        found = placed.with_columns(labelled=pl.col("face_id").is_in(list(self.said.confirmed)))
        try:
            truth = read_truth(pl.read_csv(file, infer_schema=False), found["path"].to_list())
        except (TruthError, OSError, pl.exceptions.PolarsError) as error:
            raise UserError(f"{file} cannot be used: {str(error).splitlines()[0].rstrip('.')}.") from None
        judged = judged_by_truth(truth, found)
        people = dict(judged.drop_nulls("face_id").select("face_id", "person").iter_rows())
        return self._measured(f"the truth in {file.name}", evaluation(judged), people, 1.0)

    def by_labels(self) -> Measured:
        """What comes out for labels when they are hidden. Raises TooFewLabelsError."""
        confirmed = self.said.confirmed
        found = measure_labels(confirmed, self.faces, lambda kept: self._assign(kept, self.settings))
        source = f"{len(confirmed):,} labelled faces, about half of them hidden"
        some = f", among {MOST_FACES:,} of {self.faces.height:,} faces" if self.faces.height > MOST_FACES else ""
        return self._measured(source + some, found, confirmed, self.faces.height / len(confirmed))

    def calibrated(self) -> Calibration:
        """Thresholds fitted to the labels. Raises TooFewLabelsError."""

        today = self._assign(self.said.confirmed, self.settings)
        unlabelled = today.filter(~pl.col("face_id").is_in(list(self.said.confirmed)))
        known = unlabelled["person_id"].count()
        strangers = unlabelled.height - known

        def name(settings: AssignmentSettings, seed: int) -> Naming:
            found = measure_labels(self.said.confirmed, self.faces, lambda kept: self._assign(kept, settings), seed)
            return (found.naming or Naming(0, 1.0, 1.0)).in_archive(known, strangers)

        return calibrate(self._material(), self._people(self.said.confirmed), self.settings, name)

    def _measured(self, source: str, found: Evaluation, people: Mapping[str, str], strangers: float) -> Measured:
        curve = threshold_curve(self._material(), self._people(people), self.settings, strangers)
        title = f"{self.settings.method}, nobody named: {len(people):,} faces whose person is known"
        return Measured(source, found, curve, draw(curve, threshold_of(self.settings), title))

    def _assign(self, confirmed: Mapping[str, str], settings: AssignmentSettings) -> pl.DataFrame:
        nothing, rows = pl.DataFrame(schema=ASSIGNMENTS), self._some
        faces, vectors = (self.faces, self.vectors) if rows is None else (self.faces[rows], self.vectors[rows])
        graph = self.graph.of(faces["face_id"])
        return assign_faces(faces, vectors, graph, Labels(confirmed, collages=self.said.collages), nothing, settings)

    @cached_property
    def _some(self) -> np.ndarray | None:
        """The rows that are assigned anew when labels are hidden; None: all."""
        if self.faces.height <= MOST_FACES:
            return None
        labelled = self.faces["face_id"].is_in(list(self.said.confirmed)).to_numpy()
        others = np.flatnonzero(~labelled)
        room = max(0, MOST_FACES - int(labelled.sum()))
        chosen = others[np.linspace(0, len(others) - 1, min(room, len(others))).astype(int)] if room else others[:0]
        return np.sort(np.concatenate([np.flatnonzero(labelled), chosen]))

    def _people(self, known: Mapping[str, str]) -> np.ndarray:
        """A number a person for each face, (n,) int64, -1 where nobody is known."""
        numbers = {person: number for number, person in enumerate(sorted(set(known.values())))}
        return np.array([numbers.get(known.get(face, ""), -1) for face in self.faces["face_id"]], np.int64)

    def _material(self) -> Material:
        """The faces as if nobody had said who they are."""
        pairs, similarities = self.graph.pairs()
        collage = self.faces["asset_id"].is_in(list(self.said.collages)).to_numpy()
        photos = self.faces["asset_id"].rank("dense").to_numpy().astype(np.int64)
        return Material(
            self.vectors,
            self.faces["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            np.where(collage, len(photos) + np.arange(len(photos)), photos),
            self.faces["quality_score"].fill_null(0.0).cast(pl.Float32).to_numpy(),
            pairs,
            similarities,
        )
