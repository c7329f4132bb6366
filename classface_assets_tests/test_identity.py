"""Grouping and naming faces: properties that hold whatever the faces, on synthetic unit vectors."""

from collections.abc import Set
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from classface_assets.identity.assign import (
    ASSIGNMENTS_SCHEMA,
    AssignmentError,
    AssignmentSettings,
    assign_faces,
    settings_for,
)
from classface_assets.identity.boxes import match_boxes
from classface_assets.identity.evaluate import evaluate
from classface_assets.identity.head import HeadError, HeadSettings, apply_head, train_head
from classface_assets.identity.knn import build_graph
from classface_assets.identity.leftovers import attach_single_faces
from classface_assets.identity.linkage import Gaps
from classface_assets.identity.measures import bcubed, pairwise

NOTHING_BEFORE = pl.DataFrame(schema=ASSIGNMENTS_SCHEMA)
METHODS = [AssignmentSettings(), AssignmentSettings(method="hdbscan", cluster_threshold=0.3)]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def school(
    seed: int, people: int = 12, photos: int = 20, noise: float = 0.09
) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Faces of people who are each at most once in a photo, their vectors, and who they truly are."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(people, 64)))
    who = [(photo, person) for photo in range(photos) for person in rng.choice(people, 5, replace=False)]
    vectors = unit(centres[[person for _, person in who]] + noise * rng.normal(size=(len(who), 64)))
    faces = pl.DataFrame(
        {
            "face_id": [f"face_{photo:03d}_{person:02d}" for photo, person in who],
            "asset_id": [f"photo_{photo:03d}" for photo, _ in who],
            "school_year": [f"{2010 + photo % 4}-{2011 + photo % 4}" for photo, _ in who],
            "year": pl.Series([2010 + photo % 4 if photo % 7 else None for photo, _ in who], dtype=pl.Int32),
            "quality_score": pl.Series(rng.uniform(0.3, 1, len(who)), dtype=pl.Float32),
        }
    )
    return faces, vectors, [f"child {person}" for _, person in who]


def assign(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    confirmed: dict[str, str] | None = None,
    rejected: Set[tuple[str, str]] = frozenset(),
    previous: pl.DataFrame = NOTHING_BEFORE,
    settings: AssignmentSettings = METHODS[0],
) -> pl.DataFrame:
    graph = build_graph(faces["face_id"], vectors, 15)
    return assign_faces(faces, vectors, graph, confirmed or {}, rejected, previous, settings)


@pytest.mark.parametrize("settings", METHODS, ids=lambda s: s.method)
def test_two_faces_of_one_photo_are_never_in_one_cluster_or_person(settings: AssignmentSettings) -> None:
    in_clusters = 0
    for seed in range(25):
        # So blurred that people run into one another: only the rule keeps photo mates apart.
        faces, vectors, truth = school(seed, people=6, photos=12, noise=0.25)
        confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[: seed * 2])
        loose = replace(settings, cluster_threshold=0.05, person_threshold=0.05, person_margin=0.0)
        found = assign(faces, vectors, confirmed, settings=loose).join(faces, on="face_id")
        assert not found.select("asset_id", "cluster_id").is_duplicated().any()
        in_clusters += found["cluster_id"].str.starts_with("unknown_cluster_").sum()
    assert in_clusters > 50


@pytest.mark.parametrize("settings", METHODS, ids=lambda s: s.method)
def test_clear_faces_are_grouped_as_they_truly_are(settings: AssignmentSettings) -> None:
    faces, vectors, truth = school(3)
    found = assign(faces, vectors, settings=settings)
    assert bcubed(truth, found["cluster_id"].to_list()).f > 0.97


def test_every_face_has_one_row_in_the_order_it_came_and_the_order_changes_nothing() -> None:
    faces, vectors, _ = school(4, noise=0.15)
    found = assign(faces, vectors)
    assert found.schema == pl.Schema(ASSIGNMENTS_SCHEMA)
    assert found["face_id"].to_list() == faces["face_id"].to_list()
    shuffled = np.random.default_rng(0).permutation(len(faces))
    assert assign(faces[shuffled], vectors[shuffled]).equals(found[shuffled])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("settings", METHODS, ids=lambda s: s.method)
def test_an_archive_of_hardly_any_faces_is_no_trouble(n: int, settings: AssignmentSettings) -> None:
    faces, vectors, _ = school(5)
    found = assign(faces[:n], vectors[:n], settings=settings)
    assert found["cluster_id"].to_list() == [f"unknown_noise_{face}" for face in faces["face_id"][:n]]


def test_confirmed_faces_never_move_however_little_they_look_alike() -> None:
    faces, vectors, _ = school(6)
    ids = faces["face_id"].to_list()
    confirmed = {ids[i]: f"p{i % 3}" for i in range(0, len(ids), 3)}
    found = assign(faces, vectors, confirmed).filter(pl.col("face_id").is_in(list(confirmed)))
    for face, cluster, person, score, reason in found.iter_rows():
        assert (cluster, person, score, reason) == (f"person_{confirmed[face]}", confirmed[face], 1.0, "labelled")


def test_named_people_are_found_again_with_a_reason() -> None:
    faces, vectors, truth = school(7)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:50])
    found = assign(faces, vectors, confirmed)
    matched = found.filter(pl.col("person_id").is_not_null())
    right = dict(zip(faces["face_id"], truth, strict=True))
    assert matched.height > 90
    assert all(right[face] == person for face, person in matched.select("face_id", "person_id").iter_rows())
    reasons = matched.filter(pl.col("assignment_reason") != "labelled")["assignment_reason"]
    assert reasons.str.contains(r"^0\.\d\d to \d prototypes?, margin \d\.\d\d$").all()


