"""The ways of grouping unknown faces: each against its textbook form, and all against what photos and people say."""

import time
from collections import Counter
from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest

from classface_assets.identity.clustering.agglomerative import agglomerate, split_conflicts
from classface_assets.identity.clustering.density import HdbscanParameters, dbscan_groups, hdbscan_groups
from classface_assets.identity.clustering.linkage.links import Linkage
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings
from classface_assets_tests.support.clustering import clustering_input, partition, people_in_photos
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow

METHODS = {
    "temporal": AssignmentSettings(),
    "hdbscan": AssignmentSettings(method="hdbscan", cluster_threshold=0.3),
    "dbscan": AssignmentSettings(method="dbscan", eps=0.5, min_samples=3),
    "average": AssignmentSettings(method="agglomerative", eps=0.5, linkage="average"),
    "single": AssignmentSettings(method="agglomerative", eps=0.5, linkage="single"),
    "complete": AssignmentSettings(method="agglomerative", eps=0.7, linkage="complete"),
}
NONE = np.empty((0, 2), np.int64)


def school(
    seed: int, people: int = 15, photos: int = 40, each: int = 5, noise: float = 0.09, k: int = 15
) -> ClusteringInput:
    """Faces of people who are each at most once in a photo."""
    who, vectors = people_in_photos(np.random.default_rng(seed), people, photos, each, noise)
    return clustering_input(vectors, who[:, 0], 2010.0 + who[:, 0] % 3, k)


def far_apart(n: int) -> np.ndarray:
    """A photo a face."""
    return np.arange(n)


def one_after_the_other(material: ClusteringInput, linkage: Linkage, threshold: float) -> set[frozenset[int]]:
    """Linkage as the textbook has it: of all groups that may join, the two that are nearest do."""
    groups = [frozenset([i]) for i in range(len(material))]
    for a, b in material.must_link.tolist():
        one, other = (next(g for g in groups if i in g) for i in (a, b))
        if one != other:
            groups = [g for g in groups if g not in (one, other)] + [one | other]
    every = material.vectors @ material.vectors.T
    photos, cannot = material.photos, {frozenset(pair) for pair in material.cannot_link.tolist()}

    def worth(one: frozenset[int], other: frozenset[int]) -> float:
        if {photos[i] for i in one} & {photos[i] for i in other}:
            return -2.0
        if any(frozenset((i, j)) in cannot for i in one for j in other):
            return -2.0
        between = every[np.ix_(sorted(one), sorted(other))]
        return float({"average": between.mean, "single": between.max, "complete": between.min}[linkage]())

    while len(groups) > 1:
        best, one, other = max(((worth(a, b), a, b) for a, b in combinations(groups, 2)), key=lambda found: found[0])
        if best < threshold:
            break
        groups = [g for g in groups if g not in (one, other)] + [one | other]
    return set(groups)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("linkage", "threshold"), [("average", 0.2), ("single", 0.35), ("complete", 0.05)])
