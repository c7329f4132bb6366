"""The projection head: its training, the test by which it is promoted, and its checkpoints, on made-up people."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from classface_assets.identity.projection.closed_form import as_compared
from classface_assets.identity.projection.metrics import person_scores
from classface_assets.identity.projection.network import (
    Architecture,
    ProjectionHeadError,
    apply_head,
    build_mlp,
    save_tensors,
)
from classface_assets.identity.projection.promotion import paired_test
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.training import TrainingResult, train_head
from classface_assets.identity.projection.training_faces import (
    UnlabelledClusters,
    most_similar_in_photo,
    training_faces,
)
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow
MLP = TrainingSettings(architecture=Architecture.MLP, min_faces_per_person=5)


@dataclass(frozen=True)
class People:
    """Faces of made-up people over the years."""

    vectors: np.ndarray
    persons: list[str]
    years: np.ndarray

    def train(self, settings: TrainingSettings, order: np.ndarray | None = None, **given: object) -> TrainingResult:
        rows = np.arange(len(self.persons)) if order is None else order
        persons = [self.persons[i] for i in rows]
        least = settings.min_faces_per_person
        return train_head(training_faces(self.vectors[rows], persons, self.years[rows], least=least), settings, **given)  # type: ignore[arg-type]


def people_in_few_directions(seed: int, spoiled: float, blur: float = 0.35, count: int = 24) -> People:
    """Faces whose people differ in 16 of 64 directions; the other 48 carry noise of this size and nothing else."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(count), 12)
    known = rng.normal(size=(count, 16))[who] + blur * rng.normal(size=(len(who), 16))
    vectors = unit(np.hstack([known, spoiled * rng.normal(size=(len(who), 48))]))
    return People(vectors, [f"p{i}" for i in who], np.full(len(who), np.nan))


def people_who_grow(seed: int, count: int = 24) -> People:
    """People who differ in 32 directions and move along one more as they grow, as far as two people are apart."""
    rng = np.random.default_rng(seed)
    who, age = np.repeat(np.arange(count), 10), np.tile(np.arange(10), count)
    vectors = rng.normal(size=(count, 32))[who] + 0.4 * rng.normal(size=(len(who), 32))
    vectors[:, 0] = 2.5 * (age - 4.5) + 0.3 * rng.normal(size=len(who))
    return People(unit(vectors), [f"p{i}" for i in who], 2000.0 + age)


@pytest.mark.parametrize("architecture", list(Architecture))
def test_a_head_is_promoted_when_a_projection_helps_and_the_reason_has_the_figures(architecture: Architecture) -> None:
    people = people_in_few_directions(0, spoiled=1.0)
    result = people.train(TrainingSettings(learning_rate=1e-3, architecture=architecture))
    assert result.status == "trained" and result.promoted and result.test_on_strangers and result.checkpoint
    test = result.test_on_strangers
    assert test.people == 24 and test.gain > 0.05 * (1 - test.raw) and test.p_value < 0.05
    assert f"separation {test.head:.4f} against {test.raw:.4f}" in result.reason
    projected = apply_head(result.checkpoint, people.vectors)
    assert projected.shape == (len(people.vectors), 128 if architecture == Architecture.MLP else 64)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-5)


def test_a_head_is_not_promoted_where_the_raw_vectors_cannot_be_beaten() -> None:
    result = people_in_few_directions(1, spoiled=0.0, blur=0.05).train(TrainingSettings(epochs=3))
    assert result.status == "trained" and not result.promoted and result.raw
    assert (result.raw.rank1, result.raw.auc, result.raw.tpr) == (1.0, 1.0, 1.0)
    assert result.reason.startswith("Not better")


def test_what_growing_up_changes_is_taken_off() -> None:
    people = people_who_grow(0)
    result = people.train(TrainingSettings(epochs=2))
    assert result.promoted and result.checkpoint and result.test_on_strangers
    assert result.test_on_strangers.gain > 0.1
    strangers = people_who_grow(1)
    numbers, probes = np.unique(strangers.persons, return_inverse=True)[1], np.ones(len(strangers.persons), bool)
    raw, head = (
        person_scores(vectors, numbers, probes, strangers.years).separation.mean()
        for vectors in (strangers.vectors, apply_head(result.checkpoint, strangers.vectors))
    )
    assert head > raw + 0.1


