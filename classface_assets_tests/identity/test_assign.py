"""Who each face is: known people, numbered clusters of the unknown, and what holds from run to run."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.core.faces.embedders import EmbedderKind
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.identity.clustering.cluster_ids import name_clusters
from classface_assets.identity.evaluation.metrics import bcubed
from classface_assets.identity.evaluation.summary import (
    assignment_changes,
    change_counts,
    summarize_assignments,
    summary_lines,
    violated_labels,
)
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import AssignmentError, EmbeddedFaces
from classface_assets.identity.matching.prototypes import build_prototypes
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings, settings_for
from classface_assets_tests.support.clustering import NOTHING_BEFORE, school
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow

METHODS = [AssignmentSettings(), AssignmentSettings(method="hdbscan", cluster_threshold=0.3)]


def assign(
    faces: pl.DataFrame,
    vectors: np.ndarray,
    confirmed: Mapping[str, str] | None = None,
    previous: pl.DataFrame = NOTHING_BEFORE,
    settings: AssignmentSettings = METHODS[0],
    highest: int = 0,
    renamed: Mapping[str, str] | None = None,
    **stated: Any,
) -> pl.DataFrame:
    graph = build_graph(faces["face_id"], vectors, 15)
    labels = FaceConstraints(confirmed or {}, **stated)
    before = PreviousRun(assignments=previous, highest_cluster=highest, split_names=renamed or {})
    return assign_identities(EmbeddedFaces(faces, vectors, graph), labels, settings, before).rows


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
    assert found.schema == ASSIGNMENTS
    assert found["face_id"].to_list() == faces["face_id"].to_list()
    shuffled = np.random.default_rng(0).permutation(len(faces))
    assert assign(faces[shuffled], vectors[shuffled]).equals(found[shuffled])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("settings", METHODS, ids=lambda s: s.method)
def test_an_archive_of_hardly_any_faces_is_no_trouble(n: int, settings: AssignmentSettings) -> None:
    faces, vectors, _ = school(5)
    found = assign(faces[:n], vectors[:n], settings=settings)
    assert found["cluster_id"].to_list() == [f"unknown_noise_{face}" for face in faces["face_id"][:n]]


def test_confirmed_faces_never_move_however_little_similar_they_are() -> None:
    faces, vectors, _ = school(6)
    ids = faces["face_id"].to_list()
    confirmed = {ids[i]: f"p{i % 3}" for i in range(0, len(ids), 3)}
    found = assign(faces, vectors, confirmed).filter(pl.col("face_id").is_in(list(confirmed)))
    assert found.height == len(confirmed)
    for face, cluster, person, score, reason, margin, probability in found.iter_rows():
        assert (cluster, person, score) == (f"person_{confirmed[face]}", confirmed[face], 1.0)
        assert (reason, margin, probability) == ("labelled", None, None)


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
    faces, vectors, truth = school(9, people=14)
    first_photos = (faces["asset_id"].to_numpy() < "photo_012") & ~np.isin(truth, sorted(set(truth))[:3])
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
    assert numbers and min(numbers) > highest


def test_vectors_that_do_not_fit_the_faces_are_refused_in_one_sentence() -> None:
    faces, vectors, _ = school(1)
    with pytest.raises(AssignmentError, match="100 faces but 99 vectors"):
        assign_identities(
            EmbeddedFaces(faces, vectors[1:], build_graph([], vectors[:0], 5)), FaceConstraints(), METHODS[0]
        )


def test_dlib_and_arcface_vectors_have_thresholds_of_their_own() -> None:
    assert settings_for("dlib").cluster_threshold > 0.85 > settings_for("builtin").cluster_threshold
    assert settings_for("buffalo_l") == settings_for("something new") != settings_for("dlib")
    assert settings_for("builtin") == settings_for("sface") == settings_for(EmbedderKind.SFACE)


def clusters_of(found: pl.DataFrame, truth: list[str], who: str) -> set[str]:
    mine = pl.Series([person == who for person in truth])
    return set(found.filter(mine)["cluster_id"])


@pytest.mark.parametrize("way", ["prototype", "centroid", "vote", "knn", "knn without votes"])
def test_every_way_of_comparing_names_the_clear_faces_rightly(way: str) -> None:
    faces, vectors, truth = school(11)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:50])
    settings = AssignmentSettings(assign=way.split()[0], use_voting="without" not in way, propagation=False)
    found = assign(faces, vectors, confirmed, settings=settings)
    matched = found.join(faces, on="face_id").filter(pl.col("person_id").is_not_null())
    right = dict(zip(faces["face_id"], truth, strict=True))
    assert matched.height > 90
    assert all(right[face] == person for face, person in matched.select("face_id", "person_id").iter_rows())
    assert not matched.select("asset_id", "person_id").is_duplicated().any()


def growing(seed: int, children: int = 8, years: int = 9) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Children whose faces turn a little every year, three photos a year: the last look little like the first."""
    rng = np.random.default_rng(seed)
    rows, vectors = [], []
    for child in range(children):
        start, end = unit(rng.normal(size=(2, 64)))
        for year in range(years):
            angle = 1.25 * year / (years - 1)
            for n in range(3):
                rows.append((f"f{child:02d}{year:02d}{n}", f"p{child:02d}{year:02d}{n}", f"{2010 + year}", 2010 + year))
                vectors.append(np.cos(angle) * start + np.sin(angle) * end + 0.05 * rng.normal(size=64))
    faces = pl.DataFrame(rows, schema=["face_id", "asset_id", "school_year", "year"], orient="row")
    faces = faces.with_columns(pl.col("year").cast(pl.Int32), pl.lit(0.8, pl.Float32).alias("quality_score"))
    return faces, unit(np.array(vectors)), [f"child {row[0][1:3]}" for row in rows]


