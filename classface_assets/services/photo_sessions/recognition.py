"""Clustering and naming the faces of a selection of photos, for these faces alone: a proposal, or stored as labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.core.names import normalize_name
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, clustering_input
from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.identity.cluster_split import MAX_NEIGHBOURS
from classface_assets.services.identity.face_matching import FaceMatch, FaceVectors, match_faces
from classface_assets.store.ledger.ledger import Ledger


@dataclass(frozen=True)
class FaceGroups:
    """The groups of faces that are one person each.

    Attributes:
        groups: Face ids of each, the largest group first.
        noise: Face ids that are in none.
    """

    groups: tuple[tuple[str, ...], ...]
    noise: tuple[str, ...]


def unknown_faces(faces: pl.DataFrame, include_identified: bool = False) -> pl.DataFrame:
    """The faces that are clustered: those without a person, and on request those matched but not labelled."""
    unnamed = pl.col("person_id").is_null()
    return faces.filter(unnamed | ~pl.col("confirmed") if include_identified else unnamed)


def cluster_selection(
    view: ArchiveView, vectors: FaceVectors, faces: pl.DataFrame, settings: AssignmentSettings
) -> FaceGroups:
    """Cluster faces by themselves, with what people said of them.

    Args:
        view: The archive.
        vectors: Of its faces.
        faces: Rows of `view.faces`.
        settings: Method and thresholds; `max_clusters` and `similarity_threshold` count too.

    Returns:
        The groups; faces without a vector are in none.
    """
    table = vectors.join(faces.sort("face_id"))
    if table.height < 2:
        return FaceGroups((), tuple(table["face_id"]))
    own = vectors.of(table)
    graph = build_graph(table["face_id"], own, min(MAX_NEIGHBOURS, len(own) - 1))
    constraints = index_constraints(table["face_id"], table["asset_id"], view.constraints)
    inputs = clustering_input(EmbeddedFaces(table, own, graph), constraints)
    inputs = replace(inputs, sample=stable_sample(vectors.vectors))
    inputs = inputs.with_edges(inputs.similarities >= settings.similarity_threshold)
    good = table["quality_score"].fill_null(0.0).to_numpy() >= settings.quality_threshold
    labels = np.full(len(own), -1, np.int64)
    labels[good] = cluster(inputs.subset(good), settings) if good.any() else -1
    sizes = np.bincount(labels[labels >= 0])
    order = np.lexsort((np.arange(len(sizes)), -sizes))[: settings.max_clusters or None]
    ids = table["face_id"]
    groups = tuple(tuple(ids.gather(np.flatnonzero(labels == number))) for number in order)
    return FaceGroups(groups, tuple(ids.filter(pl.Series(~np.isin(labels, order)))))


def match_selection(
    view: ArchiveView,
    vectors: FaceVectors,
    portraits: Mapping[str, np.ndarray],
    faces: pl.DataFrame,
    settings: AssignmentSettings,
) -> list[FaceMatch]:
    """Match those of the faces that have no label with the named people."""
    return match_faces(view, vectors, portraits, faces.filter(~pl.col("confirmed"))["face_id"].to_list(), settings)


def store_matches(ledger: Ledger, view: ArchiveView, matches: Sequence[FaceMatch]) -> tuple[int, ...]:
    """Label the matched faces with their people, by `match`; returns the events, by which it is undone."""
    by_person: dict[str, list[str]] = {}
    for match in matches:
        if match.person_id is not None:
            by_person.setdefault(match.person_id, []).append(match.face_id)
    named = [(person, view.face_refs(faces)) for person, faces in by_person.items()]
    return ledger.label_groups(named, "match").events if named else ()


def create_students(ledger: Ledger, view: ArchiveView, title: str, found: FaceGroups) -> tuple[int, ...]:
    """Make a person of each group, called by the title and a number; returns the events, by which it is undone."""
    taken = {normalize_name(person.name) for person in view.decisions.persons.values()}
    named, number = [], 0
    for group in found.groups:
        number += 1
        while normalize_name(f"{title} {number}") in taken:
            number += 1
        named.append((f"{title} {number}", view.face_refs(group)))
    return ledger.label_groups(named, "cluster").events if named else ()
