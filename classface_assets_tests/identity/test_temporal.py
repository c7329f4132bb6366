"""Linkage over the years: the same as joining one pair after the other, and what photos and people say always holds."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from classface_assets.identity.clustering.linkage.average import average_linkage
from classface_assets.identity.clustering.linkage.rule import GroupYears, LinkageRule
from classface_assets.identity.clustering.shared_neighbours import add_shared_neighbours
from classface_assets.identity.clustering.temporal import attach_singletons, temporal_linkage
from classface_assets.identity.inputs import ClusteringInput, ClusteringInputError
from classface_assets.identity.settings import ARCFACE_SETTINGS, DLIB_SETTINGS
from classface_assets.identity.similarity.space import SimilaritySpace
from classface_assets.identity.similarity.year_decay import YearDecay
from classface_assets_tests.support.clustering import clustering_input, partition
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow

GAPS = YearDecay(decay_years=2.0, penalty_per_year=0.01)
NONE = np.empty((0, 2), np.int64)
NEVER = -9.0


def crowd(
    seed: int, n: int = 60, people: int = 9, photos: int = 25, noise: float = 0.28, k: int | None = None
) -> ClusteringInput:
    """So blurred that people run into one another; some faces have no year."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(people, 16)))
    vectors = unit(centres[rng.integers(people, size=n)] + noise * rng.normal(size=(n, 16)))
    years = np.where(rng.random(n) < 0.1, np.nan, 2010.0 + rng.integers(0, 8, n))
    return clustering_input(vectors, rng.integers(0, photos, n), years, k)


def some_pairs(rng: np.random.Generator, n: int, number: int) -> np.ndarray:
    return np.array([rng.choice(n, 2, replace=False) for _ in range(number)], np.int64).reshape(-1, 2)


def one_after_the_other(
    material: ClusteringInput, offset: float, threshold: float, gaps: YearDecay
) -> set[frozenset[int]]:
    """As the textbook has it: of all groups that may join, the two with the greatest weighted mean do."""
    gap = np.nan_to_num(np.abs(material.years[:, None] - material.years[None, :]))
    weight = gaps.weights(gap)
    worth = (material.vectors.astype(np.float64) @ material.vectors.T + offset - gaps.penalty(gap)) * weight
    cannot = {frozenset(pair) for pair in material.cannot_link.tolist()}
    groups = tied(material)

    def mean(one: frozenset[int], other: frozenset[int]) -> float:
        if {material.photos[i] for i in one} & {material.photos[i] for i in other}:
            return NEVER
        if any(frozenset((i, j)) in cannot for i in one for j in other):
            return NEVER
        cells = np.ix_(sorted(one), sorted(other))
        return float(worth[cells].sum() / weight[cells].sum())

    while len(groups) > 1:
        best, one, other = max((mean(a, b), -i, -j) for (i, a), (j, b) in combinations(enumerate(groups), 2))
        if best < threshold:
            break
        a, b = groups[-one], groups[-other]
        groups = [g for g in groups if g not in (a, b)] + [a | b]
    return set(groups)


def tied(material: ClusteringInput) -> list[frozenset[int]]:
    groups = [frozenset([i]) for i in range(len(material))]
    for a, b in material.must_link.tolist():
        one, other = (next(g for g in groups if i in g) for i in (a, b))
        if one != other:
            groups = [g for g in groups if g not in (one, other)] + [one | other]
    return groups


@pytest.mark.parametrize("threshold", [-0.1, 0.2, 0.4, 0.6])
def test_joining_in_rounds_gives_what_joining_one_pair_after_the_other_gives(threshold: float) -> None:
    joined = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        material = crowd(seed)
        if seed % 2:
            material = replace(material, must_link=some_pairs(rng, 60, 5), cannot_link=some_pairs(rng, 60, 8))
        of = average_linkage(material, SimilaritySpace(material.vectors, -0.05), LinkageRule(threshold, GAPS))
        assert partition(of) == one_after_the_other(material, -0.05, threshold, GAPS)
        assert (of <= np.arange(60)).all() and (of[of] == of).all()
        joined += 60 - len(np.unique(of))
    assert joined > 100


def test_the_order_of_the_rows_changes_nothing() -> None:
    for seed in range(5):
        material = crowd(seed, n=150, people=20, k=12)
        order = np.random.default_rng(seed).permutation(150)
        settings = replace(ARCFACE_SETTINGS, cluster_threshold=0.3)
        straight, shuffled = temporal_linkage(material, settings), temporal_linkage(material.subset(order), settings)
        assert partition(straight[order]) == partition(shuffled)


