"""Faces that nobody got and that are like no other unknown face: some are a known person's, seen badly.

An average over all faces of a person is hard on a blurred or turned face, which is near only to its likes. Unknown
clusters give such faces a second chance; so do people.
"""

import numpy as np
import polars as pl

from classface_assets.identity.enrolment import Enrolment
from classface_assets.identity.leftovers import join_leftovers
from classface_assets.identity.margins import Margins
from classface_assets.identity.material import Material
from classface_assets.identity.named import Named, by_two
from classface_assets.identity.rules import Rules
from classface_assets.identity.settings import AssignmentSettings

CLEARER = 1.5
"""A name takes so many times the lead that joining an unknown cluster takes."""


def join_people(
    named: Named, groups: np.ndarray, material: Material, rules: Rules, needed: Margins, settings: AssignmentSettings
) -> Named:
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
    lead, unknown = CLEARER * settings.attach_margin, (groups >= 0) & ~known
    joined = join_leftovers(of, material, settings.attach_threshold, lead, open_to=unknown)
    rows = np.flatnonzero((joined != of) & known[joined])
    persons = named.persons[joined[rows]]
    doubtful = np.isin(persons, rules.siblings) | np.isin(rows * people + persons, rules.rejected @ [people, 1])
    roster = Enrolment(rules.enrolled, settings.absence)
    if roster:
        doubtful |= roster.absent(persons, material.years[rows])
    rows, persons = rows[~doubtful], persons[~doubtful]
    scores = np.einsum("ij,ij->i", material.vectors[rows], needed.centres[persons])
    return named.told(rows, persons, scores, by_two(pl.Series(scores)))
