"""What the commands about identity do: the students' run with settings of its own, a split, and what they tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.arrays import l2_normalize
from classface_assets.core.errors import UserError
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.evaluation.summary import summarize_assignments, summary_lines
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.prototypes import build_prototypes
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.cluster_split import split_cluster
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.checkpoints import load_promoted_checkpoint
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.files.parquet import read_parquet_or_empty


class PreconditionError(UserError):
    """A command that needs something which is not there yet."""


@dataclass(frozen=True)
class IdentificationService:
    """The commands of one archive and model pack."""

    archive: Archive
    models: Models

    def published(self) -> None:
        """Raises DatabaseError, with what to do, before the first run."""
        query_database(self.archive.layout.database, "SELECT count(*) AS n FROM face_instances")

    def require_named_person(self) -> None:
        """Raises NothingToDoError while no face has a name."""
        self.published()
        if not self.archive.open_ledger().decisions().labels:
            raise PreconditionError(
                'Nobody is named yet; name a cluster first, for example `classface label unknown_cluster_1 "Name"`.'
            )

    def require_promoted_head(self) -> None:
        """Raises NothingToDoError where no trained head is better than the plain vectors."""
        layout = self.archive.layout
        if load_promoted_checkpoint(layout.head, self.models.describe(layout).key) is None:
            raise PreconditionError(
                "There is no trained model that beat the plain vectors of this pack; label more faces and run "
                "`classface run`, or leave --use-trained-model out."
            )

    def summary(self) -> Iterator[str]:
        yield from summary_lines(
            summarize_assignments(read_parquet_or_empty(self.archive.layout.table("identities"), ASSIGNMENTS))
        )

    def split(self, cluster: str, least: int) -> list[tuple[str, int]]:
        """Says in the ledger of which groups a cluster is made; their names and sizes. Raises UserError."""
        faces = find_faces(self.archive.layout.database, cluster)
        if not cluster.startswith("unknown_cluster_"):
            raise PreconditionError(
                f"{cluster} is no cluster of unknown faces; only those can be split, and names are taken off with "
                "`classface take-off`."
            )
        groups = split_cluster(faces, least, self._facts(), self.models.describe(self.archive.layout).name)
        self.archive.open_ledger().split_cluster(cluster, groups)
        return [(f"{cluster}_sub_{i}", len(group)) for i, group in enumerate(groups, start=1)]

    def centroids(self) -> tuple[pl.DataFrame, list[tuple[str, str, float]]]:
        """Person, year, labelled faces, and how alike they are on average to their centroid; and pairs of look-alikes.

        Raises NothingToDoError while nobody is named.
        """
        self.require_named_person()
        facts, decisions = self._facts(), self.archive.open_ledger().decisions()
        settings = settings_for(self.models.describe(self.archive.layout).name)
        rules = index_constraints(
            facts.faces["face_id"], facts.faces["asset_id"], constraints_for(decisions, facts.faces)
        )
        years = facts.faces["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        quality = facts.faces["quality_score"].fill_null(0.0).to_numpy()
        names = [decisions.persons[person].name for person in rules.persons]
        made = build_prototypes(facts.vectors, years, quality, rules.confirmed, len(names), settings.person_exemplars)
        own = rules.confirmed >= 0
        labelled = pl.DataFrame(
            {
                "person": [names[i] for i in rules.confirmed[own]],
                "year": facts.faces["school_year"].filter(pl.Series(own)),
                "vector": facts.vectors[own],
            }
        )
        rows = [
            (person, year, group.height, _mean_centroid_similarity(group["vector"].to_numpy()))
            for (person, year), group in labelled.group_by("person", "year")
        ]
        table = pl.DataFrame(rows, schema=["person", "year", "faces", "likeness"], orient="row").sort("person", "year")
        centres = margin_rule(made, rules.siblings, settings).centres
        similar = np.triu(centres @ centres.T, 1) >= settings.lookalike_threshold
        similar = similar if len(names) > 1 else np.zeros((0, 0), bool)
        pairs = [(names[a], names[b], float(centres[a] @ centres[b])) for a, b in np.argwhere(similar)]
        return table, sorted(pairs, key=lambda pair: -pair[2])

    def _facts(self) -> Any:
        pack = self.models.describe(self.archive.layout)
        return load_catalog(self.archive.layout, pack.detector_version, pack.key)


def _mean_centroid_similarity(vectors: np.ndarray) -> float:
    centre = vectors.mean(axis=0)
    return float((vectors @ l2_normalize(centre)).mean())
