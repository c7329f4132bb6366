"""How the two assets that assign faces do it: by the decisions of the ledger, and upon the tables of the last run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS, PhotoStatus
from classface_assets.identity.clustering.cluster_ids import highest_cluster_number
from classface_assets.identity.clustering.incremental import CLUSTER_STATE_SCHEMA, ClusterState
from classface_assets.identity.evaluation.summary import violated_labels
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.matching.candidate_cache import KnownCandidates
from classface_assets.identity.matching.pair_scores import PAIR_SCORES_SCHEMA, PairScores
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.ageing import AgeingStatus
from classface_assets.identity.similarity.known_terms import FACE_TERMS_SCHEMA
from classface_assets.identity.similarity.model import FITTED_SIMILARITY_SCHEMA, FittedSimilarity
from classface_assets.store.artifacts.cluster_memory import previous_cluster_ids
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.decisions.history import split_cluster_names
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet_or_empty, write_parquet
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event

CLUSTER_NUMBERS = pl.Schema({"highest": pl.Int64})


class PublishingRefusedError(UserError):
    """Publishing would take the name from a face that a person labelled."""


@dataclass(frozen=True)
class AssignmentTask:
    """All faces of an archive, to be assigned in one embedding space.

    Attributes:
        layout: Where the tables of the last run lie.
        catalog: The faces.
        events: Of the ledger, as far as they count.
        settings: Thresholds of this embedding space.
        portraits: Person id → unit vector (d,) in this space, of people who were enrolled with a portrait.
        suffix: Of the names of the tables that are of this space.
        recluster: Whether all unknown faces are clustered from scratch.
        numbered: Cluster ids that this run has given in another space already; new clusters get others.
    """

    layout: ArchiveLayout
    catalog: FaceCatalog
    events: Sequence[Event]
    settings: AssignmentSettings
    portraits: Mapping[str, np.ndarray]
    suffix: str = ""
    recluster: bool = False
    numbered: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))


def assign_all_faces(task: AssignmentTask, vectors: np.ndarray, graph: KnnGraph) -> pl.DataFrame:
    """Assign all faces of a task.

    The similarity model that was fitted is used again until a fifth of the archive has changed, and the clusters of
    unknown faces, which new faces join, until a tenth is new. Faces that were compared with the people who were named
    are compared with them again when something of either changed. New clusters are numbered above all that were
    published: a run that was killed before it published has used up no number, so the next one gives the same.

    Args:
        task: The faces, and by what they are assigned.
        vectors: Unit vectors, float32 (n, d), in the order of the catalog's faces.
        graph: Of these vectors.

    Returns:
        ASSIGNMENTS.
    """
    layout, catalog = task.layout, task.catalog
    if not catalog.faces.height:
        return pl.DataFrame(schema=ASSIGNMENTS)
    previous = previous_cluster_ids(layout)
    state_file = layout.table(f"face_groups{task.suffix}")
    state = ClusterState.from_frame(read_parquet_or_empty(state_file, CLUSTER_STATE_SCHEMA))
    candidates_file = layout.table(f"face_candidates{task.suffix}")
    known = KnownCandidates.from_frame(read_parquet_or_empty(candidates_file, pl.Schema({})))
    scores_file = layout.table(f"pair_scores{task.suffix}")
    known_scores = PairScores.from_frame(read_parquet_or_empty(scores_file, PAIR_SCORES_SCHEMA))
    terms_file = layout.table(f"face_terms{task.suffix}")
    known_terms = read_parquet_or_empty(terms_file, FACE_TERMS_SCHEMA)
    last = PreviousRun(
        assignments=previous,
        highest_cluster=max(_highest_cluster_number(layout), highest_cluster_number(task.numbered)),
        split_names=split_cluster_names(task.events),
        similarity=_cached_similarity(task, vectors, graph),
        cluster_state=None if task.recluster else state,
        candidates=None if task.recluster else known,
        pair_scores=None if task.recluster else known_scores,
        face_terms=None if task.recluster else known_terms,
    )
    constraints = replace(constraints_for(replay(task.events), catalog.faces), portraits=task.portraits)
    faces = EmbeddedFaces(_faces_with_photo(catalog), vectors, graph)
    result = assign_identities(faces, constraints, task.settings, last)
    if result.cluster_state is not None:
        write_parquet(result.cluster_state.to_frame(), state_file)
        reached(Failpoint.GROUPS_WRITTEN)
    if result.candidates is not None:
        write_parquet(result.candidates, candidates_file)
        reached(Failpoint.CANDIDATES_WRITTEN)
    if result.pair_scores is not None:
        write_parquet(result.pair_scores, scores_file)
    if result.face_terms is not None:
        write_parquet(result.face_terms, terms_file)
    return result.rows


def record_cluster_numbers(layout: ArchiveLayout, *published: pl.DataFrame) -> None:
    """Record the greatest number that a published cluster ever had, so that none is given twice.

    To be called after the assignments are written: until then their numbers are known to nobody. Where a run is killed
    between the two, the assignments themselves have the number.

    Args:
        layout: The archive.
        *published: Frames with a column cluster_id.
    """
    known = _highest_cluster_number(layout)
    highest = max(known, *(highest_cluster_number(rows["cluster_id"]) for rows in published))
    if highest > known:
        write_parquet(pl.DataFrame({"highest": [highest]}, schema=CLUSTER_NUMBERS), layout.table("cluster_numbers"))
        reached(Failpoint.NUMBERS_WRITTEN)


def similarity_metadata(layout: ArchiveLayout) -> dict[str, Any]:
    """What the archive has shown of how its faces are to be compared, for Dagster's UI."""
    fitted = FittedSimilarity.from_frame(read_parquet_or_empty(layout.table("face_space"), FITTED_SIMILARITY_SCHEMA))
    if fitted is None:
        return {}
    learned = fitted.ageing.status == AgeingStatus.LEARNED
    return {
        "direction_of_age": "learned and taken off" if learned else f"not used: {fitted.ageing.status}",
        "direction_of_age_share": fitted.ageing.amount,
        "groups_over_several_years": fitted.ageing.tracks,
        "normalised_similarity_share": fitted.model.share,
    }


