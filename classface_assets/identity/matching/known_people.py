"""Assigning faces to known people: labelled faces, faces that match them, and groups that continue a person."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import IndexedConstraints, forbidden_pairs
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.candidate_cache import (
    COMPARED_ONE_BY_ONE,
    KnownCandidates,
    candidate_keys,
    joined_candidates,
    person_keys,
    search_key,
    still_valid,
    with_changed_people,
)
from classface_assets.identity.matching.candidates import QueryFaces, find_candidates, find_candidates_among
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.matches import FaceAssignments, match_known_people, similarity_reasons
from classface_assets.identity.matching.pair_scores import PairScores
from classface_assets.identity.matching.propagation import KnownComparisons, propagate_to_clusters
from classface_assets.identity.matching.prototypes import Prototypes, build_prototypes
from classface_assets.identity.settings import AssignmentSettings

LABELLED_REASON = "labelled"
IMPLIED_REASON = "marked as the same person as a labelled face"


@dataclass(frozen=True)
class KnownPeople:
    """The faces of known people, and what the next run may build on."""

    assignments: FaceAssignments
    """Of all faces."""
    candidates: KnownCandidates | None
    """Of the faces that nobody labelled; None where they were compared with nobody."""
    pair_scores: PairScores | None = None
    """Of groups of unknown faces for known people; None where no groups were compared."""


def assign_known_people(
    inputs: ClusteringInput,
    constraints: IndexedConstraints,
    settings: AssignmentSettings,
    before: KnownCandidates | None = None,
    scores_before: PairScores | None = None,
) -> KnownPeople:
    """The person of each face, as far as it is a known one.

    A labelled face never moves; rejected persons are never assigned. With `include_identified` only labels and
    must-links count.

    Args:
        inputs: All faces.
        constraints: On these faces, row by row.
        settings: Strategy and thresholds.
        before: Candidates that an earlier run found.
        scores_before: Scores of groups that an earlier run computed.
    """
    assignments = _labelled_assignments(constraints)
    if settings.include_identified or not constraints.persons:
        return KnownPeople(assignments, None)
    prototypes = labelled_prototypes(inputs, constraints, settings)
    margins = margin_rule(prototypes, constraints.siblings, settings)
    known = _find_candidates(inputs, constraints, prototypes, settings, before)
    found = match_known_people(constraints.photos, known.found, margins, settings)
    matched = FaceAssignments(found.persons, found.scores, found.margins, similarity_reasons(found))
    assignments, scores = assignments.updated(found.faces, matched), None
    if settings.propagation and settings.assign == "prototype":
        comparisons = KnownComparisons(known, scores_before)
        assignments, scores = propagate_to_clusters(assignments, inputs, constraints, comparisons, margins, settings)
    return KnownPeople(_separate_cannot_links(assignments, constraints), known, scores)


def _find_candidates(
    inputs: ClusteringInput,
    constraints: IndexedConstraints,
    prototypes: Prototypes,
    settings: AssignmentSettings,
    before: KnownCandidates | None,
) -> KnownCandidates:
    """The candidates of all faces that nobody labelled; what is known of them is not searched again."""
    owners = constraints.owners
    forbidden = forbidden_pairs(constraints, owners)
    presence = RosterPresence(constraints.enrolled, settings.roster_absence_penalty * settings.person_margin)
    queries = QueryFaces(np.flatnonzero((owners < 0) & ~constraints.left_out), inputs.vectors, inputs.years)
    people = person_keys(prototypes, constraints.persons, presence)
    keys = candidate_keys(queries, forbidden, constraints.persons, search_key(people, settings, presence))

    places, known = np.full(len(keys), -1), before
    if before is not None:
        known, places = still_valid(before, keys, people)
    is_known = places >= 0
    others = replace(queries, rows=queries.rows[~is_known])
    found = find_candidates(others, prototypes, forbidden, settings, presence)
    if known is not None and is_known.any():
        found = joined_candidates(queries, known.found, places, found)
        is_new = ~np.isin(people, known.people)
        if settings.assign in COMPARED_ONE_BY_ONE and is_new.any():
            same = replace(queries, rows=queries.rows[is_known])
            changed = find_candidates_among(is_new, same, prototypes, forbidden, settings, presence)
            found = found.updated(is_known, with_changed_people(found.of(is_known), changed))
    return KnownCandidates(keys, found, np.where(found.persons < 0, np.uint64(0), people[found.persons]))


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
