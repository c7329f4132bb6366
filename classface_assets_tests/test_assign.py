"""Who each face is: known people, numbered clusters of the unknown, and what holds from run to run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.identity.assign import (
    ASSIGNMENTS_SCHEMA,
    AssignmentError,
    AssignmentSettings,
    Labels,
    assign_faces,
    settings_for,
)
from classface_assets.identity.knn import build_graph
from classface_assets.identity.measures import bcubed

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
    confirmed: Mapping[str, str] | None = None,
    previous: pl.DataFrame = NOTHING_BEFORE,
    settings: AssignmentSettings = METHODS[0],
    highest: int = 0,
    renamed: Mapping[str, str] | None = None,
    **said: Any,
) -> pl.DataFrame:
    graph = build_graph(faces["face_id"], vectors, 15)
    labels = Labels(confirmed or {}, **said)
    return assign_faces(faces, vectors, graph, labels, previous, settings, highest, renamed or {})


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
    assert reasons.str.contains(r"^[01]\.\d+ to \d prototypes?, margin [01]\.\d+$|^0\.\d+ liker to the person").all()


def test_a_rejected_face_is_never_given_to_that_person_again() -> None:
    faces, vectors, truth = school(8)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:50])
    before = assign(faces, vectors, confirmed).filter(pl.col("assignment_reason").str.contains("margin"))
    rejected = set(before.select("face_id", "person_id").iter_rows())
    after = assign(faces, vectors, confirmed, rejected=rejected)
    assert len(rejected) > 30
    assert not rejected & set(after.select("face_id", "person_id").iter_rows())


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
        assign_faces(faces, vectors[1:], build_graph([], vectors[:0], 5), Labels(), NOTHING_BEFORE, METHODS[0])


def test_dlib_and_arcface_vectors_have_thresholds_of_their_own() -> None:
    assert settings_for("builtin").cluster_threshold > 0.85
    assert settings_for("buffalo_l") == settings_for("something new") != settings_for("builtin")
