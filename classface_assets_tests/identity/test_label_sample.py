"""A large archive is measured by a sample of its labels, and what no label changes is fitted once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg
import numpy as np
import polars as pl
import pytest

from classface_assets.defs.identity.evaluation import EvaluationConfig, evaluation
from classface_assets.identity.clustering import methods
from classface_assets.identity.clustering.methods import cluster
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.evaluation.curve import cluster_at_shifts, shift_threshold
from classface_assets.identity.evaluation.holdout import evaluate_holdout, holdout_split
from classface_assets.identity.evaluation.label_sample import sample_labels
from classface_assets.identity.evaluation.progress import LabelledFaces, labelling_progress
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets.orchestration.resources import Models
from classface_assets.services.identity import evaluation_context
from classface_assets.services.identity.evaluation import evaluate_archive, measure_progress
from classface_assets.services.identity.evaluation_context import EvaluationContext
from classface_assets.services.queries import find_faces
from classface_assets_tests.conftest import World
from classface_assets_tests.support.vectors import unit


def labels_of(people: int, each: int) -> dict[str, str]:
    return {f"face_{person}_{i}": f"person_{person}" for person in range(people) for i in range(each)}


def test_labels_are_all_measured_up_to_the_limit() -> None:
    labels = labels_of(10, 6)
    assert sample_labels(labels, 60).measured == labels and not sample_labels(labels, 60).known


def test_of_more_labels_those_of_whole_people_are_measured_and_the_others_stay_known() -> None:
    labels = labels_of(100, 6)
    sample = sample_labels(labels, 250)
    assert 240 < len(sample.measured) <= 250
    assert set(Counter(sample.measured.values()).values()) == {6}, "nobody is measured by a part of the labels"
    assert sample.labels == labels and not set(sample.measured.values()) & set(sample.known.values())


def test_a_grown_archive_retains_most_of_its_sample_in_whatever_order_its_labels_come() -> None:
    before = sample_labels(labels_of(100, 6), 250)
    grown = sample_labels(dict(reversed(labels_of(104, 6).items())), 250)
    assert len(before.measured.keys() & grown.measured.keys()) > 0.9 * len(before.measured)


def test_nobody_with_very_many_labels_takes_the_sample_for_themselves() -> None:
    sample = sample_labels(labels_of(12, 1000), 5000)
    assert Counter(sample.measured.values()) == dict.fromkeys((f"person_{i}" for i in range(12)), 250)
    assert not sample.known


def right_names(labels: Mapping[str, str]) -> pl.DataFrame:
    """Everybody of whom a face is labelled is named rightly."""
    people = sorted(set(labels.values()))
    rows = [
        (face, f"person_{person}", person) for person in people for face in (f"face_{person[7:]}_{i}" for i in range(6))
    ]
    return pl.DataFrame(rows, schema=["face_id", "cluster_id", "person_id"], orient="row")


def test_labels_beyond_the_sample_are_known_and_never_held_out() -> None:
    sample = sample_labels(labels_of(40, 6), 120)
    faces = pl.DataFrame({"face_id": list(sample.labels), "school_year": "2010-2011", "year": 2010})
    visible: dict[str, str] = {}

    def assign(labels: Mapping[str, str]) -> pl.DataFrame:
        visible.update(labels)
        return right_names(labels)

    report = evaluate_holdout(sample.measured, faces, assign, known=sample.known)
    hidden = holdout_split(sample.measured, dict.fromkeys(faces["face_id"], 2010))
    assert visible == {face: person for face, person in sample.labels.items() if face not in hidden}
    assert report.faces == len(hidden) and report.naming is not None and report.naming.accuracy == 1.0
    history = [LabelledFaces("now", sample.labels)]
    progress = labelling_progress(history, right_names, sample.measured)
    assert progress.row(0, named=True)["people_labelled"] == 40
    assert progress.row(0, named=True)["faces_labelled"] == 240 - 60, "half of the measured ones are held out"


def faces_of_people(people: int, each: int) -> ClusteringInput:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(people), each)
    vectors = unit(unit(rng.normal(size=(people, 32)))[who] + 0.1 * rng.normal(size=(len(who), 32)))
    pairs, similarities = build_graph([f"{i:04d}" for i in range(len(who))], vectors, 20).pairs()
    quality = rng.uniform(0.2, 1, len(who)).astype(np.float32)
    years, photos = 2010.0 + np.arange(len(who)) % 3, np.arange(len(who))
    return ClusteringInput(vectors, years, photos, quality, pairs, similarities)


def test_the_similarity_is_fitted_once_for_all_thresholds_and_the_clusters_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, settings, shifts = faces_of_people(60, 6), AssignmentSettings(), (-0.1, 0.0, 0.1)
    each = [cluster(inputs, shift_threshold(settings, by)) for by in shifts]
    assert fit_archive_similarity(inputs, settings).model.share > 0, "there is something to fit"
    fits = []
    monkeypatch.setattr(methods, "fit_archive_similarity", lambda *a: fits.append(a) or fit_archive_similarity(*a))
    monkeypatch.setattr(
        "classface_assets.identity.clustering.temporal.fit_archive_similarity",
        lambda *_: pytest.fail("it was fitted for one threshold"),
    )
    together = cluster_at_shifts(inputs, settings, shifts)
    assert len(fits) == 1
    for alone, found in zip(each, together, strict=True):
        assert np.array_equal(np.where(alone < 0, -1 - np.arange(len(alone)), alone), found)


@pytest.fixture
def labelled(world: World) -> World:
    """Each group of faces has two names, for the sample shows few people: what is right does not matter here."""
    ledger, database = world.archive.open_ledger(), world.layout.database
    clusters = world.query("SELECT DISTINCT cluster_id FROM face_instances ORDER BY 1")["cluster_id"].to_list()
    for cluster_id in clusters:
        faces = find_faces(database, cluster_id)
        for half in (0, 1):
            if len(faces) >= 4:
                ledger.label(f"Person {half} of {cluster_id}", faces[half::2])
    return world


def test_an_archive_says_of_how_many_labelled_faces_the_scores_are(labelled: World) -> None:
    archive, models = labelled.archive, Models(pack=labelled.pack)
    settings = settings_for(labelled.pack)
    every = evaluate_archive(archive, models, settings, None)
    total = len(EvaluationContext(archive, models).constraints.confirmed)
    assert every.source == f"{total:,} labelled faces, about half of them hidden"
    part = evaluate_archive(archive, models, settings, None, most_labelled=total - 10)
    measured = int(part.source.split(" of ")[0])
    assert part.source == f"{measured} of {total:,} labelled faces, about half of them hidden"
    assert measured <= total - 10 and 0 < part.report.faces < every.report.faces
    assert measure_progress(archive, models, settings, most_labelled=total - 10).source == part.source


def test_each_assignment_is_the_same_as_if_the_similarity_were_fitted_for_it(
    labelled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, settings = EvaluationContext(labelled.archive, Models(pack=labelled.pack)), settings_for(labelled.pack)
    confirmed, fits = context.constraints.confirmed, []
    fit = evaluation_context.load_or_fit_similarity
    monkeypatch.setattr(evaluation_context, "load_or_fit_similarity", lambda *a: fits.append(a) or fit(*a))
    for count in (40, len(confirmed)):
        some = dict(list(confirmed.items())[:count])
        constraints = replace(context.constraints, confirmed=some, must_link=(), cannot_link=(), rejected=frozenset())
        alone = assign_identities(EmbeddedFaces(context.faces, context.vectors, context.graph), constraints, settings)
        assert context.assign(some, settings).equals(alone.rows)
    assert len(fits) == 1


def test_labels_that_did_not_change_are_not_measured_again_and_another_limit_is(labelled: World) -> None:
    def metadata(config: EvaluationConfig) -> Mapping[str, dg.MetadataValue]:
        result = dg.materialize(
            [evaluation],
            instance=labelled.instance,
            resources={"archive": labelled.archive, "models": Models(pack=labelled.pack)},
            run_config=dg.RunConfig(ops={"evaluation": config}),
        )
        return result.asset_materializations_for_node("evaluation")[0].metadata

    first = metadata(EvaluationConfig())
    assert first["measured_with"].value == first["progress_measured_with"].value and "unchanged" not in first
    assert metadata(EvaluationConfig())["unchanged"].value is True
    assert "unchanged" not in metadata(EvaluationConfig(most_labelled_faces=200))