def test_equal_likenesses_give_the_same_groups_every_time() -> None:
    # Eight exact copies of each of four faces, of which only every second may join.
    vectors = np.repeat(np.eye(4, 16, dtype=np.float32), 8, axis=0)
    material = clustering_input(vectors, np.tile(np.arange(4), 8))
    found = [
        average_linkage(material, SimilaritySpace(vectors, 0.0), LinkageRule(0.9, GAPS)).tolist() for _ in range(3)
    ]
    assert found[0] == found[1] == found[2]
    assert sorted(len(group) for group in partition(np.array(found[0]))) == [4] * 8


@pytest.mark.parametrize("settings", [ARCFACE_SETTINGS, DLIB_SETTINGS])
def test_photo_mates_and_cannot_links_stay_apart_and_must_links_hold(settings: object) -> None:
    for seed in range(15):
        rng = np.random.default_rng(seed)
        material = crowd(seed, n=120, people=8, photos=40, k=15)
        must, cannot = some_pairs(rng, 120, 4), some_pairs(rng, 120, 40)
        material = replace(material, must_link=must, cannot_link=cannot)
        loose = replace(ARCFACE_SETTINGS, cluster_threshold=0.02, attach_threshold=0.0, attach_margin=0.0)
        of = temporal_linkage(material, loose)
        assert (of[must[:, 0]] == of[must[:, 1]]).all()
        group = tied(material)
        allowed = {frozenset(p) for g in group for p in combinations(g, 2)}
        for same in partition(of):
            for i, j in combinations(sorted(same), 2):
                clash = material.photos[i] == material.photos[j] or any(set(c) == {i, j} for c in cannot.tolist())
                assert not clash or frozenset((i, j)) in allowed
        assert len(np.unique(of)) < 80


def test_hardly_any_faces_and_a_graph_without_edges_are_no_trouble() -> None:
    for n in range(4):
        material = crowd(0, n=n) if n > 1 else clustering_input(np.eye(n, 8, dtype=np.float32), np.arange(n))
        bare = replace(material, pairs=NONE, similarities=np.empty(0, np.float32))
        assert temporal_linkage(bare, ARCFACE_SETTINGS).tolist() == list(range(n))


def test_the_years_between_decide_whom_a_face_between_two_groups_joins() -> None:
    axes = np.eye(3, dtype=np.float32)
    # The last face is as like the child of 2010 as the one of 2020, and of 2011.
    vectors = unit(np.array([axes[0], axes[0], axes[1], axes[1], axes[0] + axes[1]]))
    years, photos = np.array([2010.0, 2010, 2020, 2020, 2011]), np.arange(5)
    rule = LinkageRule(0.6, YearDecay(2.0, 0.01))
    of = average_linkage(clustering_input(vectors, photos, years), SimilaritySpace(vectors, 0.0), rule)
    assert partition(of) == {frozenset([0, 1, 4]), frozenset([2, 3])}


def test_large_groups_need_a_higher_mean_than_single_faces() -> None:
    axes = np.eye(2, dtype=np.float32)
    one, other = axes[0], 0.5 * axes[0] + np.sqrt(0.75) * axes[1]  # 0.5 similar
    for size, together in ((1, True), (4, False)):
        vectors = np.array([one] * size + [other] * size, np.float32)
        material, space = clustering_input(vectors, np.arange(2 * size)), SimilaritySpace(vectors, 0.0)
        groups = average_linkage(material, space, LinkageRule(0.4, GAPS, size_penalty=0.1))
        assert (len(np.unique(groups)) == 1) == together
        assert len(np.unique(average_linkage(material, space, LinkageRule(0.4, GAPS)))) == 1


def test_a_single_face_joins_the_group_of_its_two_most_similar_faces_but_none_of_its_photo() -> None:
    axes = np.eye(4, dtype=np.float32)
    # Three faces of one child; a fourth is like two of them and unlike the third.
    vectors = unit(np.array([axes[0], axes[0] + 0.2 * axes[1], axes[0] + 0.9 * axes[2], axes[0] - 1.5 * axes[2]]))
    groups = np.array([0, 0, 0, 3])

    def joined(photos: list[int], threshold: float, cannot: np.ndarray = NONE) -> list[int]:
        material = replace(clustering_input(vectors, np.array(photos)), cannot_link=cannot)
        return attach_singletons(groups, material, threshold, 0.1).tolist()

    assert joined([1, 2, 3, 4], 0.5) == [0, 0, 0, 0]
    assert joined([1, 2, 3, 4], 0.6) == [0, 0, 0, 3]
    assert joined([1, 2, 4, 4], 0.5) == [0, 0, 0, 3]
    assert joined([1, 2, 3, 4], 0.5, np.array([[3, 1]])) == [0, 0, 0, 3]


