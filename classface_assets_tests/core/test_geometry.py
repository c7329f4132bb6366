"""Overlap of boxes and the array operations that several rooms share."""

import doctest

import numpy as np
import polars as pl
import pytest

from classface_assets.core import geometry
from classface_assets.core.arrays import (
    connected_components,
    evenly_spaced,
    is_in_sorted,
    l2_normalize,
    sorted_unique,
    unit_mean,
)
from classface_assets.core.geometry import (
    Box,
    box_iou,
    box_iou_expr,
    boxes_intersect,
    match_boxes,
    overlap_ratios,
    pairwise_iou,
)

A, B, FAR, EMPTY = (0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 10.0, 10.0), (50.0, 50.0, 5.0, 5.0), (3.0, 3.0, 0.0, 0.0)


@pytest.mark.parametrize(("a", "b", "iou"), [(A, A, 1.0), (A, B, 1 / 3), (A, FAR, 0.0), (EMPTY, EMPTY, 0.0)])
def test_every_way_to_compute_the_overlap_of_two_boxes_agrees(a: Box, b: Box, iou: float) -> None:
    frame = pl.DataFrame([(*a, *b)], schema=[*"xywh", *"XYWH"], orient="row")
    assert box_iou(a, b) == pytest.approx(iou)
    assert frame.select(box_iou_expr("xywh", "XYWH")).item() == pytest.approx(iou)
    assert pairwise_iou(np.array([a]), np.array([b]))[0, 0] == pytest.approx(iou)
    if a != EMPTY:
        assert overlap_ratios(np.array(a), np.array([b]))[0][0] == pytest.approx(iou)


def test_boxes_that_only_touch_do_not_intersect() -> None:
    assert boxes_intersect(A, B)
    assert not boxes_intersect(A, (10.0, 0.0, 5.0, 5.0)) and not boxes_intersect(A, FAR)


def test_a_detected_box_finds_one_true_box_only() -> None:
    assert match_boxes([A, FAR], [B, (1.0, 1.0, 9.0, 9.0), A]) == [2, None]
    assert match_boxes([], [A]) == [] and match_boxes([A], []) == [None]


def test_the_examples_of_the_documentation_hold() -> None:
    assert doctest.testmod(geometry).failed == 0


def test_vectors_get_unit_length_and_zeros_stay_zeros() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    assert l2_normalize(vectors).dtype == np.float32
    np.testing.assert_allclose(l2_normalize(vectors), [[0.6, 0.8], [0.0, 0.0]])
    np.testing.assert_allclose(unit_mean(np.array([[1.0, 0.0], [0.0, 1.0]])), [2**-0.5, 2**-0.5], rtol=1e-6)


def test_a_sample_is_spread_evenly_from_the_first_to_the_last() -> None:
    rows = np.arange(100)
    np.testing.assert_array_equal(evenly_spaced(rows, 3), [0, 49, 99])
    np.testing.assert_array_equal(evenly_spaced(rows, 1000), rows)
    assert not len(evenly_spaced(rows, 0)) and not len(evenly_spaced(rows[:0], 5))


def test_a_component_is_known_by_its_lowest_node() -> None:
    np.testing.assert_array_equal(connected_components(6, np.array([[4, 1], [2, 4]])), [0, 1, 1, 3, 1, 5])
    np.testing.assert_array_equal(connected_components(2, np.zeros((0, 2), int)), [0, 1])


def test_sets_of_numbers_are_those_that_numpy_makes() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 500):
        numbers, others = rng.integers(0, 300, size), rng.integers(0, 300, 50)
        np.testing.assert_array_equal(sorted_unique(numbers), np.unique(numbers))
        np.testing.assert_array_equal(is_in_sorted(others, np.sort(numbers)), np.isin(others, numbers))
        np.testing.assert_array_equal(is_in_sorted(numbers, np.sort(others)), np.isin(numbers, others))
