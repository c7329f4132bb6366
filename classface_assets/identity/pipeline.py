"""The assignment of every face: to a known person, to a numbered cluster of an unknown one, or to noise.

This module holds the order of the steps: index the constraints, assign known people (`matching`), cluster the others
(`clustering`), and give the clusters ids that stay from run to run (`clustering.cluster_ids`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from classface_assets.core.arrays import release_freed_memory
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.schemas import ASSIGNMENTS, noise_id
from classface_assets.identity.clustering.cluster_ids import name_clusters
from classface_assets.identity.clustering.incremental import ClusterState
from classface_assets.identity.clustering.unknown_faces import ClusteringResult, cluster_unknown_faces
from classface_assets.identity.constraints.rules import IndexedConstraints, index_constraints
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, clustering_input, load_or_fit_similarity
from classface_assets.identity.matching.candidate_cache import KnownCandidates
from classface_assets.identity.matching.known_people import assign_known_people
from classface_assets.identity.matching.matches import FaceAssignments
from classface_assets.identity.matching.pair_scores import PairScores
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.known_terms import KnownTerms
from classface_assets.identity.similarity.model import FittedSimilarity


def _no_assignments() -> pl.DataFrame:
    return pl.DataFrame(schema=ASSIGNMENTS)


@dataclass(frozen=True)
class PreviousRun:
    """What an assignment builds on."""

    assignments: pl.DataFrame = field(default_factory=_no_assignments)
    """face_id and cluster_id of the run before: clusters keep the ids of those that they continue."""
    highest_cluster: int = 0
    """The greatest number ever given to a cluster."""
    split_names: Mapping[str, str] = field(default_factory=dict)
    """face_id -> cluster id that a split has given to the face's part of its former cluster."""
    similarity: FittedSimilarity | None = None
    """What `load_or_fit_similarity` gave for these faces; None: it is fitted to them."""
    cluster_state: ClusterState | None = None
    """The groups that a few new faces are to join; None: all unknown faces are clustered from scratch."""
    candidates: KnownCandidates | None = None
    """Which known people faces were found to be most similar to; None: all faces are compared with them."""
    pair_scores: PairScores | None = None
    """How well groups of unknown faces matched known people; None: all groups are compared with them."""
    face_terms: pl.DataFrame | None = None
    """Similarities that each face has by itself, see `KnownTerms`; None: they are computed."""


@dataclass(frozen=True)
class AssignmentResult:
    """The assignments, and what the next run may build on."""

    rows: pl.DataFrame
    """ASSIGNMENTS, one row per face."""
    cluster_state: ClusterState | None
    """The groups of unknown faces; None where the settings do not allow for building on them."""
    candidates: pl.DataFrame | None = None
    """Which known people each face is most similar to, see `KnownCandidates`; None where nobody is known."""
    pair_scores: pl.DataFrame | None = None
    """How well groups of unknown faces match known people, see `PairScores`; None where no groups were compared."""
    face_terms: pl.DataFrame | None = None
    """Similarities that each face has by itself, see `KnownTerms`; None where the faces were compared by no model."""