def test_a_head_that_adds_nothing_to_what_unlabelled_clusters_show_is_not_promoted() -> None:
    people, others = people_who_grow(0), people_who_grow(2, count=40)
    clusters = UnlabelledClusters(others.vectors, np.unique(others.persons, return_inverse=True)[1], others.years)
    alone, beside = (people.train(TrainingSettings(epochs=1), clusters=given) for given in (None, clusters))
    assert alone.promoted and not beside.promoted
    assert alone.test_on_strangers and beside.test_on_strangers
    assert beside.test_on_strangers.raw > alone.test_on_strangers.raw + 0.1, "the clusters show how faces change"
    numbers = np.unique(people.persons, return_inverse=True)[1]
    before, after = (
        person_scores(v, numbers, np.ones(len(numbers), bool), people.years).separation.mean()
        for v in (people.vectors, as_compared(people.vectors, clusters))
    )
    assert after > before + 0.1


def test_of_very_many_clustered_faces_whole_clusters_are_drawn_whatever_their_numbers_and_order() -> None:
    rng = np.random.default_rng(0)
    clusters = UnlabelledClusters(unit(rng.normal(size=(3_000, 16))), rng.integers(0, 300, 3_000), np.zeros(3_000))
    drawn = clusters.sample(1_000)
    assert 1_000 <= len(drawn) < 1_030
    assert sum(np.isin(clusters.clusters, drawn.clusters)) == len(drawn), "no cluster is drawn in part"
    order, renumbered = rng.permutation(3_000), rng.permutation(300)
    other = UnlabelledClusters(clusters.vectors[order], renumbered[clusters.clusters[order]], np.zeros(3_000))
    assert {v.tobytes() for v in other.sample(1_000).vectors} == {v.tobytes() for v in drawn.vectors}
    assert clusters.sample(3_000) is clusters


@pytest.mark.parametrize("architecture", list(Architecture))
def test_neither_ids_nor_the_order_of_faces_change_the_decision_or_the_weights(architecture: Architecture) -> None:
    people = people_in_few_directions(2, spoiled=0.6)
    settings = TrainingSettings(epochs=2, architecture=architecture)
    first = people.train(settings)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        ids = {person: rng.bytes(16).hex() for person in sorted(set(people.persons))}
        renamed = replace(people, persons=[ids[person] for person in people.persons])
        result = renamed.train(settings, rng.permutation(len(people.persons)))
        assert result == first, "the checkpoint is a part of the result"


def test_no_fewer_than_five_people_are_trained_on_whatever_is_set() -> None:
    people = people_in_few_directions(3, spoiled=1.0)
    four = replace(people, vectors=people.vectors[:48], persons=people.persons[:48], years=people.years[:48])
    for least in (2, 5):
        result = four.train(TrainingSettings(min_people=least, min_faces_per_person=5))
        assert (result.status, result.people, result.checkpoint, result.promoted) == ("skipped", 4, None, False)
        assert "4 people have 5 confirmed faces or more, 5 are needed" in result.reason
    five = replace(people, vectors=people.vectors[:60], persons=people.persons[:60], years=people.years[:60])
    assert five.train(TrainingSettings(min_people=2, epochs=1)).status == "trained"


def test_a_gain_that_few_people_have_by_chance_is_not_significant() -> None:
    rng = np.random.default_rng(0)
    passed = [paired_test(np.zeros(30), rng.normal(size=30)).p_value < 0.05 for _ in range(400)]
    assert 0.02 < np.mean(passed) < 0.08
    assert paired_test(np.zeros(5), np.full(5, 0.1)).p_value == 1 / 32
    assert paired_test(np.zeros(5), np.full(5, 0.1), margin=0.2).p_value == 1.0
    assert paired_test(np.full(3, np.nan), np.zeros(3)).people == 0


