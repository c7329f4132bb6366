"""The word on every face: a known person, a numbered cluster of an unknown one, or noise.

The order of things is here; how people are known is in `supervised`, how the unknown are grouped in `unsupervised`, how
numbers stay in `numbering`, what people said in `spoken`, the thresholds in `settings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import polars as pl

from classface_assets.core.face_constraints import FaceConstraints
from classface_assets.core.schemas import ASSIGNMENTS, noise_id
from classface_assets.identity.clustering.cluster_ids import name_clusters
from classface_assets.identity.clustering.incremental import ClusterState
from classface_assets.identity.clustering.unknown_faces import cluster_unknown_faces
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs_from_frames import clustering_input, load_or_fit_similarity, sort_by_face_id
from classface_assets.identity.matching.known_people import assign_known_people
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity


@dataclass(frozen=True)
class AssignmentResult:
    """ASSIGNMENTS, and the groups of the unknown that the next run may build on, if it may."""

    rows: pl.DataFrame
    standing: ClusterState | None


def assign_faces(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    graph: KnnGraph,
    said: FaceConstraints,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
    highest: int = 0,
    renamed: Mapping[str, str] = MappingProxyType({}),
    measured: FittedSimilarity | None = None,
) -> pl.DataFrame:
    """What `assign_upon` gives without groups of before: all unknown faces are grouped anew."""
    return assign_identities(None, faces, vectors, graph, said, previous, settings, highest, renamed, measured).rows


def assign_identities(
    standing: ClusterState | None,
    faces: pl.DataFrame,
    vectors: np.ndarray,
    graph: KnnGraph,
    said: FaceConstraints,
    previous: pl.DataFrame,
    settings: AssignmentSettings,
    highest: int = 0,
    renamed: Mapping[str, str] = MappingProxyType({}),
    measured: FittedSimilarity | None = None,
) -> AssignmentResult:
    """ASSIGNMENTS, one row for each row of `faces`, in its order.

    faces: FACES, with taken_at and path of the photo where settings ask for a month or for events; vectors (n, d) unit
    float32, row by row with faces; graph: of these faces (others in it are left out); said: what people said;
    previous: ASSIGNMENTS of the run before, for its cluster numbers, possibly empty; highest: the greatest number ever
    given to a cluster; renamed: face id -> what a split calls its former cluster; measured: what
    `measured_of` gave for these faces, or for nearly these in a run before; without it these are measured; standing:
    the groups of the run before, that few new faces are to join; None: all unknown faces are grouped anew.
    Nothing depends on the order of the rows. Raises AssignmentError when faces and vectors differ in number.
    """
    if not len(faces) and not len(vectors):
        return AssignmentResult(pl.DataFrame(schema=ASSIGNMENTS), None)
    table, held = sort_by_face_id(faces, vectors)
    rules = index_constraints(table["face_id"], table["asset_id"], said)
    if measured is None and (settings.method == "temporal" or rules.persons):
        measured = load_or_fit_similarity(table, held, graph, settings)
    material = replace(clustering_input(table, held, graph, rules), measured=measured)
    named = assign_known_people(material, rules, settings)
    unknown = (named.persons < 0) & ~rules.left_out
    grouped = cluster_unknown_faces(material, table, unknown, previous, settings, standing)
    clusters = name_clusters(table["face_id"], grouped.labels, previous, highest, renamed)
    persons = pl.Series(["", *rules.persons])[named.persons + 1].replace("", None)
    found = pl.DataFrame(
        {
            "face_id": table["face_id"],
            "cluster": clusters,
            "person_id": persons,
            "named_score": named.scores,
            "score": grouped.scores,
            "margin": named.margins,
            "named_reason": named.reasons,
            "reason": grouped.reasons,
            "left_out": rules.left_out,
        }
    )
    columns = ("face_id", _cluster_id(), "person_id", _score(), _reason(), _margin())
    rows = found.select(*columns).cast(ASSIGNMENTS)
    rows = faces.select("face_id").join(rows, on="face_id", how="left", maintain_order="left")
    return AssignmentResult(rows, grouped.standing)


def _cluster_id() -> pl.Expr:
    noise = noise_id()
    person = pl.when(pl.col("person_id").is_not_null()).then(pl.format("person_{}", "person_id"))
    return person.otherwise(pl.coalesce("cluster", noise)).alias("cluster_id")


def _score() -> pl.Expr:
    named = pl.col("person_id").is_not_null()
    return pl.when(named).then("named_score").otherwise("score").fill_nan(None).alias("assignment_score")


def _reason() -> pl.Expr:
    out = pl.when(pl.col("left_out")).then(pl.lit("not a face, or not to be used"))
    named = pl.when(pl.col("person_id").is_not_null()).then("named_reason").otherwise("reason")
    return out.otherwise(named).alias("assignment_reason")


def _margin() -> pl.Expr:
    named = pl.col("person_id").is_not_null()
    return pl.when(named).then("margin").fill_nan(None).alias("assignment_margin")
