"""How faces are compared in an archive: learned from its own faces, without a label, and stored from run to run."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from classface_assets.identity.clustering.linkage.average import average_linkage
from classface_assets.identity.clustering.linkage.rule import LinkageRule
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.settings import ARCFACE_SETTINGS, DLIB_SETTINGS, AssignmentSettings
from classface_assets.identity.similarity import fitting
from classface_assets.identity.similarity.ageing import (
    AgeingDirection,
    AgeingStatus,
    learn_ageing_direction,
)
from classface_assets.identity.similarity.fitting import SampleStatistics, refined_matrix
from classface_assets.identity.similarity.model import FITTED_SIMILARITY_SCHEMA, FittedSimilarity
from classface_assets.identity.similarity.probability import (
    fit_logistic,
    fit_match_calibration,
    mean_similarity_to_others,
    similarity_in_near_years,
)
from classface_assets.identity.similarity.space import SimilaritySpace
from classface_assets.identity.similarity.year_decay import YearDecay
from classface_assets_tests.support.clustering import clustering_input, partition
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow

DIMENSIONS = 64


def growing_school(people: int, years: int, drift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, years and people: everybody is seen once a year and moves along the first axis from year to year."""
    rng = np.random.default_rng(seed)
    who, year = np.repeat(np.arange(people), years), np.tile(np.arange(years, dtype=float), people)
    vectors = rng.normal(size=(people, DIMENSIONS))[who] + 0.55 * rng.normal(size=(people * years, DIMENSIONS))
    vectors[:, 0] += drift * (year - (years - 1) / 2)
    return unit(vectors), 2010 + year, who


def true_accept_rate(similarity: np.ndarray, who: np.ndarray, selected: np.ndarray) -> float:
    """Share of the selected pairs of one person above one in a thousand pairs of strangers."""
    same, upper = who[:, None] == who[None, :], np.triu(np.ones_like(similarity, bool), 1)
    threshold = np.quantile(similarity[upper & ~same], 0.999)
    return float((similarity[upper & same & selected] > threshold).mean())


def similarities(fitted: FittedSimilarity, vectors: np.ndarray) -> np.ndarray:
    space = fitted.model.transform(vectors)
    return space.vectors @ space.vectors.T + space.offset


def test_the_direction_in_which_people_age_is_learned_without_a_label_and_taken_off() -> None:
    vectors, years, who = growing_school(200, 8, drift=1.6)
    fitted = fit_archive_similarity(clustering_input(vectors, np.arange(len(who)), years, k=20), ARCFACE_SETTINGS)
    assert fitted.ageing.status == AgeingStatus.LEARNED and fitted.ageing.amount == 1.0
    assert abs(fitted.ageing.direction[0]) > 0.95
    far = np.abs(years[:, None] - years[None, :]) >= 5
    before, after = vectors @ vectors.T, similarities(fitted, vectors)
    assert true_accept_rate(after, who, far) > true_accept_rate(before, who, far) + 0.1
    assert true_accept_rate(after, who, ~far) >= true_accept_rate(before, who, ~far)


def test_people_who_do_not_age_are_not_hurt() -> None:
    vectors, years, who = growing_school(200, 6, drift=0.0)
    fitted = fit_archive_similarity(clustering_input(vectors, np.arange(len(who)), years, k=20), ARCFACE_SETTINGS)
    every = np.ones((len(who), len(who)), bool)
    assert true_accept_rate(similarities(fitted, vectors), who, every) >= true_accept_rate(
        vectors @ vectors.T, who, every
    )


def test_where_little_is_known_of_ageing_the_reason_is_stated() -> None:
    def fitted(people: int, years: int) -> FittedSimilarity:
        vectors, year, who = growing_school(people, years, drift=1.0)
        return fit_archive_similarity(clustering_input(vectors, np.arange(len(who)), year, k=10), ARCFACE_SETTINGS)

    assert fitted(10, 6).ageing.status == AgeingStatus.TOO_FEW_PEOPLE
    assert fitted(150, 2).ageing.status == AgeingStatus.TOO_FEW_YEARS
    assert fitted(150, 2).ageing.amount == 0 and fitted(150, 2).model.share > 0
    vectors, year, who = growing_school(40, 3, drift=1.0)
    tracks = np.where(who < 9, who, 1000 + np.arange(len(who)))
    few = learn_ageing_direction(vectors, year, tracks)
    assert (few.status, few.tracks) == (AgeingStatus.TOO_FEW_TRACKS, 9)
    half = learn_ageing_direction(*(growing_school(50, 3, drift=1.0)[i] for i in (0, 1, 2)))
    assert (half.status, half.amount) == (AgeingStatus.LEARNED, 0.5)