def test_a_child_that_is_named_in_its_first_year_is_followed_to_its_last() -> None:
    faces, vectors, truth = growing(1)
    years = faces["year"].to_list()
    half = [f"child {i:02d}" for i in range(4)]
    confirmed = {
        face: who
        for face, who, year in zip(faces["face_id"], truth, years, strict=True)
        if who in half and year == 2010
    }
    followed = assign(faces, vectors, confirmed)
    alone = assign(faces, vectors, confirmed, settings=AssignmentSettings(propagation=False))
    last = pl.Series([who in half and year == 2018 for who, year in zip(truth, years, strict=True)])
    assert followed.filter(last)["person_id"].to_list() == pl.Series(truth).filter(last).to_list()
    assert alone.filter(last)["person_id"].null_count() == last.sum()  # nearest prototypes alone lose them on the way
    reasons = followed.filter(last)["assignment_reason"]
    assert reasons.str.contains("more similar to the person's faces of near years than strangers are").all()
    strangers = pl.Series([who not in half for who in truth])
    assert followed.filter(strangers)["person_id"].null_count() == strangers.sum()


def test_siblings_ask_for_a_clearer_lead() -> None:
    rng = np.random.default_rng(5)
    centre = unit(rng.normal(size=(1, 64)))[0]
    ana, ben = unit(np.stack([centre + 0.08 * rng.normal(size=64) for _ in range(2)]))
    probe = unit((1.0 * ana + 0.25 * ben)[None])[0]
    faces = pl.DataFrame(
        {
            "face_id": ["a", "b", "c"],
            "asset_id": ["1", "2", "3"],
            "school_year": ["2010-2011"] * 3,
            "year": pl.Series([2010] * 3, dtype=pl.Int32),
            "quality_score": pl.Series([0.9] * 3, dtype=pl.Float32),
        }
    )
    vectors = np.stack([ana, ben, probe]).astype(np.float32)
    lead = float(probe @ ana - probe @ ben)
    settings = AssignmentSettings(
        person_margin=0.5 * lead,
        lookalike_margin=2 * lead,
        lookalike_threshold=1.1,
        person_threshold=0.3,
        propagation=False,
    )
    labels = {"a": "ana", "b": "ben"}
    assert assign(faces, vectors, labels, settings=settings)["person_id"][2] == "ana"
    siblings = {"ana": frozenset({"ben"}), "ben": frozenset({"ana"})}
    assert assign(faces, vectors, labels, settings=settings, siblings=siblings)["person_id"][2] is None
    similar = replace(settings, lookalike_threshold=0.3)
    assert assign(faces, vectors, labels, settings=similar)["person_id"][2] is None


def test_constraints_on_pairs_of_faces_always_hold() -> None:
    faces, vectors, truth = school(12)
    ids = faces["face_id"].to_list()
    where = faces["asset_id"].to_list()
    of = {who: [i for i, other in enumerate(truth) if other == who] for who in set(truth)}
    one, other = of["child 1"], of["child 2"]
    together = next((ids[a], ids[b]) for a in one for b in other if where[a] != where[b])
    apart = (ids[one[-1]], ids[one[-2]])
    found = dict(
        assign(faces, vectors, must_link=(together,), cannot_link=(apart,)).select("face_id", "cluster_id").iter_rows()
    )
    assert found[together[0]] == found[together[1]]
    assert found[apart[0]] != found[apart[1]]
    # With a name on one of them, the other is that person too; whom it cannot be, it is not.
    named = assign(faces, vectors, {together[0]: "p1", apart[0]: "p2"}, must_link=(together,), cannot_link=(apart,))
    rows = {row["face_id"]: row for row in named.iter_rows(named=True)}
    assert rows[together[1]]["person_id"] == "p1"
    assert rows[together[1]]["assignment_reason"] == "marked as the same person as a labelled face"
    assert rows[apart[1]]["person_id"] != "p2"


