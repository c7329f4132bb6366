"""First the people that are known: labelled faces, faces like them, and groups of faces that continue a person."""

from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import IndexedConstraints, forbidden_pairs
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.candidates import find_candidates
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.matches import FaceAssignments, match_known_people, similarity_reasons
from classface_assets.identity.matching.propagation import propagate_to_clusters
from classface_assets.identity.matching.prototypes import Prototypes, build_prototypes
from classface_assets.identity.settings import AssignmentSettings

LABELLED_REASON = "labelled"
IMPLIED_REASON = "said to be the same as a labelled face"


def assign_known_people(
    material: ClusteringInput, rules: IndexedConstraints, settings: AssignmentSettings
) -> FaceAssignments:
    """Who each face is, as far as it is somebody known. A labelled face never moves; rejected pairs never come true.

    With `include_identified` only what people said counts.
    """
    named = _labelled_assignments(rules)
    if settings.include_identified or not rules.persons:
        return named
    owners = rules.owners
    prototypes = labelled_prototypes(material, rules, settings)
    needed = margin_rule(prototypes, rules.siblings, settings)
    rest = np.flatnonzero((owners < 0) & ~rules.left_out)
    roster = RosterPresence(rules.enrolled, settings.absence * settings.person_margin)
    listed = find_candidates(
        rest, material.vectors, material.years, prototypes, forbidden_pairs(rules, owners), settings, roster
    )
    found = match_known_people(rest, rules.photos, listed, needed, settings)
    reasons = similarity_reasons(found.scores, found.support, found.margins)
    named = named.told(found.faces, found.persons, found.scores, found.margins, reasons)
    if settings.follow_years and settings.assign == "prototype":
        named = propagate_to_clusters(named, material, rules, rest, listed, needed, settings)
    return _separate_cannot_links(named, rules)


def labelled_prototypes(
    material: ClusteringInput, rules: IndexedConstraints, settings: AssignmentSettings
) -> Prototypes:
    """knn compares with every labelled face, the other methods with the best ones and their mean. A portrait that a
    person was enrolled with counts as one more labelled face, the best, of an unknown year."""
    known = np.flatnonzero(rules.owners >= 0)
    portraits = len(rules.portrait_persons)
    exemplars = len(known) + portraits if settings.assign == "knn" else settings.person_exemplars
    made = build_prototypes(
        np.concatenate([material.vectors[known], rules.portrait_vectors.reshape(portraits, material.vectors.shape[1])]),
        np.append(material.years[known], np.full(portraits, np.nan)),
        np.append(material.quality[known], np.ones(portraits)),
        np.append(rules.owners[known], rules.portrait_persons),
        len(rules.persons),
        exemplars,
    )
    made = replace(made, faces=np.append(known, np.full(portraits + 1, -1))[made.faces])
    return made.only(~made.centroid) if settings.assign == "knn" else made


def _labelled_assignments(rules: IndexedConstraints) -> FaceAssignments:
    owners = rules.owners
    reasons = pl.select(
        pl.when(pl.lit(rules.confirmed >= 0))
        .then(pl.lit(LABELLED_REASON))
        .when(pl.lit(owners >= 0))
        .then(pl.lit(IMPLIED_REASON))
    ).to_series()
    scores = np.where(owners >= 0, 1.0, np.nan).astype(np.float32)
    return FaceAssignments(owners, scores, np.full(len(owners), np.nan, np.float32), reasons)


def _separate_cannot_links(named: FaceAssignments, rules: IndexedConstraints) -> FaceAssignments:
    """Of two faces that cannot be one person but both went to the same one, the less sure is nobody's."""
    a, b = rules.cannot_link[:, 0], rules.cannot_link[:, 1]
    same = (named.persons[a] >= 0) & (named.persons[a] == named.persons[b])
    pair = rules.cannot_link[same]
    loser = np.where(named.scores[pair[:, 0]] < named.scores[pair[:, 1]], pair[:, 0], pair[:, 1])
    loser = loser[rules.owners[loser] < 0]
    return named.without(np.unique(loser)) if len(loser) else named