def test_faces_of_unknown_years_have_no_part_in_the_direction_of_age() -> None:
    vectors, years, who = growing_school(60, 4, drift=1.0)
    unknown = np.arange(len(who)) % 3 == 0
    some = np.where(unknown, np.nan, years)
    found = learn_ageing_direction(vectors, some, who)
    without = learn_ageing_direction(vectors[~unknown], years[~unknown], who[~unknown])
    np.testing.assert_allclose(found.direction, without.direction, atol=1e-6)


def test_a_threshold_means_the_same_whatever_all_vectors_have_in_common() -> None:
    # Embedders differ in how similar strangers are: dlib's are 0.8 similar, SFace's 0.
    vectors, years, who = growing_school(120, 5, drift=0.8)
    common = np.zeros(DIMENSIONS)
    common[3] = 2.0
    shifted, found = unit(vectors + common), []
    assert np.median(shifted @ shifted.T) > 0.75 > 0.1 > np.median(vectors @ vectors.T)
    for each, settings in ((vectors, ARCFACE_SETTINGS), (shifted, DLIB_SETTINGS)):
        material = clustering_input(each, np.arange(len(who)), years, k=20)
        settings = replace(settings, shared_neighbour_weight=0.0, cluster_year_decay=1.0, attach_threshold=2.0)
        fitted = fit_archive_similarity(material, settings)
        assert fitted.model.share == 1
        found.append(cluster(replace(material, similarity=fitted), settings))
    both = len(partition(found[0]) & partition(found[1]))
    assert both > 0.9 * len(partition(found[0]))


def test_a_face_that_is_similar_to_many_strangers_counts_as_less_similar_to_each() -> None:
    vectors, years, _ = growing_school(150, 4, drift=0.5)
    fitted = fit_archive_similarity(clustering_input(vectors, np.arange(600), years, k=15), ARCFACE_SETTINGS)
    model = fitted.model
    assert model.cohort is not None and model.normalisation is not None
    deviation = model.cohort.deviation(model.normalisation(vectors))
    with_hubness = similarities(fitted, vectors)
    plain = similarities(replace(fitted, model=replace(model, cohort=None)), vectors)
    change = (with_hubness - plain).mean(axis=1)
    assert np.corrcoef(change, deviation)[0, 1] < -0.99


def strangers(people: int, seed: int = 0) -> np.ndarray:
    """Five faces of each of many people, in whom two of 32 directions are loud and say nothing about who it is."""
    rng = np.random.default_rng(seed)
    faces = np.repeat(rng.normal(size=(people, 32)), 5, axis=0) + 0.5 * rng.normal(size=(people * 5, 32))
    faces[:, :2] = 6 * rng.normal(size=(len(faces), 2))
    return unit(faces)


