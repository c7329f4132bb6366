"""Propagating names to whole groups of unknown faces, each to the person whose faces or portrait it continues.

After that single faces have a second chance: a mean over all faces of a person is hard on a blurred or turned face,
which is near only to similar ones. Unknown clusters give such faces a second chance; so do people.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.clustering.temporal import attach_singletons
from classface_assets.identity.constraints.enrolment import RosterPresence
from classface_assets.identity.constraints.rules import IndexedConstraints, forbidden_pairs
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.candidate_cache import KnownCandidates
from classface_assets.identity.matching.margins import MarginRule
from classface_assets.identity.matching.matches import FaceAssignments, propagation_reasons, two_nearest_reasons
from classface_assets.identity.matching.pair_scores import (
    ComparedFaces,
    PairScores,
    PropagationProblem,
    PropagationThresholds,
    face_hashes,
)
from classface_assets.identity.matching.tracking import propagate_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.hubness import sample_strangers
from classface_assets.identity.similarity.space import ProjectedRows, SimilarityModel
from classface_assets.identity.similarity.year_decay import YearDecay

NAME_MARGIN_FACTOR = 1.5
"""A name takes this many times the lead that joining an unknown cluster takes."""


@dataclass(frozen=True)
class KnownComparisons:
    """What was found by comparing faces and groups with known people."""

    candidates: KnownCandidates
    """Of single faces."""
    pair_scores: PairScores | None
    """Of groups; None where there are none."""


def propagate_to_clusters(
    assignments: FaceAssignments,
    inputs: ClusteringInput,
    constraints: IndexedConstraints,
    known: KnownComparisons,
    margins: MarginRule,
    settings: AssignmentSettings,
) -> tuple[FaceAssignments, PairScores | None]:
    """Assign groups of unknown faces to the person whose faces, or portrait, they continue.

    Args:
        assignments: What matching each face by itself has given.
        inputs: All faces.
        constraints: On these faces, row by row.
        known: The candidates of the faces that nobody labelled, and scores of groups that an earlier run computed.
        margins: Centres of people, and which people are siblings.
        settings: Thresholds of propagation.

    Returns:
        The assignments with those of the groups; and the scores of groups for the next run.
    """
    unknown = np.flatnonzero((assignments.persons < 0) & ~constraints.left_out)
    candidates = known.candidates.found
    if not len(unknown):
        return assignments, None
    groups = _group_unknown(unknown, inputs, settings)
    problem = _propagation_problem(assignments, groups, inputs, constraints, settings)
    wider = replace(margins, usual=settings.propagation_margin, lookalike=1.5 * settings.propagation_margin)
    thresholds = PropagationThresholds(
        threshold=settings.propagation_threshold,
        gap_penalty=settings.propagation_gap_penalty,
        size_penalty=settings.propagation_size_penalty,
        min_lead=wider.between,
        decay=YearDecay(settings.propagation_year_decay, 0.0),
    )
    of_faces = np.repeat(groups[candidates.faces], candidates.persons.shape[1])
    likely = np.column_stack([of_faces, candidates.persons.ravel()])
    found = propagate_identities(problem, likely[(likely >= 0).all(axis=1)], thresholds, known.pair_scores)
    rows = unknown[found.persons[groups[unknown]] >= 0]
    group = groups[rows]
    person, sizes = found.persons[group], np.bincount(groups[unknown])
    continued = FaceAssignments(
        persons=person,
        scores=np.einsum("ij,ij->i", inputs.vectors[rows], margins.centres[person]),
        margins=found.margins[group],
        reasons=propagation_reasons(sizes[group], found.scores[group], found.margins[group]),
    )
    assignments = assignments.updated(rows, continued)
    if settings.propagation_single:
        assignments = attach_singletons_to_people(assignments, groups, inputs, constraints, margins, settings)
    return assignments, found.pair_scores


def attach_singletons_to_people(
    assignments: FaceAssignments,
    groups: np.ndarray,
    inputs: ClusteringInput,
    constraints: IndexedConstraints,
    margins: MarginRule,
    settings: AssignmentSettings,
) -> FaceAssignments:
    """Let single faces join the person who has their two most similar faces: see `attach_singletons`.

    Two most similar faces do not separate siblings, nor outweigh a roster or a rejection: there nobody joins.

    Args:
        assignments: What matching and propagation have given.
        groups: (n,) int64, the groups of the faces that were unknown before propagation, -1 for the others.
        inputs: All faces.
        constraints: On these faces, row by row.
        margins: Centres of people.
        settings: Thresholds for single faces.
    """
    people, known = len(constraints.persons), assignments.persons >= 0
    own = people + groups.max(initial=-1) + 1 + np.arange(len(groups))
    holder = np.select([known, groups >= 0], [assignments.persons, people + groups], own)
    _, first, place = np.unique(holder, return_index=True, return_inverse=True)
    before = first[place.ravel()]
    lead, movable = NAME_MARGIN_FACTOR * settings.attach_margin, (groups >= 0) & ~known
    joined = attach_singletons(before, inputs, settings.attach_threshold, lead, movable=movable)
    rows = np.flatnonzero((joined != before) & known[joined])
    persons = assignments.persons[joined[rows]]
    rejected = np.isin(rows * people + persons, constraints.rejected @ [people, 1])
    doubtful = np.isin(persons, constraints.siblings) | rejected
    presence = RosterPresence(constraints.enrolled, settings.roster_absence_penalty)
    if presence:
        doubtful |= presence.absent(persons, inputs.years[rows])
    rows, persons = rows[~doubtful], persons[~doubtful]
    scores = np.einsum("ij,ij->i", inputs.vectors[rows], margins.centres[persons])
    no_margin = np.full(len(rows), np.nan, np.float32)
    return assignments.updated(rows, FaceAssignments(persons, scores, no_margin, two_nearest_reasons(scores)))


def _propagation_problem(
    assignments: FaceAssignments,
    groups: np.ndarray,
    inputs: ClusteringInput,
    constraints: IndexedConstraints,
    settings: AssignmentSettings,
) -> PropagationProblem:
    """The faces, and after them the portraits, each as a face of its person in a photo of its own."""
    model = (inputs.similarity or fit_archive_similarity(inputs, settings)).model
    portraits = len(constraints.portrait_persons)
    no_person = np.full(portraits, -1)
    every = np.concatenate([inputs.vectors, constraints.portrait_vectors]) if portraits else inputs.vectors
    years = np.append(inputs.years, np.full(portraits, np.nan))
    made_of, strangers = face_hashes(every, years), sample_strangers(groups, assignments.persons)
    penalty = settings.roster_absence_penalty * settings.propagation_margin
    return PropagationProblem(
        faces=ComparedFaces(ProjectedRows(model, every), strangers),
        made_of=made_of,
        years=years,
        photos=np.append(constraints.photos, constraints.photos.max(initial=0) + 1 + np.arange(portraits)),
        owners=np.append(assignments.persons, constraints.portrait_persons),
        labelled=np.append(constraints.owners, no_person),
        groups=np.append(groups, no_person),
        persons=len(constraints.persons),
        edges=inputs.pairs,
        forbidden=_forbidden_for_groups(groups, forbidden_pairs(constraints, assignments.persons)),
        key=_space_key(model, made_of[strangers]),
        presence=RosterPresence(constraints.enrolled, penalty),
    )


def _space_key(model: SimilarityModel, strangers: np.ndarray) -> bytes:
    """What the vectors and the hubness of all faces depend on. strangers: hashes of the faces of the cohort."""
    digest = hashlib.blake2b(repr((model.share, model.slope)).encode(), digest_size=16)
    normalisation = model.normalisation
    for array in () if normalisation is None else (normalisation.mean, normalisation.matrix):
        digest.update(array.tobytes())
    digest.update(strangers.tobytes())
    return digest.digest()


def _group_unknown(unknown: np.ndarray, inputs: ClusteringInput, settings: AssignmentSettings) -> np.ndarray:
    """The group of each unknown face (rows), (n,) int64 from 0; a single face is a group; -1 for the other faces."""
    strict = replace(
        settings,
        method="temporal",
        cluster_threshold=settings.propagation_group_threshold,
        attach_threshold=2.0,
        min_cluster_size=2,
    )
    labels = cluster(inputs.subset(unknown), strict)
    single = labels < 0
    labels[single] = labels.max(initial=-1) + 1 + np.arange(int(single.sum()))
    groups = np.full(len(inputs), -1, np.int64)
    groups[unknown] = np.unique(labels, return_inverse=True)[1]
    return groups


def _forbidden_for_groups(groups: np.ndarray, forbidden: np.ndarray) -> np.ndarray:
    """What a face may not be its group may not be: (q, 2) group and person, from face row and person."""
    inside = forbidden[groups[forbidden[:, 0]] >= 0]
    return np.column_stack([groups[inside[:, 0]], inside[:, 1]])
