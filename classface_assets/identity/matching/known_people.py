"""Assigning faces to known people: labelled faces, faces that match them, and groups that continue a person."""

from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import IndexedConstraints, forbidden_pairs
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.candidates import QueryFaces, find_candidates
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.matches import FaceAssignments, match_known_people, similarity_reasons
from classface_assets.identity.matching.propagation import propagate_to_clusters
from classface_assets.identity.matching.prototypes import Prototypes, build_prototypes
from classface_assets.identity.settings import AssignmentSettings

LABELLED_REASON = "labelled"
IMPLIED_REASON = "marked as the same person as a labelled face"


def assign_known_people(
    inputs: ClusteringInput, constraints: IndexedConstraints, settings: AssignmentSettings
) -> FaceAssignments:
    """The person of each face, as far as it is a known one.

    A labelled face never moves; rejected persons are never assigned. With `include_identified` only labels and
    must-links count.

    Args:
        inputs: All faces.
        constraints: On these faces, row by row.
        settings: Strategy and thresholds.
    """
    assignments = _labelled_assignments(constraints)
    if settings.include_identified or not constraints.persons:
        return assignments
    owners = constraints.owners
    prototypes = labelled_prototypes(inputs, constraints, settings)
    margins = margin_rule(prototypes, constraints.siblings, settings)
    unlabelled = np.flatnonzero((owners < 0) & ~constraints.left_out)
    presence = RosterPresence(constraints.enrolled, settings.roster_absence_penalty * settings.person_margin)
    queries = QueryFaces(unlabelled, inputs.vectors, inputs.years)
    candidates = find_candidates(queries, prototypes, forbidden_pairs(constraints, owners), settings, presence)
    found = match_known_people(constraints.photos, candidates, margins, settings)
    matched = FaceAssignments(found.persons, found.scores, found.margins, similarity_reasons(found))
    assignments = assignments.updated(found.faces, matched)
    if settings.propagation and settings.assign == "prototype":
        assignments = propagate_to_clusters(assignments, inputs, constraints, candidates, margins, settings)
    return _separate_cannot_links(assignments, constraints)


def labelled_prototypes(
    inputs: ClusteringInput, constraints: IndexedConstraints, settings: AssignmentSettings
) -> Prototypes:
    """The prototypes of all labelled people: every labelled face for knn, else the best ones and their mean.

    A portrait of a person counts as one more labelled face, the best, of an unknown year.
    """
    known = np.flatnonzero(constraints.owners >= 0)
    portraits = len(constraints.portrait_persons)
    portrait_vectors = constraints.portrait_vectors.reshape(portraits, inputs.vectors.shape[1])
    prototypes = build_prototypes(
        vectors=np.concatenate([inputs.vectors[known], portrait_vectors]),
        years=np.append(inputs.years[known], np.full(portraits, np.nan)),
        quality=np.append(inputs.quality[known], np.ones(portraits)),
        owners=np.append(constraints.owners[known], constraints.portrait_persons),
        persons=len(constraints.persons),
        exemplars=len(known) + portraits if settings.assign == "knn" else settings.person_exemplars,
    )
    prototypes = replace(prototypes, faces=np.append(known, np.full(portraits + 1, -1))[prototypes.faces])
    return prototypes.only(~prototypes.centroid) if settings.assign == "knn" else prototypes


def _labelled_assignments(constraints: IndexedConstraints) -> FaceAssignments:
    """The persons of labelled faces and of those that must-links tie to them."""
    owners = constraints.owners
    reasons = pl.select(
        pl.when(pl.lit(constraints.confirmed >= 0))
        .then(pl.lit(LABELLED_REASON))
        .when(pl.lit(owners >= 0))
        .then(pl.lit(IMPLIED_REASON))
    ).to_series()
    return FaceAssignments(
        persons=owners,
        scores=np.where(owners >= 0, 1.0, np.nan).astype(np.float32),
        margins=np.full(len(owners), np.nan, np.float32),
        reasons=reasons,
    )


def _separate_cannot_links(assignments: FaceAssignments, constraints: IndexedConstraints) -> FaceAssignments:
    """Of two faces that cannot be one person but both went to the same one, the less sure loses it."""
    persons, scores, cannot_link = assignments.persons, assignments.scores, constraints.cannot_link
    a, b = cannot_link[:, 0], cannot_link[:, 1]
    pair = cannot_link[(persons[a] >= 0) & (persons[a] == persons[b])]
    loser = np.where(scores[pair[:, 0]] < scores[pair[:, 1]], pair[:, 0], pair[:, 1])
    loser = loser[constraints.owners[loser] < 0]
    return assignments.without(np.unique(loser)) if len(loser) else assignments