def test_of_two_single_faces_of_one_photo_the_more_similar_one_joins() -> None:
    axes = np.eye(3, dtype=np.float32)
    vectors = unit(np.array([axes[0], axes[0], axes[0] + 0.6 * axes[1], axes[0] + 0.5 * axes[2]]))
    groups = np.array([0, 0, 2, 3])
    for photos, cannot in (([1, 2, 3, 3], NONE), ([1, 2, 3, 4], np.array([[2, 3]]))):
        material = replace(clustering_input(vectors, np.array(photos)), cannot_link=cannot)
        assert attach_singletons(groups, material, 0.5, 0.1).tolist() == [0, 0, 2, 0]


def test_two_faces_with_the_same_neighbours_are_liker_and_the_order_of_the_rows_changes_nothing() -> None:
    # Faces 0 and 1 are near to the same eight others and not to one another; 10 is alone, 11 in the photo of 0.
    sides = [(0, j) for j in range(2, 10)] + [(1, j) for j in range(2, 10)] + [(0, 11)]
    pairs = np.array(sides + [(b, a) for a, b in sides])
    vectors = unit(np.random.default_rng(0).normal(size=(12, 16)))
    near = np.full(len(pairs), 0.5, np.float32)
    material = ClusteringInput(vectors, np.zeros(12), np.r_[np.arange(11), 0], np.ones(12, np.float32), pairs, near)
    space = add_shared_neighbours(SimilaritySpace(vectors, 0.2), material, 0.3, 0.05)
    similarity = space.vectors @ space.vectors.T + space.offset - (vectors @ vectors.T + 0.2 - 0.05)
    assert similarity[0, 0] == pytest.approx(0.3, abs=1e-5)
    assert 0.2 < similarity[0, 1] < 0.3 and abs(similarity[0, 10]) < 0.06 and abs(similarity[0, 11]) < 0.06
    order = np.random.default_rng(1).permutation(12)
    shuffled = add_shared_neighbours(SimilaritySpace(vectors[order], 0.2), material.subset(order), 0.3, 0.05)
    np.testing.assert_allclose(shuffled.vectors, space.vectors[order], atol=1e-6)


def test_a_part_of_the_material_keeps_what_lies_within_it_and_the_whole_s_sample() -> None:
    material = replace(crowd(1), must_link=np.array([[0, 5], [1, 2]]), cannot_link=np.array([[5, 4]]))
    part = material.subset(np.array([5, 0, 4]))
    assert (part.must_link.tolist(), part.cannot_link.tolist()) == ([[1, 0]], [[0, 2]])
    np.testing.assert_allclose(
        np.einsum("ij,ij->i", part.vectors[part.pairs[:, 0]], part.vectors[part.pairs[:, 1]]), part.similarities, 1e-5
    )
    assert part.sample is not None and len(part.sample) == 60
    assert part.subset(np.array([True, False, True])).sample is part.sample


def test_arrays_that_do_not_belong_together_are_refused_in_one_sentence() -> None:
    with pytest.raises(ClusteringInputError, match="There are 60 vectors but 59 years: give one per face"):
        replace(crowd(0), years=np.zeros(59))
    with pytest.raises(ClusteringInputError, match="Some must_link name faces outside the 60 that there are"):
        replace(crowd(0), must_link=np.array([[0, 60]]))


def test_groups_that_are_seen_in_the_same_years_need_a_higher_mean_than_groups_of_different_years() -> None:
    axes = np.eye(2, dtype=np.float32)
    one, other = axes[0], 0.5 * axes[0] + np.sqrt(0.75) * axes[1]  # 0.5 similar
    vectors = np.array([one] * 4 + [other] * 4, np.float32)
    rule = LinkageRule(0.4, YearDecay(100.0, 0.0), overlap_penalty=0.1)
    for years, together in (([2010, 2011, 2012, 2013] * 2, False), ([*range(2010, 2018)], True)):
        material = clustering_input(vectors, np.arange(8), np.array(years, float))
        groups = average_linkage(material, SimilaritySpace(vectors, 0.0), rule)
        assert (len(np.unique(groups)) == 1) == together


def test_the_years_that_groups_share_are_counted_also_beyond_a_word_of_bits() -> None:
    years = np.array([1900.0, 1990, 2020, np.nan, 1990, 2020, 2021, np.nan, 1900])
    seen = GroupYears(np.concatenate([years, np.arange(1900.0, 2022)]), np.r_[[0] * 4, [4] * 5, np.arange(9, 131)])
    assert seen.shared(np.array([0, 0, 4]), np.array([4, 9, 9])).tolist() == [3, 1, 1]
    seen.join(np.array([9]), np.array([129]))  # 1900 and 2020
    assert seen.shared(np.array([0]), np.array([9])).tolist() == [2]