def test_a_rejected_face_is_never_given_to_that_person_again() -> None:
    faces, vectors, truth = school(8)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:50])
    before = assign(faces, vectors, confirmed).filter(pl.col("assignment_reason").str.contains("margin"))
    rejected = set(before.select("face_id", "person_id").iter_rows())
    after = assign(faces, vectors, confirmed, rejected)
    assert len(rejected) > 30
    assert not rejected & set(after.select("face_id", "person_id").iter_rows())


def test_a_face_left_alone_joins_the_cluster_of_its_two_likest_faces_but_not_one_that_has_its_photo() -> None:
    axes = np.eye(4, dtype=np.float32)
    # Three faces of one child; a fourth is like two of them and unlike the third.
    vectors = unit(np.array([axes[0], axes[0] + 0.2 * axes[1], axes[0] + 0.9 * axes[2], axes[0] - 1.5 * axes[2]]))
    years, labels, gaps = np.full(4, 2010.0), np.array([7, 7, 7, 3]), Gaps()
    pairs = np.array([[3, 0], [3, 1], [3, 2]])

    def joined(photos: list[int], threshold: float) -> list[int]:
        return attach_single_faces(labels, vectors, years, np.array(photos), pairs, threshold, 0.1, gaps).tolist()

    assert joined([1, 2, 3, 4], 0.5) == [7, 7, 7, 7]
    assert joined([1, 2, 3, 4], 0.6) == [7, 7, 7, 3]
    assert joined([1, 2, 4, 4], 0.5) == [7, 7, 7, 3]


def test_cluster_numbers_stay_when_a_photo_is_added_and_new_ones_go_above() -> None:
    faces, vectors, _ = school(9, people=14)
    first_photos = faces["asset_id"].to_numpy() < "photo_012"
    before = assign(faces.filter(first_photos), vectors[first_photos])
    renumbered = before.with_columns(
        pl.col("cluster_id").str.replace(r"unknown_cluster_(\d)$", "unknown_cluster_4$1")  # numbers with holes
    )
    after = assign(faces, vectors, previous=renumbered)
    both = renumbered.filter(pl.col("cluster_id").str.contains("cluster")).join(after, on="face_id")
    assert both.height > 40
    assert (both["cluster_id"] == both["cluster_id_right"]).all()
    fresh = set(after["cluster_id"]) - set(renumbered["cluster_id"])
    numbers = [int(c.split("_")[-1]) for c in fresh if "cluster" in c]
    highest = max(int(c.split("_")[-1]) for c in renumbered["cluster_id"] if "cluster" in c)
    assert all(number > highest for number in numbers)


def test_vectors_that_do_not_fit_the_faces_are_refused_in_one_sentence() -> None:
    faces, vectors, _ = school(1)
    with pytest.raises(AssignmentError, match="100 faces but 99 vectors"):
        assign_faces(faces, vectors[1:], build_graph([], vectors[:0], 5), {}, set(), NOTHING_BEFORE, METHODS[0])


def test_dlib_and_arcface_vectors_have_thresholds_of_their_own() -> None:
    assert settings_for("builtin").cluster_threshold > 0.85
    assert settings_for("buffalo_l") == settings_for("something new") != settings_for("builtin")


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


def test_the_head_is_promoted_when_a_projection_helps_and_says_by_how_much() -> None:
    vectors, persons = people_in_few_directions(0, spoiled=1.0)
    result = train_head(vectors, persons, HeadSettings(learning_rate=1e-3))
    assert result.status == "trained" and result.promoted and result.raw and result.head
    assert result.head.tpr > result.raw.tpr and result.head.rank1 >= result.raw.rank1
    assert f"{result.head.tpr:.4f} against {result.raw.tpr:.4f}" in result.reason
    assert result.checkpoint is not None
    projected = apply_head(result.checkpoint, vectors)
    assert projected.shape == (len(vectors), 128)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-5)


def test_the_head_is_not_promoted_where_the_raw_vectors_cannot_be_beaten() -> None:
    vectors, persons = people_in_few_directions(1, spoiled=0.0, blur=0.05)
    result = train_head(vectors, persons, HeadSettings(epochs=5))
    assert result.status == "trained" and not result.promoted and result.raw
    assert (result.raw.rank1, result.raw.auc, result.raw.tpr) == (1.0, 1.0, 1.0)
    assert result.reason.startswith("Not better")


def test_the_head_is_the_same_for_the_same_seed() -> None:
    vectors, persons = people_in_few_directions(2, spoiled=1.0)
    first, second = (train_head(vectors, persons, HeadSettings(epochs=3)) for _ in range(2))
    assert first == second


def test_the_head_is_skipped_with_a_reason_where_too_few_people_are_confirmed() -> None:
    vectors, persons = people_in_few_directions(3, spoiled=1.0)
    result = train_head(vectors[:48], persons[:48], HeadSettings())
    assert (result.status, result.people, result.checkpoint, result.promoted) == ("skipped", 4, None, False)
    assert "4 people have 5 confirmed faces or more, 5 are needed" in result.reason


def test_a_broken_checkpoint_or_vectors_of_another_length_say_what_to_do() -> None:
    vectors, persons = people_in_few_directions(4, spoiled=1.0)
    with pytest.raises(HeadError, match="checkpoint is broken: train the head again"):
        apply_head(b"not a checkpoint", vectors)
    result = train_head(vectors, persons, HeadSettings(epochs=1))
    assert result.checkpoint is not None
    with pytest.raises(HeadError, match="trained on vectors of 64 numbers, not 32"):
        apply_head(result.checkpoint, vectors[:, :32])