def test_what_is_no_face_is_in_no_cluster_and_a_collage_may_show_a_person_twice() -> None:
    faces, vectors, _ = school(13)
    twice = pl.concat([faces, faces[:1].with_columns(pl.lit("again").alias("face_id"))])
    doubled = np.vstack([vectors, vectors[:1]])
    apart = assign(twice, doubled)
    assert apart["cluster_id"][0] != apart["cluster_id"][-1]
    collage = assign(twice, doubled, collages=frozenset({faces["asset_id"][0]}))
    assert collage["cluster_id"][0] == collage["cluster_id"][-1]
    gone = assign(twice, doubled, not_faces=frozenset({"again"}), erased_faces=frozenset({faces["face_id"][1]}))
    for row in (gone.row(1, named=True), gone.row(-1, named=True)):
        assert row["cluster_id"] == f"unknown_noise_{row['face_id']}" and row["person_id"] is None
        assert row["assignment_reason"] == "not a face, or not to be used"


def test_one_more_photo_moves_no_other_face() -> None:
    faces, vectors, truth = school(14, people=14, photos=30, noise=0.1)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:40])
    but_the_last = faces["asset_id"].to_numpy() < "photo_029"
    before = assign(faces.filter(but_the_last), vectors[but_the_last], confirmed)
    after = assign(faces, vectors, confirmed, previous=before)
    moved = assignment_changes(before, after)
    assert set(moved["face_id"]) == set(faces.filter(~but_the_last)["face_id"])
    assert moved["from"].null_count() == moved.height
    assert assignment_changes(after, assign(faces, vectors, confirmed, previous=after)).is_empty()


def test_a_number_that_was_given_once_is_never_given_to_somebody_else() -> None:
    faces, vectors, truth = school(15)
    before = assign(faces, vectors)
    numbers = [int(c.split("_")[-1]) for c in before["cluster_id"] if "cluster" in c]
    of_one = pl.Series([who == "child 3" for who in truth])
    left = assign(faces.filter(~of_one), vectors[~of_one.to_numpy()], previous=before, highest=max(numbers))
    back = assign(faces, vectors, previous=left, highest=max(numbers))
    new = set(back.filter(of_one)["cluster_id"]) - {c for c in back["cluster_id"] if "noise" in c}
    assert new and all(int(c.split("_")[-1]) > max(numbers) for c in new)


def test_the_pieces_of_a_split_cluster_are_called_after_it_and_keep_that_name() -> None:
    faces, vectors, truth = school(16)
    before = assign(faces, vectors)
    (cluster,) = {c for c in clusters_of(before, truth, "child 4") if "cluster" in c}
    mine = before.filter(pl.col("cluster_id") == cluster)["face_id"].to_list()
    groups = [mine[::2], mine[1::2]]
    renamed = {face: f"{cluster}_sub_{i}" for i, group in enumerate(groups, 1) for face in group}
    must = tuple((a, b) for group in groups for a, b in pairwise(group))
    stated = {"must_link": must, "cannot_link": ((groups[0][0], groups[1][0]),)}
    after = assign(faces, vectors, previous=before, renamed=renamed, **stated)
    again = assign(faces, vectors, previous=after, renamed=renamed, **stated)
    for found in (after, again):
        named = dict(found.select("face_id", "cluster_id").iter_rows())
        assert {named[face] for face in groups[0]} == {f"{cluster}_sub_1"}
        assert {named[face] for face in groups[1]} == {f"{cluster}_sub_2"}
    assert set(assignment_changes(before, after)["face_id"]) == set(mine)


def test_assigning_some_faces_leaves_the_others_where_they_were() -> None:
    faces, vectors, _ = school(17)
    taken = pl.Series([f"2019-0{1 + i % 2}-10" for i in range(len(faces))]).str.to_datetime(time_unit="us")
    dated = faces.with_columns(taken.alias("taken_at"))
    before = assign(dated, vectors)
    month = assign(dated, vectors, previous=before, settings=AssignmentSettings(time_bucket="2019-01"))
    other = dated["taken_at"].dt.month() == 2
    assert (month.filter(other)["cluster_id"] == before.filter(other)["cluster_id"]).mean() > 0.95
    few = assign(dated, vectors, settings=AssignmentSettings(max_faces=30))
    assert few.filter(pl.col("assignment_reason") == "not among the 30 best faces").height == len(faces) - 30
    best = assign(dated, vectors, settings=AssignmentSettings(max_clusters=2))
    assert best["cluster_id"].str.starts_with("unknown_cluster_").sum() > 0
    assert best.filter(pl.col("cluster_id").str.starts_with("unknown_cluster_"))["cluster_id"].n_unique() == 2
    good = assign(dated, vectors, settings=AssignmentSettings(quality_threshold=0.7))
    poor = faces["quality_score"] < 0.7
    assert good.filter(poor)["cluster_id"].str.starts_with("unknown_noise_").all()
    assert good.filter(poor)["assignment_reason"].unique().to_list() == ["quality below 0.7"]


