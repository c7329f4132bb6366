"""An archive measured by itself: scores worked out by hand, hidden labels, fitted thresholds, asset and commands."""

import math
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from classface_assets.cli.__main__ import cli
from classface_assets.core.errors import UserError
from classface_assets.defs.identity.evaluation import EvaluationConfig, evaluation
from classface_assets.devtools.benchmark.accuracy.immich_rule import cluster_by_immich_rule
from classface_assets.identity.evaluation.calibration import best_threshold_index, calibrate
from classface_assets.identity.evaluation.curve import bcubed_with_lower_bound, draw_curve, threshold_curve
from classface_assets.identity.evaluation.ground_truth import GroundTruthError, match_to_ground_truth, validate_truth
from classface_assets.identity.evaluation.holdout import TooFewLabelsError, evaluate_holdout, holdout_split
from classface_assets.identity.evaluation.metrics import (
    PrecisionRecall,
    person_recall,
    purity,
    scores_by_school_year,
    scores_by_year_gap,
)
from classface_assets.identity.evaluation.report import IdentificationMetrics, evaluate
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets.orchestration.resources import Models
from classface_assets.services.identity.evaluation_context import EvaluationContext
from classface_assets.services.queries import find_faces as labelled
from classface_assets.store.artifacts import thresholds
from classface_assets.store.catalog.portraits import save_portrait
from classface_assets_tests.conftest import World
from classface_assets_tests.support.vectors import unit

SHARED = Path(__file__).parents[3] / "shared"


def faces_of(rows: list[tuple[str, str, int | None]]) -> pl.DataFrame:
    """person, cluster, year."""
    return pl.DataFrame(rows, schema={"person": pl.String, "cluster": pl.String, "year": pl.Int32}, orient="row")


def test_pairs_are_counted_by_the_years_between_them() -> None:
    faces = faces_of(
        [("ann", "1", 2010), ("ann", "1", 2010), ("ann", "2", 2013), ("bob", "1", 2013), ("bob", "2", None)]
    )
    found = {row["years between"]: row for row in scores_by_year_gap(faces).to_dicts()}
    assert (found["same year"]["pairs"], found["same year"]["precision"], found["same year"]["recall"]) == (1, 1, 1)
    apart = found["2-3 years"]
    assert (apart["pairs"], apart["precision"], apart["recall"]) == (2, 0.0, 0.0)
    assert found["1 year"]["pairs"] == 0 and found["1 year"]["precision"] is None and found["1 year"]["f"] is None


def test_purity_and_person_recall_are_those_worked_out_by_hand() -> None:
    truth, found = ["ann", "ann", "ann", "bob", "bob"], ["1", "1", "2", "2", "2"]
    assert purity(truth, found) == pytest.approx(4 / 5)
    assert person_recall(truth, found) == pytest.approx((2 / 3 + 2 / 2) / 2)
    assert purity([], []) == person_recall([], []) == 1.0


def test_each_year_is_scored_alone() -> None:
    rows = faces_of([("ann", "1", 2010), ("bob", "1", 2011), ("bob", "1", 2011)]).with_columns(
        school_year=pl.Series(["2010-2011", "2011-2012", "2011-2012"]), detected=pl.Series([True, True, False])
    )
    assert scores_by_school_year(rows).rows() == [
        ("2010-2011", 1, 1.0, 1.0, 1.0, 1.0),
        ("2011-2012", 2, 0.5, 1.0, 1.0, 1.0),
    ]


TRUTH = [
    ("2010-2011", "a.jpg", "class", "ann", "", 0, 0, 10, 10),
    ("2010-2011", "a.jpg", "class", "bob", "", 100, 0, 10, 10),
    ("2012-2013", "b.jpg", "candid", "ann", "9", 0, 0, 10, 10),
    ("2012-2013", "b.jpg", "candid", "cid", "", 50, 0, 10, 10),
]
COLUMNS = ("school_year", "path", "kind", "person", "age", "x", "y", "w", "h")


