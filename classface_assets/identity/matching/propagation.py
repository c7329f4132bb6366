"""Groups of faces that nobody got by themselves, each given to the person whose faces, or portrait, it continues.

Faces that nobody got and that are like no other unknown face: some are a known person's, seen badly.

An average over all faces of a person is hard on a blurred or turned face, which is near only to its likes. Unknown
clusters give such faces a second chance; so do people.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.clustering.temporal import attach_singletons
from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import IndexedConstraints, forbidden_pairs
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.candidates import CandidateList
from classface_assets.identity.matching.margins import MarginRule
from classface_assets.identity.matching.matches import FaceAssignments, propagation_reasons, two_nearest_reasons
from classface_assets.identity.matching.tracking import PropagationProblem, PropagationThresholds, propagate_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.hubness import hubness, sample_strangers
from classface_assets.identity.similarity.year_decay import YearDecay

NAME_MARGIN_FACTOR = 1.5
"""A name takes so many times the lead that joining an unknown cluster takes."""


def attach_singletons_to_people(
    named: FaceAssignments,
    groups: np.ndarray,
    material: ClusteringInput,
    rules: IndexedConstraints,
    needed: MarginRule,
    settings: AssignmentSettings,
) -> FaceAssignments:
    """Who the faces are when one that is alone joins the person who has its two likest faces, if these are like enough
    and lead all other people and all groups: see `join_leftovers`.

    groups (n,): of the faces that were unknown, -1 for the others. Two likest faces do not tell siblings apart, nor
    outweigh a roster or somebody's no: there nobody joins.
    """
    people, known = len(rules.persons), named.persons >= 0
    own = people + groups.max(initial=-1) + 1 + np.arange(len(groups))
    company = np.select([known, groups >= 0], [named.persons, people + groups], own)
    _, first, place = np.unique(company, return_index=True, return_inverse=True)
    of = first[place.ravel()]
    lead, unknown = NAME_MARGIN_FACTOR * settings.attach_margin, (groups >= 0) & ~known
    joined = attach_singletons(of, material, settings.attach_threshold, lead, open_to=unknown)
    rows = np.flatnonzero((joined != of) & known[joined])
    persons = named.persons[joined[rows]]
    doubtful = np.isin(persons, rules.siblings) | np.isin(rows * people + persons, rules.rejected @ [people, 1])
    roster = RosterPresence(rules.enrolled, settings.absence)
    if roster:
        doubtful |= roster.absent(persons, material.years[rows])
    rows, persons = rows[~doubtful], persons[~doubtful]
    scores = np.einsum("ij,ij->i", material.vectors[rows], needed.centres[persons])
    unmeasured = np.full(len(rows), np.nan)
    return named.told(rows, persons, scores, unmeasured, two_nearest_reasons(pl.Series(scores)))


def propagate_to_clusters(
    named: FaceAssignments,
    material: ClusteringInput,
    rules: IndexedConstraints,
    rest: np.ndarray,
    listed: CandidateList,
    needed: MarginRule,
    settings: AssignmentSettings,
) -> FaceAssignments:
    """Who the faces are when groups of those that nobody got go to the person whose faces, or portrait, they continue.

    rest (f,): the faces that nobody labelled, and `listed` the shortlist of each.
    """
    unknown = np.flatnonzero((named.persons < 0) & ~rules.left_out)
    if not len(unknown):
        return named
    groups = _group_unknown(unknown, material, settings)
    likely = np.column_stack([np.repeat(groups[rest], listed.persons.shape[1]), listed.persons.ravel()])
    barred = forbidden_pairs(rules, named.persons)
    measured = material.measured or fit_archive_similarity(material, settings)
    portraits = len(rules.portrait_persons)
    none = np.full(portraits, -1)
    every = np.concatenate([material.vectors, rules.portrait_vectors]) if portraits else material.vectors
    vectors = measured.told.space(every).vectors
    chase = PropagationProblem(
        vectors,
        np.append(material.years, np.full(portraits, np.nan)),
        np.append(rules.photos, rules.photos.max(initial=0) + 1 + np.arange(portraits)),
        hubness(vectors, vectors[sample_strangers(groups, named.persons)]),
        np.append(named.persons, rules.portrait_persons),
        np.append(rules.owners, none),
        np.append(groups, none),
        len(rules.persons),
        material.pairs,
        _forbidden_for_groups(groups, barred),
        RosterPresence(rules.enrolled, settings.absence * settings.follow_margin),
    )
    wider = replace(needed, usual=settings.follow_margin, alike=1.5 * settings.follow_margin)
    demands = PropagationThresholds(
        settings.follow_threshold,
        settings.follow_far,
        settings.follow_size,
        wider.between,
        YearDecay(settings.follow_fade_years, 0.0),
    )
    found = propagate_identities(chase, likely[(likely >= 0).all(axis=1)], demands)
    rows = unknown[found.persons[groups[unknown]] >= 0]
    person, group = found.persons[groups[rows]], groups[rows]
    sizes = np.bincount(groups[unknown])
    scores = np.einsum("ij,ij->i", material.vectors[rows], needed.centres[person])
    reasons = propagation_reasons(sizes[group], found.scores[group], found.margins[group])
    named = named.told(rows, person, scores, found.margins[group], reasons)
    return (
        attach_singletons_to_people(named, groups, material, rules, needed, settings)
        if settings.follow_single
        else named
    )


def _group_unknown(unknown: np.ndarray, material: ClusteringInput, settings: AssignmentSettings) -> np.ndarray:
    """Group of each face, (n,) from 0: of the unknown ones (row numbers), with every face that is alone a group of its
    own; -1 for the others."""
    strict = replace(
        settings,
        method="temporal",
        cluster_threshold=settings.follow_group_threshold,
        attach_threshold=2.0,
        min_cluster_size=2,
    )
    labels = cluster(material.subset(unknown), strict)
    alone = labels < 0
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    groups = np.full(len(material), -1, np.int64)
    groups[unknown] = np.unique(labels, return_inverse=True)[1]
    return groups


def _forbidden_for_groups(groups: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """What may not be of a face may not be of its group."""
    inside = barred[groups[barred[:, 0]] >= 0]
    return np.column_stack([groups[inside[:, 0]], inside[:, 1]])