def test_a_pair_of_many_years_counts_for_more() -> None:
    vectors = unit(np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0.2], [0, 0.2, 1], [0.1, 0, 1.0]]))
    people, everybody = np.array([0, 0, 0, 1, 1]), np.ones(5, bool)
    same_year = person_scores(vectors, people, everybody, np.full(5, 2000.0)).separation
    apart = person_scores(vectors, people, everybody, np.array([2000.0, 2000, 2012, 2000, 2000])).separation
    assert apart[0] < same_year[0] and apart[1] == same_year[1]


def test_the_rival_of_a_face_is_the_most_similar_other_one_of_its_photo() -> None:
    vectors = unit(np.array([[1, 0.0], [0, 1.0], [1, 1.0], [1, 0.1]]))
    found = most_similar_in_photo(vectors, np.array([7, 7, 7, 8]), np.array([0, 3]))
    np.testing.assert_array_equal(found[0], vectors[2])
    assert np.isnan(found[1]).all()


@dataclass
class Interrupted:
    """Checkpoints in memory, until the computer fails after so many."""

    left: int
    latest_of: dict[str, bytes] = field(default_factory=dict)

    def latest(self, stage: str) -> bytes | None:
        return self.latest_of.get(stage)

    def save(self, stage: str, epoch: int, content: bytes) -> None:
        if not self.left:
            raise InterruptedError(f"{stage}, epoch {epoch}")
        self.left -= 1
        self.latest_of[stage] = content


@pytest.mark.parametrize("architecture", list(Architecture))
def test_a_training_that_was_interrupted_ends_bit_by_bit_as_one_that_was_not(architecture: Architecture) -> None:
    people = people_in_few_directions(6, spoiled=0.8)
    settings = TrainingSettings(epochs=3, architecture=architecture, learning_rate=1e-3)
    whole = people.train(settings)
    assert whole.epochs_trained, "else the final head would have no epoch to be interrupted in"
    store = Interrupted(left=2)
    for _ in range(40):
        try:
            result = people.train(settings, checkpoints=store)
            break
        except InterruptedError:
            store.left = 3
    assert result.checkpoint == whole.checkpoint and result == whole


def test_with_resume_the_last_head_is_trained_on_when_the_labels_grew() -> None:
    people = people_in_few_directions(7, spoiled=0.8)
    fewer = replace(people, vectors=people.vectors[:240], persons=people.persons[:240], years=people.years[:240])
    settings = replace(MLP, epochs=3, learning_rate=1e-3)
    store = Interrupted(left=1000)
    fewer.train(settings, checkpoints=store)
    fresh, resumed = (
        people.train(replace(settings, resume=resume), checkpoints=Interrupted(1000, dict(store.latest_of)))
        for resume in (False, True)
    )
    assert fresh == people.train(settings)
    finals = [next(e for e in result.epochs if e.stage == "final" and e.epoch == 1) for result in (fresh, resumed)]
    assert finals[1].train_loss < finals[0].train_loss, "it starts with what it has learned"  # type: ignore[operator]
    assert resumed.test_on_strangers == fresh.test_on_strangers, "the test trains heads that never saw who tests them"


def test_a_broken_checkpoint_or_vectors_of_another_length_raise_what_to_do() -> None:
    people = people_in_few_directions(4, spoiled=1.0)
    with pytest.raises(ProjectionHeadError, match="checkpoint is broken: train the head again"):
        apply_head(b"not a checkpoint", people.vectors)
    checkpoint = people.train(TrainingSettings(epochs=1)).checkpoint
    assert checkpoint is not None
    with pytest.raises(ProjectionHeadError, match="trained on vectors of 64 numbers, not 32"):
        apply_head(checkpoint, people.vectors[:, :32])


def test_a_checkpoint_of_the_time_before_architectures_is_a_perceptron() -> None:
    people = people_in_few_directions(4, spoiled=1.0)
    old = save_tensors({"input": 64, "weights": build_mlp(64).state_dict()})
    assert apply_head(old, people.vectors).shape == (288, 128)
