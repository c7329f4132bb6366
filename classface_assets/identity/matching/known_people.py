"""First the people that are known: labelled faces, faces like them, and groups of faces that continue a person."""

from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.identity.constraints.enrolment import Enrolment
from classface_assets.identity.constraints.rules import Rules, forbidden
from classface_assets.identity.inputs import Material
from classface_assets.identity.matching.candidates import shortlist
from classface_assets.identity.matching.margins import margins
from classface_assets.identity.matching.matches import Named, by_likeness, match_known
from classface_assets.identity.matching.propagation import continue_people
from classface_assets.identity.matching.prototypes import Prototypes, build_prototypes
from classface_assets.identity.settings import AssignmentSettings

LABELLED = "labelled"
IMPLIED = "said to be the same as a labelled face"


def name_known(material: Material, rules: Rules, settings: AssignmentSettings) -> Named:
    """Who each face is, as far as it is somebody known. A labelled face never moves; rejected pairs never come true.

    With `include_identified` only what people said counts.
    """
    named = _said(rules)
    if settings.include_identified or not rules.persons:
        return named
    owners = rules.owners
    prototypes = prototypes_of(material, rules, settings)
    needed = margins(prototypes, rules.siblings, settings)
    rest = np.flatnonzero((owners < 0) & ~rules.left_out)
    roster = Enrolment(rules.enrolled, settings.absence * settings.person_margin)
    listed = shortlist(rest, material.vectors, material.years, prototypes, forbidden(rules, owners), settings, roster)
    found = match_known(rest, rules.photos, listed, needed, settings)
    reasons = by_likeness(found.scores, found.support, found.margins)
    named = named.told(found.faces, found.persons, found.scores, reasons)
    if settings.follow_years and settings.assign == "prototype":
        named = continue_people(named, material, rules, rest, listed, needed, settings)
    return _parted(named, rules)


def prototypes_of(material: Material, rules: Rules, settings: AssignmentSettings) -> Prototypes:
    """knn compares with every labelled face, the other methods with the best ones and their mean. A portrait that a
    person was enrolled with counts as one more labelled face, the best, of an unknown year."""
    known = np.flatnonzero(rules.owners >= 0)
    portraits = len(rules.portrayed)
    exemplars = len(known) + portraits if settings.assign == "knn" else settings.person_exemplars
    made = build_prototypes(
        np.concatenate([material.vectors[known], rules.enrolled_with.reshape(portraits, material.vectors.shape[1])]),
        np.append(material.years[known], np.full(portraits, np.nan)),
        np.append(material.quality[known], np.ones(portraits)),
        np.append(rules.owners[known], rules.portrayed),
        len(rules.persons),
        exemplars,
    )
    made = replace(made, faces=np.append(known, np.full(portraits + 1, -1))[made.faces])
    return made.only(~made.centroid) if settings.assign == "knn" else made


def _said(rules: Rules) -> Named:
    owners = rules.owners
    reasons = pl.select(
        pl.when(pl.lit(rules.confirmed >= 0)).then(pl.lit(LABELLED)).when(pl.lit(owners >= 0)).then(pl.lit(IMPLIED))
    ).to_series()
    return Named(owners, np.where(owners >= 0, 1.0, np.nan).astype(np.float32), reasons)


def _parted(named: Named, rules: Rules) -> Named:
    """Of two faces that cannot be one person but both went to the same one, the less sure is nobody's."""
    a, b = rules.cannot[:, 0], rules.cannot[:, 1]
    same = (named.persons[a] >= 0) & (named.persons[a] == named.persons[b])
    pair = rules.cannot[same]
    loser = np.where(named.scores[pair[:, 0]] < named.scores[pair[:, 1]], pair[:, 0], pair[:, 1])
    loser = loser[rules.owners[loser] < 0]
    return named.without(np.unique(loser)) if len(loser) else named