def separated(similarity: np.ndarray) -> float:
    """Share of the faces whose most similar other face is of the same person."""
    np.fill_diagonal(similarity, -9)
    return float((similarity.argmax(axis=1) // 5 == np.arange(len(similarity)) // 5).mean())


def test_directions_in_which_the_faces_of_one_person_differ_count_less() -> None:
    rng = np.random.default_rng(0)
    # All directions are equally loud, but twelve are so within a person.
    noise = np.concatenate([np.full(12, 2.2), np.full(20, 1.0)])
    who = np.repeat(np.arange(300), 5)
    person = rng.normal(size=(300, 32)) * np.sqrt(5.0 - noise**2)
    vectors = unit(person[who] + rng.normal(size=(len(who), 32)) * noise)
    statistics = SampleStatistics.of(stable_sample(vectors), replace(ARCFACE_SETTINGS, cluster_reference=0.99))
    centred = unit(vectors - statistics.mean)
    groups = np.arange(0, len(who), 5)[who]
    matrix = refined_matrix(AgeingDirection.absent(32, AgeingStatus.TOO_FEW_TRACKS), centred, groups)
    blind, known = (statistics.model(m, ARCFACE_SETTINGS).transform(vectors).vectors for m in (np.eye(32), matrix))
    assert separated(known @ known.T) > separated(blind @ blind.T) + 0.05


def blurred_school() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, years, photos and people: 150 people seen in four years, and 80 strangers who were seen once."""
    rng = np.random.default_rng(1)
    vectors, years, who = growing_school(150, 4, drift=0.6)
    once = unit(rng.normal(size=(80, DIMENSIONS)))
    vectors, years = np.concatenate([vectors, once]), np.concatenate([years, rng.integers(2010, 2014, 80)])
    return vectors, years, np.arange(len(years)), np.concatenate([who, 1000 + np.arange(80)])


def test_the_probability_of_a_match_is_high_for_people_and_low_for_strangers_among_them() -> None:
    vectors, years, photos, who = blurred_school()
    fitted = fit_archive_similarity(clustering_input(vectors, photos, years, k=15), ARCFACE_SETTINGS)
    assert fitted.calibration is not None and fitted.calibration.slope > 0
    projected = fitted.model.project(vectors)
    right = fitted.calibration.probability(similarity_in_near_years(projected, years, np.where(who < 150, who, -1)))
    assert np.isnan(right[who >= 150]).all() and np.median(right[who < 150]) > 0.97
    wrong = np.where(who < 150, who, (who * 7) % 150)  # each stranger is put to somebody
    doubted = fitted.calibration.probability(similarity_in_near_years(projected, years, wrong))
    assert np.median(doubted[who >= 150]) < 0.05


def test_near_years_weigh_more_in_the_similarity_to_a_person() -> None:
    axes = np.eye(3, dtype=np.float32)
    vectors = unit(np.array([axes[0], axes[0] + 0.2 * axes[1], axes[1], axes[2]]))
    years, labels = np.array([2010.0, 2010, 2020, np.nan]), np.array([4, 4, 4, -1])
    found = similarity_in_near_years(vectors, years, labels)
    plain = mean_similarity_to_others(vectors, labels)
    assert found[0] > plain[0] + 0.3 and np.isnan(found[3]) and np.isnan(plain[3])
    assert found[0] == pytest.approx(vectors[0] @ vectors[1], abs=0.02)


def test_without_faces_alone_nothing_is_known_of_probabilities() -> None:
    vectors, years, _ = growing_school(50, 3, drift=0.0)
    assert fit_match_calibration(vectors, years, np.repeat(np.arange(50), 3)) is None


@pytest.mark.parametrize(
    ("faces", "apart", "spread"), [(30, 0.35, 0.1), (40_000, 0.35, 0.1), (500, 0.1, 0.1), (200, 0.4, 1e-4)]
)
def test_probabilities_are_those_of_logistic_regression(faces: int, apart: float, spread: float) -> None:
    rng = np.random.default_rng(faces)
    scores = np.concatenate([rng.normal(0.7, spread, faces), rng.normal(0.7 - apart, spread, max(20, faces // 20))])
    belongs = np.arange(len(scores)) < faces
    expected = LogisticRegression(C=1e6).fit(scores[:, None], belongs)
    found = fit_logistic(scores, belongs)
    assert found.slope == pytest.approx(expected.coef_[0, 0], rel=1e-9)
    assert found.intercept == pytest.approx(expected.intercept_[0], rel=1e-9)


def test_grouping_faces_does_not_import_the_largest_libraries() -> None:
    code = (
        "import sys, numpy as np\n"
        "from classface_assets.identity.similarity.probability import fit_match_calibration\n"
        "vectors = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)\n"
        "groups = np.append(np.repeat(np.arange(100), 3), np.arange(100, 200))\n"
        "assert fit_match_calibration(vectors, np.full(400, 2020.0), groups) is not None\n"
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_small_archive_is_compared_by_plain_cosine() -> None:
    for people in (1, 3, 20):
        vectors = unit(np.random.default_rng(people).normal(size=(people, 128)))[np.repeat(np.arange(people), 4)]
        fitted = fit_archive_similarity(clustering_input(vectors, np.arange(len(vectors)), k=3), ARCFACE_SETTINGS)
        space = fitted.model.transform(vectors)
        assert space.offset == 0 and np.array_equal(space.vectors, vectors)


def test_the_sample_of_a_grown_archive_is_mostly_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(2000, 16)))
    monkeypatch.setattr("classface_assets.identity.sampling.SAMPLE_SIZE", 500)
    before, after = stable_sample(vectors[:1900]), stable_sample(vectors[::-1])
    assert len(before) == len(after) == 500
    assert len({v.tobytes() for v in before} & {v.tobytes() for v in after}) > 450


@pytest.mark.parametrize(
    "settings", [replace(ARCFACE_SETTINGS, cluster_reference=0.99), replace(DLIB_SETTINGS, cluster_reference=0.99)]
)
def test_a_fitted_similarity_is_read_as_it_was_stored(settings: AssignmentSettings) -> None:
    vectors = strangers(200)
    material = clustering_input(vectors, np.arange(1000), k=15)
    measured = fit_archive_similarity(material, settings)
    retained = FittedSimilarity.from_frame(measured.to_frame())
    assert retained is not None and retained.model.share > 0
    assert retained.is_valid_for(vectors[::-1], settings)
    one, same = measured.model.transform(vectors), retained.model.transform(vectors)
    assert np.array_equal(one.vectors, same.vectors) and one.offset == same.offset
    assert (retained.ageing.status, retained.ageing.tracks) == (measured.ageing.status, measured.ageing.tracks)
    assert np.array_equal(retained.ageing.direction, measured.ageing.direction)
    assert retained.calibration == measured.calibration
    assert FittedSimilarity.from_frame(pl.DataFrame(schema=FITTED_SIMILARITY_SCHEMA)) is None
    assert FittedSimilarity.from_frame(measured.to_frame().drop("share")) is None


def test_a_fitted_similarity_is_reused_until_a_fifth_of_the_faces_is_new_or_its_inputs_change() -> None:
    vectors, n = strangers(300), 1200
    measured = fit_archive_similarity(clustering_input(vectors[:n], np.arange(n), k=5), ARCFACE_SETTINGS)
    assert measured.is_valid_for(vectors[: n + n // 5], ARCFACE_SETTINGS)
    assert not measured.is_valid_for(vectors[: n + n // 5 + 5], ARCFACE_SETTINGS)
    assert measured.is_valid_for(vectors[n // 6 : n], ARCFACE_SETTINGS)
    assert not measured.is_valid_for(vectors[n // 6 + 5 : n], ARCFACE_SETTINGS)
    assert not measured.is_valid_for(-vectors[:n], ARCFACE_SETTINGS)
    assert not measured.is_valid_for(vectors[:n], replace(ARCFACE_SETTINGS, cluster_spreads=4.0))
    assert measured.is_valid_for(vectors[:n], replace(ARCFACE_SETTINGS, person_threshold=0.4))
    assert measured.is_valid_for(vectors[:n], replace(ARCFACE_SETTINGS, cluster_threshold=0.4))


def test_what_differs_within_people_is_the_same_some_groups_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _, who = growing_school(60, 4, drift=1.0)
    groups = np.where(np.arange(len(who)) % 7 == 0, np.arange(len(who)) + 1000, who)
    groups = np.unique(groups, return_inverse=True)[1]
    matrix = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
    found = []
    for rows in (17, 10_000):
        monkeypatch.setattr(fitting, "BLOCK_ROWS", rows)
        found.append(fitting.within_person_scatter(vectors, groups, matrix))
    turned = unit(vectors @ matrix)
    expected = np.zeros((DIMENSIONS, DIMENSIONS))
    several = [group for group in np.unique(groups) if (groups == group).sum() > 1]
    for group in several:
        own = turned[groups == group].astype(np.float64)
        expected += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0)) * min(1.0, 5 / len(own))
    for scatter, count in found:
        assert count == sum((groups == group).sum() for group in several)
        np.testing.assert_allclose(scatter, expected, atol=1e-4)
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)


def test_a_space_that_somebody_needs_afterwards_is_not_overwritten_by_the_linkage() -> None:
    vectors, years, who = growing_school(40, 4, drift=0.0)
    inputs = clustering_input(vectors, np.arange(len(who)), np.full(len(years), 2010.0), k=10)
    rule = LinkageRule(threshold=0.4, decay=YearDecay(4.0, 0.0))
    space = SimilaritySpace(vectors.copy(), 0.0)
    before = average_linkage(inputs, space, rule)
    assert np.array_equal(space.vectors, vectors)
    assert np.array_equal(average_linkage(inputs, space, rule, consume=True), before)
    assert not np.array_equal(space.vectors, vectors)
    original = inputs.vectors.copy()
    average_linkage(inputs, SimilaritySpace(inputs.vectors, 0.0), rule, consume=True)
    assert np.array_equal(inputs.vectors, original), "the faces' own vectors are copied whatever the caller says"
