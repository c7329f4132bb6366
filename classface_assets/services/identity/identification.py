"""What the commands about identity need of an archive: preconditions, a split of a cluster, the people's centroids."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from classface_assets.core.arrays import l2_normalize
from classface_assets.core.errors import UserError
from classface_assets.core.schemas import ASSIGNMENTS, CLUSTER_PREFIX
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.evaluation.summary import AssignmentSummary, summarize_assignments, summary_lines
from classface_assets.identity.inputs_from_frames import start_years
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.prototypes import build_prototypes
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.identity.cluster_split import split_cluster
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.checkpoints import load_promoted_checkpoint
from classface_assets.store.catalog.faces import FaceCatalog, load_catalog
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.published.queries import require_published


class PreconditionError(UserError):
    """A command needs something that the archive does not have yet."""


@dataclass(frozen=True)
class LookalikePair:
    """Two people whose centroids are so similar that a match of either needs a larger margin."""

    person: str
    other: str
    similarity: float


@dataclass(frozen=True)
class PersonCentroids:
    """How similar the labelled faces of each person and school year are.

    Attributes:
        by_year: person, year, faces, similarity (the mean to their centroid), by person and year.
        lookalikes: The most similar pair first.
    """

    by_year: pl.DataFrame
    lookalikes: Sequence[LookalikePair]


@dataclass(frozen=True)
class IdentificationService:
    """The commands about the identities of one archive, with one model pack."""

    archive: Archive
    models: Models

    def require_published(self) -> None:
        """Raises DatabaseError, with what to do, before the first run."""
        require_published(self.archive.layout.database)

    def require_named_person(self) -> None:
        """Raises PreconditionError while no face has a name."""
        self.require_published()
        if not self.archive.open_ledger().decisions().labels:
            raise PreconditionError(
                'Nobody is named yet; name a cluster first, for example `classface label unknown_cluster_1 "Name"`.'
            )

    def require_promoted_head(self) -> None:
        """Raises PreconditionError where no trained projection is better than the plain vectors."""
        layout = self.archive.layout
        if load_promoted_checkpoint(layout.head, self.models.describe(layout).key) is None:
            raise PreconditionError(
                "There is no trained model that beat the plain vectors of this pack; label more faces and run "
                "`classface run`, or leave --use-trained-model out."
            )

    def summary(self) -> Iterator[str]:
        """Lines of text: how many faces were assigned to people, clustered, or left alone."""
        return summary_lines(self._assignments())

    def counts(self) -> dict[str, object]:
        """The same numbers, and the sizes of persons and clusters."""
        found = self._assignments()
        numbers = {name: getattr(found, name) for name in ("faces", "assigned", "persons", "clustered", "clusters")}
        return {**numbers, "single": found.noise, "sizes": found.sizes}

    def _assignments(self) -> AssignmentSummary:
        identities = read_parquet_or_empty(self.archive.layout.table("identities"), ASSIGNMENTS)
        return summarize_assignments(identities)

    def split(self, cluster: str, min_size: int) -> list[tuple[str, int]]:
        """Split a cluster into people, and record the split in the ledger.

        Args:
            cluster: The id of an unknown cluster.
            min_size: The fewest faces a person.

        Returns:
            (cluster id, number of faces) of each new cluster.

        Raises:
            PreconditionError: It is the cluster of a known person, or a single face.
            UnknownClusterError: There is no such cluster.
            SplitError: It does not fall apart into two people of that size.
        """
        faces = find_faces(self.archive.layout.database, cluster)
        if not cluster.startswith(CLUSTER_PREFIX):
            raise PreconditionError(
                f"{cluster} is no cluster of unknown faces; only those can be split, and names are removed with "
                "`classface take-off`."
            )
        groups = split_cluster(faces, min_size, self._catalog(), self.models.describe(self.archive.layout).embedder)
        self.archive.open_ledger().split_cluster(cluster, groups)
        return [(f"{cluster}_sub_{i}", len(group)) for i, group in enumerate(groups, start=1)]

    def centroids(self) -> PersonCentroids:
        """Compare the labelled faces of each person with their centroid, and the people with one another.

        Raises:
            PreconditionError: No face has a name.
        """
        self.require_named_person()
        catalog, decisions = self._catalog(), self.archive.open_ledger().decisions()
        faces, vectors = catalog.faces, catalog.vectors
        settings = settings_for(self.models.describe(self.archive.layout).embedder)
        rules = index_constraints(faces["face_id"], faces["asset_id"], constraints_for(decisions, faces))
        names = [decisions.persons[person].name for person in rules.persons]
        quality = faces["quality_score"].fill_null(0.0).to_numpy()
        prototypes = build_prototypes(
            vectors, start_years(faces), quality, rules.confirmed, len(names), settings.person_exemplars
        )
        centres = margin_rule(prototypes, rules.siblings, settings).centres
        is_lookalike = np.triu(centres @ centres.T, 1) >= settings.lookalike_threshold
        is_lookalike = is_lookalike if len(names) > 1 else np.zeros((0, 0), bool)
        lookalikes = [
            LookalikePair(names[a], names[b], float(centres[a] @ centres[b])) for a, b in np.argwhere(is_lookalike)
        ]
        names_of_faces = {int(row): names[rules.confirmed[row]] for row in np.flatnonzero(rules.confirmed >= 0)}
        return PersonCentroids(
            _similarity_by_year(faces, vectors, names_of_faces), sorted(lookalikes, key=lambda pair: -pair.similarity)
        )

    def _catalog(self) -> FaceCatalog:
        pack = self.models.describe(self.archive.layout)
        return load_catalog(self.archive.layout, pack.detector_version, pack.key)


def _similarity_by_year(faces: pl.DataFrame, vectors: np.ndarray, names: Mapping[int, str]) -> pl.DataFrame:
    """PersonCentroids.by_year of the faces (row number → name) that are labelled."""
    rows = list(names)
    labelled = pl.DataFrame(
        {"person": list(names.values()), "year": faces["school_year"][rows], "vector": vectors[rows]}
    )
    by_year = [
        (person, year, group.height, _mean_centroid_similarity(group["vector"].to_numpy()))
        for (person, year), group in labelled.group_by("person", "year")
    ]
    columns = ["person", "year", "faces", "similarity"]
    return pl.DataFrame(by_year, schema=columns, orient="row").sort("person", "year")


def _mean_centroid_similarity(vectors: np.ndarray) -> float:
    """The mean cosine similarity of (n, d) unit vectors to their centroid."""
    centre = vectors.mean(axis=0)
    return float((vectors @ l2_normalize(centre)).mean())