def is_fully_clustered(layout: ArchiveLayout) -> bool:
    """Whether no unknown face was added to existing clusters since all were last clustered from scratch."""
    return not read_parquet_or_empty(layout.table("face_groups"), CLUSTER_STATE_SCHEMA)["added"].any()


def require_labels_preserved(task: AssignmentTask, assignments: pl.DataFrame, is_of_catalog: bool) -> None:
    """Refuse assignments in which a labelled face lacks its name; the next run then assigns all faces again.

    Args:
        task: The faces and the events that count.
        assignments: ASSIGNMENTS.
        is_of_catalog: See `labels_not_preserved`.

    Raises:
        PublishingRefusedError: There is such a face.
    """
    violated = labels_not_preserved(assignments, replay(task.events), task.catalog.faces, is_of_catalog)
    if violated:
        task.layout.fingerprint_file("cluster_assignments").unlink(missing_ok=True)
        raise PublishingRefusedError(
            sentence(
                "Nothing was published: %(number)s labelled faces would lose their name (the first is %(face)s); what "
                "was published before stays, and so does every name. `classface cluster-dual --all-anew` clusters all "
                "faces from scratch and publishes them.",
                number=len(violated),
                face=violated[0],
            )
        )


def labels_not_preserved(
    assignments: pl.DataFrame, decisions: Decisions, faces: pl.DataFrame, is_of_catalog: bool
) -> list[str]:
    """The labelled faces that are not assigned to the person of their label.

    Args:
        assignments: ASSIGNMENTS.
        decisions: With the labels.
        faces: The catalog's faces.
        is_of_catalog: Whether the assignments are of just these faces. Otherwise faces that they lack are newer.

    Returns:
        Face ids, sorted.
    """
    if not faces.height:
        return []
    confirmed = constraints_for(decisions, faces).confirmed
    assigned = set(assignments["face_id"])
    return violated_labels(
        assignments, {face: person for face, person in confirmed.items() if is_of_catalog or face in assigned}
    )


def _faces_with_photo(catalog: FaceCatalog) -> pl.DataFrame:
    """FACES with the path and the time of their photos."""
    photos = catalog.images.filter(pl.col("status") == PhotoStatus.OK).unique(
        "asset_id", keep="first", maintain_order=True
    )
    photos = photos.select("asset_id", "path", "taken_at")
    faces = catalog.faces.select("face_id", "asset_id", "school_year", "year", "quality_score")
    return faces.join(photos, on="asset_id", how="left", maintain_order="left")


def _cached_similarity(task: AssignmentTask, vectors: np.ndarray, graph: KnnGraph) -> FittedSimilarity:
    """The similarity model of the last run, or the one that is fitted now and stored."""
    file = task.layout.table(f"face_space{task.suffix}")
    cached = FittedSimilarity.from_frame(read_parquet_or_empty(file, FITTED_SIMILARITY_SCHEMA))
    current = load_or_fit_similarity(EmbeddedFaces(task.catalog.faces, vectors, graph), task.settings, cached)
    if current is not cached:
        write_parquet(current.to_frame(), file)
        reached(Failpoint.SIMILARITY_WRITTEN)
    return current


def _highest_cluster_number(layout: ArchiveLayout) -> int:
    highest = read_parquet_or_empty(layout.table("cluster_numbers"), CLUSTER_NUMBERS)["highest"].max()
    return highest if isinstance(highest, int) else 0
