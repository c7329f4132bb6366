"""Groups of unknown faces that continue a known person, and what that takes."""

import numpy as np
import pytest

from classface_assets.identity.follow import Chase, Demands, follow
from classface_assets.identity.gaps import Gaps
from classface_assets.identity.group_sums import UNDATED, sums, years_apart


def chase(probes: int, year: float) -> Chase:
    """A person labelled in 2010, and a group of faces of a later year that look like the person at a cosine of 0.5."""
    person, other = np.eye(2, probes + 2, dtype=np.float32)[:2]
    faces = np.tile(0.5 * person + np.sqrt(0.75) * other, (probes, 1))
    owners = np.array([0] + [-1] * probes)
    return Chase(
        np.vstack([person, faces]),
        np.array([2010.0] + [year] * probes),
        np.arange(probes + 1),
        np.zeros(probes + 1, np.float32),
        owners,
        owners,
        np.array([-1] + [0] * probes),
        1,
        np.array([[1, 0]]),
        np.zeros((0, 2), np.int64),
    )


@pytest.mark.parametrize(
    ("probes", "year", "taken"),
    [(1, 2010.0, True), (1, 2013.0, True), (1, 2016.0, False), (4, 2010.0, True), (20, 2010.0, False)],
)
def test_the_further_from_the_labelled_year_and_the_more_faces_the_more_likeness_it_takes(
    probes: int, year: float, taken: bool
) -> None:
    demands = Demands(0.42, 0.05, 0.05, lambda persons, _others: np.zeros(len(persons)), Gaps(2.0, 0.0))
    found = follow(chase(probes, year), np.zeros((0, 2), np.int64), demands)
    assert (found.persons == [0 if taken else -1]).all()


def test_years_apart_are_those_of_the_nearest_faces_and_a_few_where_nobody_knows_the_year() -> None:
    groups, labelled = (
        sums(np.array(of), 2, np.zeros((3, 0), np.float32), np.array([2010.0, 2014.0, np.nan]), np.zeros(3))
        for of in ([0, 0, 1], [0, -1, -1])
    )
    pairs = np.array([[0, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(years_apart(groups, labelled, pairs), [0, UNDATED, 0])
    later = sums(np.array([-1, 0, -1]), 1, np.zeros((3, 0), np.float32), np.array([0.0, 2014.0, 0.0]), np.zeros(3))
    np.testing.assert_array_equal(years_apart(later, labelled, np.array([[0, 0]])), [4])
