"""Grouping and naming faces: properties that hold whatever the faces, on synthetic unit vectors."""

import numpy as np
import polars as pl
import pytest

from classface_assets.core.geometry import match_boxes
from classface_assets.identity.evaluation.metrics import bcubed, pairwise
from classface_assets.identity.evaluation.report import evaluate
from classface_assets.identity.projection.network import ProjectionHeadError, apply_head
from classface_assets.identity.projection.training import TrainingSettings, train_head
from classface_assets_tests.support.vectors import unit


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


def people_in_few_directions(seed: int, spoiled: float, blur: float = 0.35) -> tuple[np.ndarray, list[str]]:
    """Faces whose people differ in 16 of 64 directions; the other 48 carry nothing, and `spoiled` tells how loudly."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(24), 12)
    known = rng.normal(size=(24, 16))[who] + blur * rng.normal(size=(len(who), 16))
    return unit(np.hstack([known, spoiled * rng.normal(size=(len(who), 48))])), [f"p{i}" for i in who]


@pytest.mark.slow
def test_the_head_is_promoted_when_a_projection_helps_and_says_by_how_much() -> None:
    vectors, persons = people_in_few_directions(0, spoiled=1.0)
    result = train_head(vectors, persons, TrainingSettings(learning_rate=1e-3))
    assert result.status == "trained" and result.promoted and result.raw and result.head
    assert result.head.tpr > result.raw.tpr and result.head.rank1 >= result.raw.rank1
    assert f"{result.head.tpr:.4f} against {result.raw.tpr:.4f}" in result.reason
    assert result.checkpoint is not None
    projected = apply_head(result.checkpoint, vectors)
    assert projected.shape == (len(vectors), 128)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-5)


def test_the_head_is_not_promoted_where_the_raw_vectors_cannot_be_beaten() -> None:
    vectors, persons = people_in_few_directions(1, spoiled=0.0, blur=0.05)
    result = train_head(vectors, persons, TrainingSettings(epochs=5))
    assert result.status == "trained" and not result.promoted and result.raw
    assert (result.raw.rank1, result.raw.auc, result.raw.tpr) == (1.0, 1.0, 1.0)
    assert result.reason.startswith("Not better")


def test_the_head_is_the_same_for_the_same_seed() -> None:
    vectors, persons = people_in_few_directions(2, spoiled=1.0)
    first, second = (train_head(vectors, persons, TrainingSettings(epochs=3)) for _ in range(2))
    assert first == second


def test_the_head_is_skipped_with_a_reason_where_too_few_people_are_confirmed() -> None:
    vectors, persons = people_in_few_directions(3, spoiled=1.0)
    result = train_head(vectors[:48], persons[:48], TrainingSettings())
    assert (result.status, result.people, result.checkpoint, result.promoted) == ("skipped", 4, None, False)
    assert "4 people have 5 confirmed faces or more, 5 are needed" in result.reason


def test_a_broken_checkpoint_or_vectors_of_another_length_say_what_to_do() -> None:
    vectors, persons = people_in_few_directions(4, spoiled=1.0)
    with pytest.raises(ProjectionHeadError, match="checkpoint is broken: train the head again"):
        apply_head(b"not a checkpoint", vectors)
    result = train_head(vectors, persons, TrainingSettings(epochs=1))
    assert result.checkpoint is not None
    with pytest.raises(ProjectionHeadError, match="trained on vectors of 64 numbers, not 32"):
        apply_head(result.checkpoint, vectors[:, :32])