def test_within_a_school_year_or_event_nobody_is_one_with_somebody_outside() -> None:
    faces, vectors, _ = school(18)
    events = pl.Series([f"year/event {i % 3}/a.jpg" for i in range(len(faces))])
    table = faces.with_columns(events.alias("path"))
    for scope, place in (("school year", "school_year"), ("event", "path")):
        found = assign(table, vectors, settings=AssignmentSettings(scope=scope)).join(table, on="face_id")
        clusters = found.filter(pl.col("cluster_id").str.starts_with("unknown_cluster_"))
        assert clusters.height > 30
        assert clusters.group_by("cluster_id").agg(pl.col(place).n_unique())[place].max() == 1


def test_known_faces_may_be_grouped_as_unknown_but_labelled_ones_stay() -> None:
    faces, vectors, truth = school(19)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:50])
    found = assign(faces, vectors, confirmed, settings=AssignmentSettings(include_identified=True))
    assert found["person_id"].is_not_null().sum() == 50
    assert found[50:]["cluster_id"].str.starts_with("unknown_cluster_").mean() > 0.5


def test_the_summary_counts_every_face_once() -> None:
    faces, vectors, truth = school(20)
    confirmed = dict(list(zip(faces["face_id"], truth, strict=True))[:20])
    found = assign(faces, vectors, confirmed)
    reported = summarize_assignments(found)
    assert reported.faces == reported.assigned + reported.clustered + reported.noise == 100
    assert reported.persons == found["person_id"].drop_nulls().n_unique()
    assert (
        reported.sizes["persons"].sum() == reported.persons
        and reported.sizes["unknown clusters"].sum() == reported.clusters
    )
    assert f"assigned to people: {reported.assigned} ({reported.assigned:.1f}%)" in "\n".join(summary_lines(reported))


def test_a_labelled_face_that_would_move_is_found() -> None:
    rows = pl.DataFrame({"face_id": ["a", "b", "c"], "person_id": ["p", None, "q"]})
    assert violated_labels(rows, {"a": "p", "b": "p", "c": "p", "gone": "p"}) == ["b", "c", "gone"]
    assert violated_labels(rows, {"a": "p"}) == []


def test_changes_tell_from_where_to_where_and_why() -> None:
    def at(**clusters: str) -> pl.DataFrame:
        rows = [(face, cluster, None, None, "because", None, None) for face, cluster in clusters.items()]
        return pl.DataFrame(rows, schema=ASSIGNMENTS, orient="row")

    moved = assignment_changes(
        at(a="unknown_cluster_1", b="person_x", c="x"), at(a="person_y", b="person_x", d="unknown_noise_d")
    )
    assert moved.rows() == [
        ("a", "unknown_cluster_1", "person_y", "because"),
        ("c", "x", None, "the face is no longer in the archive"),
        ("d", None, "unknown_noise_d", "because"),
    ]
    assert ("an unknown cluster", "a person", 1) in change_counts(moved).rows()


def test_prototypes_are_the_best_faces_of_each_year_and_their_mean() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(8, 16)))
    years = np.array([2010.0] * 5 + [2011.0, np.nan, 2010.0])
    quality = np.array([0.1, 0.9, 0.8, 0.7, 0.2, 0.5, 0.5, 1.0])
    made = build_prototypes(vectors, years, quality, np.array([1, 1, 1, 1, 1, 1, 1, -1]), 2, 3)
    assert made.owners.tolist() == [1] * 6
    assert made.faces.tolist() == [6, 1, 2, 3, -1, 5]
    np.testing.assert_allclose(made.vectors[4], unit(vectors[:5].mean(axis=0)[None])[0], atol=1e-6)


def test_a_piece_of_a_split_cluster_keeps_its_name_with_the_rest_that_joins_it() -> None:
    ids = pl.Series("face_id", list("abcdefg"))
    before = pl.DataFrame({"face_id": ids, "cluster_id": ["unknown_cluster_1"] * 7})
    renamed = {"a": "unknown_cluster_1_sub_1", "b": "unknown_cluster_1_sub_1", "c": "unknown_cluster_1_sub_2"}
    named = name_clusters(ids, np.array([0, 0, 1, 0, 0, 0, 2]), before, 1, renamed).to_list()
    assert named == [f"unknown_cluster_1{tail}" for tail in ("_sub_1", "_sub_1", "_sub_2", *["_sub_1"] * 3, "")]