def test_joining_by_rounds_gives_what_joining_one_after_the_other_gives(
    linkage: Linkage, threshold: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(np.repeat(rng.normal(size=(6, 8)), 7, axis=0) + 0.7 * rng.normal(size=(42, 8)))
    drawn = rng.choice(42, (4, 2), replace=False)
    material = replace(clustering_input(vectors, rng.integers(0, 20, 42)), must_link=drawn[:1], cannot_link=drawn[1:])
    material = replace(material, photos=np.where(np.isin(np.arange(42), drawn[0]), 99 + np.arange(42), material.photos))
    expected = one_after_the_other(material, linkage, threshold)
    assert 3 < len(expected) < 40
    assert partition(agglomerate(material, linkage, threshold)) == expected


def test_pairs_that_the_graph_lacks_are_measured() -> None:
    """A chain of neighbours whose ends are strangers: each knows only its nearest, and all pairs count all the same."""
    angles = np.array([0.0, 0.3, 0.62, 0.96])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    material = clustering_input(vectors, far_apart(4), k=1)
    assert partition(agglomerate(material, "single", 0.9)) == {frozenset(range(4))}
    complete = agglomerate(material, "complete", 0.9)
    assert len(partition(complete)) == 2
    every = vectors @ vectors.T
    between = every[:2, 2:].mean()
    assert partition(agglomerate(material, "average", float(between) - 0.01)) == {frozenset(range(4))}
    assert len(partition(agglomerate(material, "average", float(between) + 0.01))) == 2


def test_dbscan_is_dbscan() -> None:
    from sklearn.cluster import DBSCAN

    material = school(3, noise=0.13, k=199)
    distance = np.clip(1 - material.vectors @ material.vectors.T, 0, 2)
    for eps, samples in ((0.4, 4), (0.5, 6), (0.3, 2)):
        known = DBSCAN(eps=eps, min_samples=samples, metric="precomputed").fit(distance)
        ours = dbscan_groups(len(material), material.pairs, material.similarities, eps, samples)
        core = np.isin(np.arange(len(material)), known.core_sample_indices_)
        assert 0 < core.sum() < len(core) or samples == 2
        assert partition(np.where(core, ours, -1)) == partition(np.where(core, known.labels_, -1))
        np.testing.assert_array_equal(ours < 0, known.labels_ < 0)


@pytest.mark.parametrize("epsilon", [0.0, 0.35, 0.5])
def test_hdbscan_on_the_whole_graph_is_hdbscan(epsilon: float) -> None:
    from hdbscan import HDBSCAN

    material = school(5, people=8, photos=30, each=4, noise=0.1)
    material = clustering_input(material.vectors, material.photos)
    distance = np.clip(1 - (material.vectors @ material.vectors.T).astype(np.float64), 1e-9, 2)
    np.fill_diagonal(distance, 0)
    known = HDBSCAN(
        metric="precomputed", min_cluster_size=4, min_samples=3, cluster_selection_epsilon=epsilon
    ).fit_predict(distance)
    ours = hdbscan_groups(len(material), material.pairs, material.similarities, HdbscanParameters(4, 3, -1.0, epsilon))
    assert len(partition(known)) > 1
    assert partition(ours) == partition(known)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 2])
def test_people_who_look_different_are_found_by_every_method(method: str, seed: int) -> None:
    material = school(seed)
    labels = cluster(material, METHODS[method])
    sizes = Counter(labels.tolist())
    assert sizes.pop(-1, 0) < 0.05 * len(material)
    assert 14 <= len(sizes) <= 18
    within = material.vectors @ material.vectors.T
    together = (labels[:, None] == labels[None, :]) & (labels[:, None] >= 0)
    assert within[together].min() > 0.2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [0.05, 0.15, 0.25])
def test_faces_of_one_photo_are_never_together(method: str, noise: float) -> None:
    """Also where the faces are so alike that everything would be one cluster."""
    material = school(7, people=6, each=4, noise=noise)
    for settings in (METHODS[method], replace(METHODS[method], cluster_threshold=-0.5, eps=1.5)):
        labels = cluster(material, settings)
        clustered = [(label, photo) for label, photo in zip(labels, material.photos, strict=True) if label >= 0]
        assert len(clustered) == len(set(clustered)) > 0


@pytest.mark.parametrize("method", METHODS)
def test_cannot_links_hold_through_third_faces_and_must_links_always(method: str) -> None:
    """Six faces so alike that each method makes one cluster of them; a seventh that is like nobody."""
    rng = np.random.default_rng(0)
    vectors = unit(np.concatenate([np.ones((6, 16)) + 0.1 * rng.normal(size=(6, 16)), -np.ones((1, 16))]))
    material = clustering_input(vectors, far_apart(7))
    whole = cluster(material, METHODS[method])
    assert partition(whole) == {frozenset(range(6))}
    torn = cluster(replace(material, cannot_link=np.array([[0, 1]])), METHODS[method])
    assert torn[0] != torn[1] and (torn[2:6] >= 0).all()
    stated = replace(material, cannot_link=np.array([[0, 1]]), must_link=np.array([[1, 6], [2, 0]]))
    labels = cluster(stated, METHODS[method])
    assert labels[1] == labels[6] >= 0 and labels[0] == labels[2] >= 0 and labels[0] != labels[1]
    assert len(partition(labels)) == 2