def assign_identities(
    faces: EmbeddedFaces,
    constraints: FaceConstraints,
    settings: AssignmentSettings,
    previous: PreviousRun | None = None,
) -> AssignmentResult:
    """Assign each face to a known person, an unknown cluster, or noise.

    Nothing depends on the order of the faces.

    Args:
        faces: All faces of the archive.
        constraints: Labels, links and the like, by face and person id; those of other faces are ignored.
        settings: Thresholds and methods.
        previous: The run before; None: nothing is known of one.

    Returns:
        One row of ASSIGNMENTS for each face, in the order of `faces`.

    Raises:
        AssignmentError: Faces and vectors differ in number.
    """
    previous = previous or PreviousRun()
    if not len(faces.table) and not len(faces.vectors):
        return AssignmentResult(_no_assignments(), None)
    ordered = faces.sorted_by_id()
    table = ordered.table
    indexed = index_constraints(table["face_id"], table["asset_id"], constraints)
    similarity = previous.similarity
    if similarity is None and (settings.method == "temporal" or indexed.persons):
        similarity = load_or_fit_similarity(ordered, settings)
    if similarity is not None:
        similarity = replace(similarity, terms=KnownTerms(previous.face_terms))
    inputs = replace(clustering_input(ordered, indexed), similarity=similarity)
    people = assign_known_people(inputs, indexed, settings, previous.candidates, previous.pair_scores)
    known = people.assignments
    unknown = (known.persons < 0) & ~indexed.left_out
    clustered = cluster_unknown_faces(inputs, table, unknown, previous.assignments, settings, previous.cluster_state)
    inputs = inputs.with_edges(np.zeros(len(inputs.pairs), bool))
    release_freed_memory()
    clusters = name_clusters(
        table["face_id"], clustered.labels, previous.assignments, previous.highest_cluster, previous.split_names
    )
    rows = _assignment_rows(table["face_id"], indexed, known, clustered, clusters)
    probability = match_probability(inputs, known.persons, clustered.labels)
    probability[indexed.confirmed >= 0] = np.nan
    rows = rows.with_columns(pl.Series("assignment_probability", probability).fill_nan(None)).cast(ASSIGNMENTS)
    rows = faces.table.select("face_id").join(rows, on="face_id", how="left", maintain_order="left")
    release_freed_memory()
    candidates = None if people.candidates is None else people.candidates.to_frame(table["face_id"])
    scores = None if people.pair_scores is None else people.pair_scores.to_frame()
    terms = None if similarity is None or similarity.terms is None else similarity.terms.to_frame()
    return AssignmentResult(rows, clustered.state, candidates, scores, terms)


def _assignment_rows(
    face_ids: pl.Series,
    constraints: IndexedConstraints,
    known: FaceAssignments,
    clustered: ClusteringResult,
    clusters: pl.Series,
) -> pl.DataFrame:
    """ASSIGNMENTS but for the probability, a row for each face id: of its person if it has one, else of its cluster."""
    persons = pl.Series(["", *constraints.persons])[known.persons + 1].replace("", None)
    found = pl.DataFrame(
        {
            "face_id": face_ids,
            "cluster": clusters,
            "person_id": persons,
            "person_score": known.scores,
            "margin": known.margins,
            "cluster_score": clustered.scores,
            "person_reason": known.reasons,
            "cluster_reason": clustered.reasons,
            "left_out": constraints.left_out,
        }
    )
    has_person = pl.col("person_id").is_not_null()
    cluster = (
        pl.when(has_person).then(pl.format("person_{}", "person_id")).otherwise(pl.coalesce("cluster", noise_id()))
    )
    score = pl.when(has_person).then("person_score").otherwise("cluster_score").fill_nan(None)
    reason = (
        pl.when("left_out")
        .then(pl.lit("not a face, or not to be used"))
        .otherwise(pl.when(has_person).then("person_reason").otherwise("cluster_reason"))
    )
    return found.select(
        "face_id",
        cluster.alias("cluster_id"),
        "person_id",
        score.alias("assignment_score"),
        reason.alias("assignment_reason"),
        pl.when(has_person).then("margin").fill_nan(None).alias("assignment_margin"),
    )


def match_probability(inputs: ClusteringInput, persons: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The probability that each face belongs to its person or cluster, by its similarity to the other faces there.

    Args:
        inputs: The n faces, with the similarity model and its calibration.
        persons: (n,) int64, the person of each face, -1 for none.
        clusters: (n,) int64, the cluster of each face, -1 for none; the person counts first.

    Returns:
        (n,) float64; NaN for a face without others, and where the archive shows too few people.
    """
    fitted = inputs.similarity
    if fitted is None or fitted.calibration is None:
        return np.full(len(inputs), np.nan)
    labels = np.where(persons >= 0, persons, np.where(clusters >= 0, clusters + persons.max(initial=-1) + 1, -1))
    terms = fitted.terms or KnownTerms()
    similarities = terms.similarity_in_groups(fitted.model, inputs.vectors, inputs.years, labels)
    return fitted.calibration.probability(similarities)