def truth_of(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame([tuple(map(str, row)) for row in rows], schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def found_of(rows: list[tuple[str, int, str, str | None, bool]]) -> pl.DataFrame:
    """path, x, cluster_id, person_id, labelled."""
    return pl.DataFrame(
        [
            (path, f"f{i}", x, 0.0, 10.0, 10.0, cluster, person, stated)
            for i, (path, x, cluster, person, stated) in enumerate(rows)
        ],
        schema=["path", "face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "cluster_id", "person_id", "labelled"],
        orient="row",
    )


def test_names_are_judged_by_whom_the_labelled_faces_truly_are() -> None:
    found = found_of(
        [
            ("a.jpg", 0, "person_7", "7", True),
            ("a.jpg", 100, "person_7", "7", False),
            ("b.jpg", 0, "person_7", "7", False),
            ("c.jpg", 0, "person_7", "7", False),
        ]
    )
    result = evaluate(truth_of(TRUTH), found)
    assert (result.faces, result.detected, result.people, result.ageing_faces) == (4, 3, 3, 1)
    assert result.naming == IdentificationMetrics(
        queried=1, accuracy=1.0, precision=0.5, named=1, strangers=2, strangers_named=1
    )
    judged = match_to_ground_truth(truth_of(TRUTH), found)
    assert judged["named"].to_list() == [None, "ann", "ann", None]
    assert judged["year"].to_list() == [2010, 2010, 2012, 2012]


def test_without_labels_nobody_is_asked_for_a_name() -> None:
    result = evaluate(truth_of(TRUTH), found_of([("a.jpg", 0, "unknown_cluster_1", None, False)]))
    assert result.naming is None and result.detected == 1 and result.bcubed.recall < 1


@pytest.mark.parametrize(
    ("rows", "paths", "sentence"),
    [
        (truth_of(TRUTH).drop("w"), ["a.jpg"], "has no column w"),
        (truth_of([(*TRUTH[0][:5], "left", 0, 10, 10)]), ["a.jpg"], "the box of a face in a.jpg"),
        (truth_of(TRUTH), ["other.jpg"], "none of its 2 photos is in the archive"),
    ],
)
def test_a_truth_that_cannot_be_used_gets_a_sentence(rows: pl.DataFrame, paths: list[str], sentence: str) -> None:
    with pytest.raises(GroundTruthError, match=sentence):
        validate_truth(rows, paths)


def school(
    people: int, each: int, noise: float, seed: int = 0
) -> tuple[pl.DataFrame, np.ndarray, KnnGraph, np.ndarray]:
    """Faces, vectors, graph and the person of each; every face has a photo of its own."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    vectors = unit(unit(rng.normal(size=(people, 32)))[who] + noise * rng.normal(size=(len(who), 32)))
    ids = [f"face_{i:04d}" for i in range(len(who))]
    years = 2010 + np.arange(len(who)) % 3
    faces = pl.DataFrame(
        {
            "face_id": ids,
            "asset_id": [f"photo_{i:04d}" for i in range(len(who))],
            "school_year": [f"{year}-{year + 1}" for year in years],
            "year": pl.Series(years, dtype=pl.Int32),
            "quality_score": pl.Series(np.ones(len(who)), dtype=pl.Float32),
        }
    )
    return faces, vectors, build_graph(ids, vectors, 20), who


def material_of(faces: pl.DataFrame, vectors: np.ndarray, graph: KnnGraph) -> ClusteringInput:
    n = faces.height
    pairs, similarities = graph.pairs()
    return ClusteringInput(
        vectors=vectors,
        years=faces["year"].to_numpy().astype(float),
        photos=np.arange(n),
        quality=np.ones(n, np.float32),
        pairs=pairs,
        similarities=similarities,
    )


def test_labels_are_hidden_by_whole_years_and_some_people_altogether() -> None:
    faces, _, _, who = school(20, 6, 0.1)
    confirmed = {face: str(person) for face, person in zip(faces["face_id"], who, strict=True)}
    years = dict(faces.select("face_id", "year").iter_rows())
    hidden = holdout_split(confirmed, years)
    per_person = {p: {(years[f], f in hidden) for f, q in confirmed.items() if q == p} for p in set(confirmed.values())}
    assert all(len(states) == 3 for states in per_person.values()), "no year is hidden by half"
    assert sorted(sum(h for _, h in states) for states in per_person.values()) == [1] * 16 + [3] * 4
    assert hidden == holdout_split(dict(reversed(confirmed.items())), years) != holdout_split(confirmed, years, seed=1)


def test_hidden_labels_are_looked_up_in_what_is_assigned_without_them() -> None:
    faces, _, _, who = school(10, 6, 0.1)
    confirmed = {face: f"p{person}" for face, person in zip(faces["face_id"], who, strict=True)}

    def assign(retained: Mapping[str, str]) -> pl.DataFrame:
        """Everybody is known at once, but one of them is taken for another, and who has no label stays unknown."""
        known = set(retained.values())
        wrong, other = sorted(known)[:2]
        rows = []
        for face, person in confirmed.items():
            given = other if person == wrong else person
            rows.append(
                (face, f"person_{given}", given) if given in known else (face, f"unknown_cluster_{person}", None)
            )
        return pl.DataFrame(rows, schema=["face_id", "cluster_id", "person_id"], orient="row")

    found = evaluate_holdout(confirmed, faces, assign)
    hidden = holdout_split(confirmed, dict(faces.select("face_id", "year").iter_rows()))
    assert found.faces == found.detected == len(hidden)
    assert found.naming is not None and 0.7 < found.naming.accuracy < 1 and found.naming.precision < 1
    assert found.unknown_purity == 1.0


def test_too_few_labels_are_reported_with_the_number_that_is_needed() -> None:
    with pytest.raises(TooFewLabelsError, match=r"3 people have two labelled faces or more, and it takes 10; label 7"):
        holdout_split({f"{p}{i}": p for p in "abc" for i in range(2)} | {"single": "d"}, {})
    faces, vectors, graph, who = school(12, 4, 0.1)
    with pytest.raises(TooFewLabelsError, match="it takes 20 people with 100 faces"):
        calibrate(
            material_of(faces, vectors, graph),
            who,
            AssignmentSettings(),
            lambda _s, _n: IdentificationMetrics(1, 1.0, 1.0),
        )


def test_strangers_weigh_in_precision_and_people_who_differ_make_it_unsure() -> None:
    people, labels = np.array([0, 0, 1, 1, 2, 2]), np.array([5, 5, 5, 6, 7, 7])
    plain, least = bcubed_with_lower_bound(labels, people, people >= 0)
    assert plain.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1) / 6)
    assert plain.recall == pytest.approx((1 + 1 + 0.5 + 0.5 + 1 + 1) / 6) and 0 < least < plain.precision
    many, _ = bcubed_with_lower_bound(labels, people, people >= 0, strangers=10)
    assert many.precision == pytest.approx((2 / 12 + 2 / 12 + 1 / 21 + 3) / 6) and many.recall == plain.recall


def test_of_about_equal_thresholds_the_nearest_to_the_one_in_use_is_chosen() -> None:
    def at(f: float, least: float) -> tuple[PrecisionRecall, float]:
        return PrecisionRecall(least, f, f), least

    assert best_threshold_index([at(0.9, 0.9), at(0.95, 0.98), at(0.9505, 0.98), at(0.7, 0.99)], in_use=1) == 1
    assert best_threshold_index([at(0.99, 0.9), at(0.95, 0.98), at(0.7, 0.99)], in_use=2) == 1
    assert best_threshold_index([at(0.99, 0.9), at(0.95, 0.96)], in_use=0) == 1, (
        "none is precise enough: the most precise"
    )


def test_precision_in_the_archive_counts_all_its_strangers() -> None:
    naming = IdentificationMetrics(queried=100, accuracy=0.9, precision=0.99, named=90, strangers=50, strangers_named=1)
    assert naming.in_archive(1000, 5000).precision == pytest.approx(900 / (900 + 100))
    assert naming.in_archive(1000, 0).precision == 1.0


@pytest.mark.parametrize("loose", [0.25, -0.25])
def test_a_threshold_that_does_not_fit_the_archive_is_fitted_to_its_labels(loose: float) -> None:
    faces, vectors, graph, who = school(30, 8, 0.11)
    material = material_of(faces, vectors, graph)
    people = np.where(np.arange(len(who)) % 3 < 2, who, -1)
    settings = AssignmentSettings(method="agglomerative", eps=0.5 - loose)
    found = calibrate(material, people, settings, lambda _s, _n: IdentificationMetrics(100, 0.9, 0.99))
    assert found.people == 30 and found.better and math.isclose(found.naming_before.accuracy, 0.9)
    assert found.after.f > found.before.f and found.after.precision >= min(0.97, found.before.precision)
    assert set(found.changed(settings)) == {"eps"}
    assert abs(found.settings.eps - 0.5) < abs(settings.eps - 0.5)


def test_the_curve_falls_in_recall_and_is_a_picture() -> None:
    faces, vectors, graph, who = school(12, 6, 0.15)
    curve = threshold_curve(
        material_of(faces, vectors, graph), who, AssignmentSettings(method="agglomerative", eps=0.6)
    )
    assert curve["threshold"].is_sorted() and curve.height == 17
    assert curve["recall"][0] > curve["recall"][-1] and curve["precision"][0] <= curve["precision"][-1]
    picture = Image.open(BytesIO(draw_curve(curve, 0.4, "a curve")))
    assert picture.format == "PNG" and min(picture.size) >= 400


def test_immichs_rule_begins_people_at_core_faces_and_takes_the_others_in_later() -> None:
    """0, 1 and 2 are near each other; 3 is near 2 alone; 4 and 5 are near each other, and no core."""
    near = {0: [1, 2], 1: [0, 2], 2: [0, 1, 3], 3: [2], 4: [5], 5: [4], 6: []}
    neighbours, similarities = np.full((7, 3), -1, np.int32), np.full((7, 3), -np.inf, np.float32)
    for face, mates in near.items():
        neighbours[face, : len(mates)], similarities[face, : len(mates)] = mates, 0.8
    graph = KnnGraph(pl.Series("face_id", [str(i) for i in range(7)]), neighbours, similarities)
    assert cluster_by_immich_rule(graph).tolist() == [0, 0, 0, 0, -1, -1, -1]
    assert cluster_by_immich_rule(graph, min_faces=2).tolist() == [0, 0, 0, 0, 1, 1, -1]
    assert cluster_by_immich_rule(graph, max_distance=0.1).tolist() == [-1] * 7


def test_fitted_thresholds_are_stored_by_pack_and_method_and_deleted_again(world: World) -> None:
    layout = world.layout
    assert thresholds.load_thresholds(layout, "p", "temporal") == {} and not thresholds.delete_thresholds(
        layout, "p", "temporal"
    )
    thresholds.save_thresholds(layout, "p", "temporal", {"cluster_threshold": 0.5})
    thresholds.save_thresholds(layout, "p", "dbscan", {"eps": 0.4})
    assert thresholds.load_thresholds(layout, "p", "temporal") == {"cluster_threshold": 0.5}
    assert thresholds.delete_thresholds(layout, "p", "temporal") and thresholds.load_thresholds(
        layout, "p", "dbscan"
    ) == {"eps": 0.4}
    pack = Models(pack="builtin").describe(layout)
    thresholds.save_thresholds(layout, pack.key, "temporal", {"cluster_threshold": 0.96})
    assert EvaluationConfig().settings(pack, layout).cluster_threshold == 0.96
    assert EvaluationConfig(cluster_threshold=0.5).settings(pack, layout).cluster_threshold == 0.5
    thresholds.calibration_file(layout).write_text("[]")
    with pytest.raises(UserError, match="does not hold calibrated thresholds; delete it"):
        thresholds.load_thresholds(layout, "p", "temporal")


def commanded(world: World, *arguments: str) -> str:
    folders = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
    result = CliRunner().invoke(cli, [arguments[0], *folders, *arguments[1:]])
    if isinstance(result.exception, UserError):
        return str(result.exception)
    assert result.exception is None, result.exception
    return result.output


def test_the_commands_measure_with_a_truth_and_say_when_labels_are_too_few(world: World, sample_truth: Path) -> None:
    picture = world.folder / "new folder" / "curve.png"
    reported = commanded(world, "evaluate", "--truth", str(sample_truth), "--picture", str(picture))
    assert "Measured with the truth" in reported and "BCubed by school year" in reported and "2016-2017" in reported
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "it takes 10; label 10 more" in commanded(world, "evaluate")
    assert "it takes 20 people with 100 faces" in commanded(world, "calibrate", "--save")
    assert not thresholds.calibration_file(world.layout).exists()
    assert "Nothing was fitted" in commanded(world, "calibrate", "--reset")
    wrong = world.folder / "wrong.csv"
    wrong.write_text("name,place\nann,here\n")
    assert "it needs school_year, path, person" in commanded(world, "evaluate", "--truth", str(wrong))


@pytest.fixture
def sample_truth(sample: object) -> Path:
    return sample.truth  # type: ignore[attr-defined]


def test_the_asset_says_that_there_are_no_labels_yet_and_measures_with_a_truth(
    world: World, sample_truth: Path
) -> None:
    resources = {"archive": world.archive, "models": Models(pack="builtin")}

    def made(config: EvaluationConfig) -> Mapping[str, dg.MetadataValue]:
        result = dg.materialize(
            [evaluation],
            instance=world.instance,
            resources=resources,
            run_config=dg.RunConfig(ops={"evaluation": config}),
        )
        return result.asset_materializations_for_node("evaluation")[0].metadata

    nothing = made(EvaluationConfig())
    assert nothing["status"].value == "no labels yet" and "it takes 10" in str(nothing["reason"].value)
    measured = made(EvaluationConfig(truth=str(sample_truth)))
    assert measured["status"].value == "measured" and float(str(measured["precision"].value)) > 0.95
    assert "data:image/png;base64" in str(measured["threshold_curve"].value)
    assert "same year" in str(measured["by_years_between"].value)
    assert made(EvaluationConfig(truth=str(sample_truth)))["unchanged"].value is True


def test_measuring_counts_portraits_but_of_nobody_whose_labels_are_hidden(world: World) -> None:
    layout, models = world.layout, Models(pack=world.pack)
    best = world.query("SELECT id FROM face_instances ORDER BY quality_score DESC LIMIT 1").item()
    measurable, ledger = EvaluationContext(world.archive, models), world.archive.open_ledger()
    vector = measurable.vectors[measurable.faces["face_id"].to_list().index(best)]
    ana = ledger.create_person("Ana").person.id
    ledger.set_portrait(ana, "hers")
    save_portrait(layout, models.describe(layout).key, (ana, "hers"), vector, b"")

    def named() -> object:
        rows = EvaluationContext(world.archive, models).assign({}, settings_for(world.pack))
        return rows.filter(face_id=best)["person_id"].item()

    assert named() == ana
    ledger.label("Ana", labelled(layout.database, best))
    assert named() is None, "she is one of those who are to be found as strangers"