@pytest.mark.parametrize("method", METHODS)
def test_two_faces_that_a_person_tied_stay_tied_in_one_photo_and_where_groups_are_larger(method: str) -> None:
    material = replace(
        clustering_input(unit(np.eye(6, 8)), np.array([0, 0, 1, 2, 3, 4])), must_link=np.array([[0, 1], [1, 5]])
    )
    labels = cluster(material, replace(METHODS[method], min_cluster_size=5))
    assert partition(labels) == {frozenset({0, 1, 5})}


@pytest.mark.parametrize("method", METHODS)
def test_poor_faces_join_clusters_and_found_none(method: str) -> None:
    rng = np.random.default_rng(3)
    similar = unit(unit(rng.normal(size=(1, 64))) + 0.02 * rng.normal(size=(4, 64)))
    material = clustering_input(np.concatenate([similar, unit(rng.normal(size=(6, 64)))]), far_apart(10))
    poor = np.where(np.arange(10) < 4, 0.1, 1.0).astype(np.float32)
    assert (cluster(replace(material, quality=poor), METHODS[method])[:4] == -1).all()
    poor[:2] = 1.0
    joined = cluster(replace(material, quality=poor), METHODS[method])[:4]
    assert (joined == joined[0]).all() and joined[0] >= 0


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_faces_changes_nothing(method: str) -> None:
    material = school(11, noise=0.14)
    order = np.random.default_rng(4).permutation(len(material))
    shuffled = cluster(material.subset(order), METHODS[method])
    back = np.empty_like(shuffled)
    back[order] = shuffled
    assert partition(back) == partition(cluster(material, METHODS[method]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_very_few_faces_are_clustered_without_error(method: str, n: int) -> None:
    pairs = NONE if n < 2 else np.array([[0, 1], [1, 0]])
    vectors, nothing = unit(np.ones((n, 4))), np.ones(n)
    material = ClusteringInput(vectors, nothing, far_apart(n), nothing, pairs, np.ones(len(pairs), np.float32))
    labels = cluster(material, METHODS[method])
    assert labels.dtype == np.int64 and labels.shape == (n,)
    assert set(labels.tolist()) == ({0} if n == 2 and method != "dbscan" else {-1} if n else set())


def test_a_cluster_is_parted_where_it_is_weakest() -> None:
    """Two people in one cluster, seen together in a photo: all of each one's faces stay together."""
    rng = np.random.default_rng(2)
    centres = np.repeat(unit(np.array([[1.0, 0.5, 0, 0], [1.0, -0.5, 0, 0]])), 5, axis=0)
    vectors = unit(centres + 0.05 * rng.normal(size=(10, 4)))
    photos = np.array([0, 1, 2, 3, 4, 0, 5, 6, 7, 8])
    parted = split_conflicts(np.zeros(10, np.int64), clustering_input(vectors, photos))
    assert partition(parted) == {frozenset(range(5)), frozenset(range(5, 10))}


def test_thirty_thousand_faces_take_seconds() -> None:
    rng = np.random.default_rng(0)
    n, k = 30_000, 10
    person = np.sort(rng.zipf(1.6, n * 4)[:n] % 3000)
    vectors = unit(rng.normal(size=(3000, 32))[person] + 0.6 * rng.normal(size=(n, 32)))
    mates = (np.arange(n)[:, None] + np.arange(1, k + 1)) % n
    pairs = np.column_stack([np.repeat(np.arange(n), k), mates.ravel()])
    similarities = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    photos = rng.integers(0, n // 8, n)
    material = ClusteringInput(vectors, np.full(n, 2010.0), photos, np.ones(n, np.float32), pairs, similarities)
    for method in ("hdbscan", "dbscan", "average", "single", "complete"):
        start = time.process_time()
        labels = cluster(material, METHODS[method])
        assert time.process_time() - start < 15
        assert len(np.unique(labels)) > 500


@pytest.mark.parametrize("method", METHODS)
def test_no_method_writes_to_the_arrays_it_is_given(method: str) -> None:
    material = replace(school(3, photos=12), must_link=np.array([[0, 7]]), cannot_link=np.array([[1, 2]]))
    for field in fields(material):
        array = getattr(material, field.name)
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    assert len(cluster(material, METHODS[method])) == len(material)
