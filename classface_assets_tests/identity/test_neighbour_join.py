"""Neighbours of neighbours: who they are, and how many of those that were missed are found by way of them."""

import numpy as np

from classface_assets.identity.graph.approximate import neighbour_recall
from classface_assets.identity.graph.exact import exact_knn
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR
from classface_assets.identity.graph.neighbour_join import JOIN_ROWS, join_all, join_neighbours

K, LEAST, PEOPLE = 12, 0.5, 150


def vectors_of_people(count: int) -> np.ndarray:
    """Faces (count, 32) of PEOPLE, similar to those of the same person."""
    rng = np.random.default_rng(4)
    faces = rng.normal(size=(PEOPLE, 32))[np.arange(count) % PEOPLE] + 0.35 * rng.normal(size=(count, 32))
    return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)


def with_gaps(neighbours: np.ndarray, share: float) -> np.ndarray:
    """The lists without a share of their neighbours, as an index would miss them."""
    missed = np.random.default_rng(5).random(neighbours.shape) < share
    return np.where(missed, NO_NEIGHBOUR, neighbours).astype(np.int32)


def test_each_face_has_the_nearest_of_its_neighbours_and_theirs() -> None:
    vectors = vectors_of_people(900)
    lists = with_gaps(exact_knn(vectors, np.arange(900), K, LEAST)[0], 0.4)
    joined, similarities = join_all(vectors, lists, LEAST)
    scores = np.einsum("id,jd->ij", vectors, vectors)
    for face in range(0, 900, 7):
        near = [int(one) for one in lists[face] if one != NO_NEIGHBOUR]
        everyone = set(near) | {int(one) for other in near for one in lists[other] if one != NO_NEIGHBOUR}
        candidates = [one for one in everyone - {face} if scores[face, one] >= LEAST]
        expected = sorted(candidates, key=lambda one: -scores[face, one])[:K]
        assert [int(one) for one in joined[face] if one != NO_NEIGHBOUR] == expected
        np.testing.assert_allclose(similarities[face, : len(expected)], scores[face, expected], atol=1e-6)


def test_most_of_the_neighbours_that_an_index_missed_are_found() -> None:
    vectors = vectors_of_people(1_200)
    truth = exact_knn(vectors, np.arange(1_200), K, LEAST)[0]
    lists = with_gaps(truth, 0.3)
    assert neighbour_recall(lists, truth) < 0.75
    assert neighbour_recall(join_all(vectors, lists, LEAST)[0], truth) > 0.97


def test_a_sample_has_the_same_lists_as_all_faces_together() -> None:
    vectors = vectors_of_people(JOIN_ROWS + 90)
    lists = with_gaps(exact_knn(vectors, np.arange(len(vectors)), K, LEAST)[0], 0.2)
    rows = np.arange(5, len(vectors), 11)
    sample = join_neighbours(vectors, rows, lists[rows], lambda some: lists[some], LEAST)
    everyone = join_all(vectors, lists, LEAST)
    assert all((some == of_all[rows]).all() for some, of_all in zip(sample, everyone, strict=True))


def test_faces_without_neighbours_stay_without() -> None:
    vectors = vectors_of_people(40)
    nobody = np.full((40, K), NO_NEIGHBOUR, np.int32)
    assert (join_all(vectors, nobody, LEAST)[0] == NO_NEIGHBOUR).all()
