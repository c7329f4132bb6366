"""What an archive is measured on: its faces, their graph and their labels, assigned anew with some labels hidden."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from classface_assets.assets.current_facts import current_facts
from classface_assets.assets.portraits import known_portraits
from classface_assets.errors import UserError
from classface_assets.identity.assign import assign_faces
from classface_assets.identity.graph import Graph
from classface_assets.identity.material import Material
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.spoken import Labels
from classface_assets.resources import Archive, Models
from classface_assets.store.carry import Said, said
from classface_assets.store.schemas import ASSIGNMENTS
from classface_assets.store.tables import read_table

MOST_FACES = 50_000
"""Of a larger archive so many are assigned anew to measure with: the labelled faces, and others evenly chosen."""


class NoFacesError(UserError):
    """There is nobody to measure."""


class Measurable:
    """The faces of an archive, their graph, and what people said of them. Raises UserError before the first run."""

    def __init__(self, archive: Archive, models: Models) -> None:
        layout = archive.layout
        facts = current_facts(archive, models)
        self.faces, self.vectors, self.images = facts.faces, facts.vectors, facts.images
        try:
            graph = Graph.of_frame(read_table(layout.table("knn_graph")))
            self.published = read_table(layout.table("identities"))
        except FileNotFoundError:
            raise UserError("No faces were grouped yet; `classface run` does that.") from None
        except pl.exceptions.ColumnNotFoundError:
            raise UserError("The faces were grouped by an older version; `classface run` does it anew.") from None
        if self.faces.is_empty():
            raise NoFacesError("There are no faces to measure; put photos of people into the photos folder.")
        self.graph = graph.of(self.faces["face_id"])
        decisions = archive.open_ledger().decisions()
        self.said: Said = said(decisions, self.faces)
        self._portraits = known_portraits(archive, models, decisions)[0]

    def assign(self, confirmed: Mapping[str, str], settings: AssignmentSettings) -> pl.DataFrame:
        """Who is who when only `confirmed` (face → person) is known; of a large archive so many as MOST_FACES says.

        Of people whose labels are all hidden the portraits are hidden too.
        """
        nothing, rows = pl.DataFrame(schema=ASSIGNMENTS), self._some
        faces, vectors = (self.faces, self.vectors) if rows is None else (self.faces[rows], self.vectors[rows])
        graph = self.graph.of(faces["face_id"])
        hidden = set(self.said.confirmed.values()) - set(confirmed.values())
        portraits = {person: vector for person, vector in self._portraits.items() if person not in hidden}
        labels = Labels(confirmed, collages=self.said.collages, portraits=portraits)
        return assign_faces(faces, vectors, graph, labels, nothing, settings)

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

    def people(self, known: Mapping[str, str]) -> np.ndarray:
        """A number a person for each face, (n,) int64, -1 where nobody is known."""
        numbers = {person: number for number, person in enumerate(sorted(set(known.values())))}
        return np.array([numbers.get(known.get(face, ""), -1) for face in self.faces["face_id"]], np.int64)

    def material(self) -> Material:
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
