"""The scores of an evaluation, worked out by hand."""

import polars as pl
import pytest

from classface_assets.core.geometry import match_boxes
from classface_assets.identity.evaluation.metrics import bcubed, pairwise
from classface_assets.identity.evaluation.report import evaluate


def test_bcubed_and_pairs_are_those_worked_out_by_hand() -> None:
    truth, found = ["a", "a", "a", "b", "b"], [1, 1, 2, 2, 2]
    score = bcubed(truth, found)
    assert score.precision == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5)
    assert score.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert (pairwise(truth, found).precision, pairwise(truth, found).recall) == (2 / 4, 2 / 4)


def test_boxes_match_by_overlap_or_by_their_middle_and_only_once() -> None:
    assert match_boxes([(0, 0, 10, 10), (100, 0, 10, 10)], [(101, 1, 10, 10), (1, 0, 10, 10)]) == [1, 0]
    assert match_boxes([(0, 0, 10, 10)], [(3, 3, 4.5, 4.5)]) == [0]  # small overlap, but the middle is inside
    assert match_boxes([(0, 0, 10, 10)], [(4, 4, 3, 3)]) == [None]  # too small to be the same face
    assert match_boxes([(0, 0, 10, 10), (1, 0, 10, 10)], [(0, 0, 10, 10)]) == [0, None]


def test_missed_faces_and_noise_count_alone_and_extra_faces_do_not_count() -> None:
    rows = [("a.jpg", "x", "7"), ("b.jpg", "x", "9"), ("c.jpg", "x", "9"), ("d.jpg", "y", ""), ("e.jpg", "y", "")]
    truth = pl.DataFrame(
        [{"path": p, "person": who, "age": age, "x": 0, "y": 0, "w": 10, "h": 10} for p, who, age in rows]
    )
    clusters = {"a.jpg": "c1", "b.jpg": "c1", "c.jpg": "unknown_noise_z", "d.jpg": "c2", "stranger.jpg": "c2"}
    found = pl.DataFrame(
        [
            {"path": p, "bbox_x": 0.0, "bbox_y": 0.0, "bbox_w": 10.0, "bbox_h": 10.0, "cluster_id": c}
            for p, c in clusters.items()
        ]
    )
    result = evaluate(truth, found)
    assert (result.faces, result.detected, result.people, result.ageing_faces) == (5, 4, 2, 3)
    assert result.bcubed.precision == 1.0
    assert result.bcubed.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2) / 5)
    assert result.ageing_bcubed is not None
    assert result.ageing_bcubed.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
