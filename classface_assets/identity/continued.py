"""Groups of faces that nobody got by themselves, each given to the person whose faces, or portrait, it continues."""

from dataclasses import replace

import numpy as np

from classface_assets.identity.clustering import cluster
from classface_assets.identity.crowding import crowding, strangers
from classface_assets.identity.enrolment import Enrolment
from classface_assets.identity.follow import Chase, Demands, follow
from classface_assets.identity.forbidden import forbidden
from classface_assets.identity.gaps import Gaps
from classface_assets.identity.margins import Margins
from classface_assets.identity.material import Material
from classface_assets.identity.measuring import measure_archive
from classface_assets.identity.named import Named, by_group
from classface_assets.identity.rules import Rules
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.shortlist import Shortlist
from classface_assets.identity.stragglers import join_people


def continue_people(
    named: Named,
    material: Material,
    rules: Rules,
    rest: np.ndarray,
    listed: Shortlist,
    needed: Margins,
    settings: AssignmentSettings,
) -> Named:
    """Who the faces are when groups of those that nobody got go to the person whose faces, or portrait, they continue.

    rest (f,): the faces that nobody labelled, and `listed` the shortlist of each.
    """
    unknown = np.flatnonzero((named.persons < 0) & ~rules.left_out)
    if not len(unknown):
        return named
    groups = _groups_of(unknown, material, settings)
    likely = np.column_stack([np.repeat(groups[rest], listed.persons.shape[1]), listed.persons.ravel()])
    barred = forbidden(rules, named.persons)
    measured = material.measured or measure_archive(material, settings)
    portraits = len(rules.portrayed)
    none = np.full(portraits, -1)
    every = np.concatenate([material.vectors, rules.enrolled_with]) if portraits else material.vectors
    vectors = measured.told.space(every).vectors
    chase = Chase(
        vectors,
        np.append(material.years, np.full(portraits, np.nan)),
        np.append(rules.photos, rules.photos.max(initial=0) + 1 + np.arange(portraits)),
        crowding(vectors, vectors[strangers(groups, named.persons)]),
        np.append(named.persons, rules.portrayed),
        np.append(rules.owners, none),
        np.append(groups, none),
        len(rules.persons),
        material.pairs,
        _of_groups(groups, barred),
        Enrolment(rules.enrolled, settings.absence * settings.follow_margin),
    )
    wider = replace(needed, usual=settings.follow_margin, alike=1.5 * settings.follow_margin)
    demands = Demands(
        settings.follow_threshold,
        settings.follow_far,
        settings.follow_size,
        wider.between,
        Gaps(settings.follow_fade_years, 0.0),
    )
    found = follow(chase, likely[(likely >= 0).all(axis=1)], demands)
    rows = unknown[found.persons[groups[unknown]] >= 0]
    person, group = found.persons[groups[rows]], groups[rows]
    sizes = np.bincount(groups[unknown])
    scores = np.einsum("ij,ij->i", material.vectors[rows], needed.centres[person])
    reasons = by_group(sizes[group], found.scores[group], found.margins[group])
    named = named.told(rows, person, scores, reasons)
    return join_people(named, groups, material, rules, needed, settings) if settings.follow_single else named


def _groups_of(unknown: np.ndarray, material: Material, settings: AssignmentSettings) -> np.ndarray:
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


def _of_groups(groups: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """What may not be of a face may not be of its group."""
    inside = barred[groups[barred[:, 0]] >= 0]
    return np.column_stack([groups[inside[:, 0]], inside[:, 1]])
