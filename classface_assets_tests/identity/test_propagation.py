"""Groups of unknown faces that continue a known person, single faces that join one, and what that takes."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.constraints.rules import index_constraints
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.margins import margin_rule
from classface_assets.identity.matching.matches import FaceAssignments
from classface_assets.identity.matching.pair_scores import (
    ComparedFaces,
    PropagationProblem,
    PropagationThresholds,
    face_hashes,
)
from classface_assets.identity.matching.propagation import attach_singletons_to_people
from classface_assets.identity.matching.prototypes import build_prototypes
from classface_assets.identity.matching.tracking import best_person, propagate_identities
from classface_assets.identity.matching.tracklets import UNDATED_PORTRAIT_GAP, min_year_gap, tracklet_sums
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.year_decay import YearDecay


def problem(probes: int, year: float) -> PropagationProblem:
    """A person labelled in 2010, and a group of faces of a later year that look like the person at a cosine of 0.5."""
    person, other = np.eye(2, probes + 2, dtype=np.float32)[:2]
    faces = np.tile(0.5 * person + np.sqrt(0.75) * other, (probes, 1))
    owners = np.array([0] + [-1] * probes)
    vectors, years = np.vstack([person, faces]), np.array([2010.0] + [year] * probes)
    return PropagationProblem(
        faces=ComparedFaces(vectors, np.arange(1)),
        made_of=face_hashes(vectors, years),
        years=years,
        photos=np.arange(probes + 1),
        owners=owners,
        labelled=owners,
        groups=np.array([-1] + [0] * probes),
        persons=1,
        edges=np.array([[1, 0]]),
        forbidden=np.zeros((0, 2), np.int64),
    )


@pytest.mark.parametrize(
    ("probes", "year", "taken"),
    [(1, 2010.0, True), (1, 2013.0, True), (1, 2016.0, False), (4, 2010.0, True), (20, 2010.0, False)],
)
def test_propagation_needs_more_similarity_the_more_years_and_faces_lie_between(
    probes: int, year: float, taken: bool
) -> None:
    thresholds = PropagationThresholds(
        0.42, 0.05, 0.05, lambda persons, _others: np.zeros(len(persons)), YearDecay(2.0, 0.0)
    )
    found = propagate_identities(problem(probes, year), np.zeros((0, 2), np.int64), thresholds)
    assert (found.persons == [0 if taken else -1]).all()


def test_the_best_person_of_a_group_leads_the_next_and_the_lowest_of_equals_counts() -> None:
    values = np.random.default_rng(0).integers(-3, 4, 400) / 4
    group, person = np.divmod(np.sort(np.random.default_rng(1).choice(1000, 400, replace=False)), 7)
    found = np.column_stack(best_person(group, person, values))
    for row in found:
        mine = sorted(zip(-values[group == row[0]], person[group == row[0]], strict=True))
        rival = mine[1] if len(mine) > 1 else (0.0, -1)
        assert row.tolist() == [row[0], mine[0][1], -mine[0][0], -mine[0][0] - max(-rival[0], 0.0), rival[1]]
    assert found[:, 0].tolist() == np.unique(group).tolist()


def test_years_apart_are_those_of_the_nearest_faces_and_a_few_where_nobody_knows_the_year() -> None:
    groups, labelled = (
        tracklet_sums(np.array(of), 2, np.zeros((3, 0), np.float32), np.array([2010.0, 2014.0, np.nan]), np.zeros(3))
        for of in ([0, 0, 1], [0, -1, -1])
    )
    pairs = np.array([[0, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(min_year_gap(groups, labelled, pairs), [0, UNDATED_PORTRAIT_GAP, 0])
    later = tracklet_sums(
        np.array([-1, 0, -1]), 1, np.zeros((3, 0), np.float32), np.array([0.0, 2014.0, 0.0]), np.zeros(3)
    )
    np.testing.assert_array_equal(min_year_gap(later, labelled, np.array([[0, 0]])), [4])


@pytest.mark.parametrize(
    ("to_ana", "to_ben", "stated", "joins"),
    [
        ((0.6, 0.6), (0.3, 0.3), {}, True),
        ((0.3, 0.3), (0.1, 0.1), {}, False),
        ((0.6, 0.6), (0.55, 0.55), {}, False),
        ((0.6, 0.6), (0.3, 0.3), {"rejected": {("face 4", "ana")}}, False),
        ((0.6, 0.6), (0.3, 0.3), {"siblings": {"ana": {"ben"}}}, False),
        ((0.6, 0.6), (0.3, 0.3), {"enrolled": {"ana": {"2000-2001"}, "ben": {"2010-2011"}}}, False),
        ((0.6, 0.6), (0.3, 0.3), {"cannot_link": (("face 4", "face 0"),)}, False),
    ],
    ids=[
        "clear",
        "not like enough",
        "ben is as like",
        "somebody said no",
        "siblings",
        "not on the list",
        "not that face",
    ],
)
def test_a_single_face_joins_the_person_with_its_two_most_similar_faces_unless_in_doubt(
    to_ana: tuple[float, float], to_ben: tuple[float, float], stated: dict[str, Any], joins: bool
) -> None:
    persons, settings = np.array([0, 0, 1, 1, -1]), AssignmentSettings()
    names = ["ana", "ana", "ben", "ben"]
    ids = pl.Series([f"face {i}" for i in range(5)])
    rules = index_constraints(
        ids, pl.Series(list("abcde")), FaceConstraints(dict(zip(ids, names, strict=False)), **stated)
    )
    vectors, years, quality = np.eye(5, dtype=np.float32), np.full(5, 2010.0), np.full(5, 0.5)
    pairs = np.array([[4, 0], [4, 1], [4, 2], [4, 3]])
    similarity = np.array([*to_ana, *to_ben], np.float32)
    material = ClusteringInput(
        vectors=vectors,
        years=years,
        photos=rules.photos,
        quality=quality,
        pairs=pairs,
        similarities=similarity,
        must_link=rules.must_link,
        cannot_link=rules.cannot_link,
    )
    needed = margin_rule(build_prototypes(vectors, years, quality, persons, 2, 3), rules.siblings, settings)
    assignments = FaceAssignments(persons, np.ones(5), np.full(5, np.nan), pl.Series(["labelled"] * 4 + [None]))
    found = attach_singletons_to_people(assignments, np.array([-1, -1, -1, -1, 0]), material, rules, needed, settings)
    assert found.persons.tolist() == [0, 0, 1, 1, 0 if joins else -1]
    assert (found.reasons[4] == "0.0 to the person's mean, and its two most similar faces are the person's") == joins
