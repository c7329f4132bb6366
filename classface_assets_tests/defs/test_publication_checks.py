"""Checks that compare a publication and an evaluation with the ones before, and the job that runs checks alone."""

from datetime import timedelta

import dagster as dg
import numpy as np
import polars as pl
import pytest

from classface_assets.defs.catalog.checks.publication import (
    AccuracyCheckConfig,
    PublicationCheckConfig,
    check_accuracy,
    check_coverage,
    check_drift,
)
from classface_assets.identity.evaluation.drift import ACCURACY, PUBLICATIONS, strangers_similarity
from classface_assets.store.artifacts.history import append_to_history, read_history
from classface_assets_tests.conftest import World

GOOD = {
    "faces": 100,
    "named_faces": 60,
    "named_share": 0.6,
    "quality": 0.7,
    "strangers_similarity": 0.3,
    "model": "builtin-1",
}


def publications(*changes: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([GOOD | change for change in changes], schema=PUBLICATIONS, orient="row")


@pytest.mark.parametrize(
    ("change", "too_far"),
    [
        ({}, "nothing"),
        ({"named_share": 0.5}, "nothing"),
        ({"named_share": 0.4}, "unknown_share"),
        ({"quality": 0.55}, "quality_drop"),
        ({"strangers_similarity": 0.36}, "strangers_similarity"),
        ({"strangers_similarity": 0.9, "model": "dlib-1"}, "nothing"),
        ({"strangers_similarity": None, "quality": None}, "nothing"),
    ],
)
def test_faces_drift_where_more_are_unknown_or_worse_or_strangers_more_alike(
    change: dict[str, object], too_far: str
) -> None:
    result = check_drift(publications({}, change), PublicationCheckConfig())
    assert result.metadata["moved too far"].value == too_far
    assert result.passed is (too_far == "nothing") and result.severity is dg.AssetCheckSeverity.WARN


def test_coverage_drops_where_faces_lose_their_name_and_not_where_photos_are_added() -> None:
    config = PublicationCheckConfig()
    assert check_coverage(publications({}, {"faces": 1000, "named_share": 0.06}), config).passed
    assert not check_coverage(publications({}, {"named_faces": 56}), config).passed
    assert check_coverage(publications({}, {"named_faces": 56}), PublicationCheckConfig(most_names_lost=0.1)).passed
    assert check_coverage(publications({}), config).passed and check_coverage(publications(), config).passed


def test_accuracy_is_compared_with_what_was_measured_in_the_same_way() -> None:
    rows = [("labels", 0.9, 0.9), ("truth", 0.5, None), ("labels", 0.89, 0.86)]
    history = pl.DataFrame(
        [{"measured_with": way, "f": f, "naming_accuracy": named} for way, f, named in rows], schema=ACCURACY
    )
    assert check_accuracy(history.head(2), AccuracyCheckConfig()).passed
    assert not check_accuracy(history, AccuracyCheckConfig()).passed
    assert check_accuracy(history, AccuracyCheckConfig(most_drop=0.05)).passed
    assert not check_accuracy(history, AccuracyCheckConfig(most_drop=0.05, least_f=0.95)).passed
    assert check_accuracy(history.clear(), AccuracyCheckConfig()).passed


def test_strangers_are_the_faces_of_one_photo() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [1, 0], [0, 1]], np.float32)
    faces = pl.DataFrame({"asset_id": ["a", "a", "b", "c"]})
    assert strangers_similarity(faces, vectors) == pytest.approx(0.6)
    assert strangers_similarity(faces.tail(2), vectors[2:]) is None
    assert strangers_similarity(faces.clear(), vectors[:0]) is None


def test_the_checks_run_alone_and_compare_what_was_published(world: World) -> None:
    table = world.layout.table("publications")
    (published,) = read_history(table, PUBLICATIONS).to_dicts()
    assert published["faces"] == world.query("SELECT count(*) AS n FROM face_instances")["n"][0] > 0
    later = published["published_at"] + timedelta(days=1)
    append_to_history(table, PUBLICATIONS, published | {"published_at": later}, "published_at")
    assert read_history(table, PUBLICATIONS).height == 1  # the same once more, after a run that was killed
    append_to_history(table, PUBLICATIONS, published | {"quality": published["quality"] - 0.3}, "published_at")

    world.layout.table("student_coverage").unlink()
    before = len(world.instance.get_runs())
    assert world.chain.run_job("check_archive") == []
    assert len(world.instance.get_runs()) == before + 1
    events = world.instance.all_logs(world.instance.get_runs(limit=1)[0].run_id)
    kinds = [event.dagster_event.event_type for event in events if event.dagster_event]
    assert dg.DagsterEventType.ASSET_MATERIALIZATION not in kinds
    results = {
        data.check_name: data
        for event in events
        if event.dagster_event and event.dagster_event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for data in [event.dagster_event.asset_check_evaluation_data]
    }
    failed = {name: data.description for name, data in results.items() if not data.passed}
    assert "faces_did_not_drift" in failed
    nothing = "There is nothing to check: student_coverage was not made yet, or its files are gone."
    assert failed["students_appear_often_enough"] == nothing
    assert results["database_agrees_with_the_parts"].passed and results["coverage_did_not_drop"].passed
    assert results["decisions_are_published"].metadata["decisions waiting"].value == 0
