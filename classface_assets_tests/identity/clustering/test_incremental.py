"""Faces that are grouped upon an earlier run: only what the new ones or new constraints touch is placed again."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.clustering.incremental import ClusterState
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.clustering.temporal import temporal_linkage
from classface_assets.identity.evaluation.metrics import bcubed
from classface_assets.identity.evaluation.summary import (
    assignment_changes,
)
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets_tests.support.clustering import NOTHING_BEFORE, school

pytestmark = pytest.mark.slow

SETTINGS = AssignmentSettings()


def test_with_a_stored_similarity_one_more_photo_leaves_the_clusters_of_other_faces() -> None:
    faces, vectors, _ = school(3, people=80, photos=60, noise=0.08)
    graph = build_graph(faces["face_id"], vectors, 15)
    embedded = EmbeddedFaces(faces, vectors, graph)
    fitted = load_or_fit_similarity(embedded, SETTINGS)
    assert fitted.model.share > 0
    everybody = assign_identities(embedded, FaceConstraints(), SETTINGS, PreviousRun(similarity=fitted)).rows
    for photo in faces["asset_id"].unique().sort().to_list()[:10]:
        stays = faces["asset_id"] != photo
        some, theirs = faces.filter(stays), vectors[stays.to_numpy()]
        graph = build_graph(some["face_id"], theirs, 15)
        again = load_or_fit_similarity(EmbeddedFaces(some[::-1], theirs[::-1], graph), SETTINGS, fitted)
        assert again is fitted
        before = everybody.filter(stays)
        embedded, last = EmbeddedFaces(some, theirs, graph), PreviousRun(assignments=everybody, similarity=again)
        after = assign_identities(embedded, FaceConstraints(), SETTINGS, last).rows
        grouped = before["cluster_id"].str.starts_with("unknown_cluster_")
        alone = ~before["cluster_id"].is_duplicated()
        assert after.filter(grouped & ~alone)["cluster_id"].equals(before.filter(grouped & ~alone)["cluster_id"])


def test_what_people_say_does_not_change_how_the_others_are_compared() -> None:
    faces, vectors, truth = school(4, people=80, photos=60)
    graph = build_graph(faces["face_id"], vectors, 15)
    embedded = EmbeddedFaces(faces, vectors, graph)
    fitted = load_or_fit_similarity(embedded, SETTINGS)
    assert fitted.model.share > 0
    shuffled = np.random.default_rng(0).permutation(len(faces))
    again = load_or_fit_similarity(EmbeddedFaces(faces[shuffled], vectors[shuffled], graph), SETTINGS)
    spaces = [one.model.transform(vectors).vectors for one in (fitted, again)]
    np.testing.assert_array_equal(*spaces)
    labels = FaceConstraints(dict(list(zip(faces["face_id"], truth, strict=True))[:40]))
    found = assign_identities(embedded, labels, SETTINGS).rows
    assert found.equals(assign_identities(embedded, labels, SETTINGS, PreviousRun(similarity=fitted)).rows)


class Growing:
    """An archive that is grouped again and again, each time upon what the run before kept."""

    def __init__(self, faces: pl.DataFrame, vectors: np.ndarray) -> None:
        self.faces, self.vectors, self.similarity = faces, vectors, None
        self.rows, self.state = NOTHING_BEFORE, None

    def run(self, retained: pl.Series, settings: AssignmentSettings = SETTINGS, **stated: Any) -> pl.DataFrame:
        """The assignments of the faces that are `kept` (mask)."""
        faces, vectors = self.faces.filter(retained), self.vectors[retained.to_numpy()]
        graph = build_graph(faces["face_id"], vectors, 15)
        embedded = EmbeddedFaces(faces, vectors, graph)
        self.similarity = load_or_fit_similarity(embedded, settings, self.similarity)
        state = None if self.state is None else ClusterState.from_frame(self.state.to_frame())
        last = PreviousRun(assignments=self.rows, similarity=self.similarity, cluster_state=state)
        found = assign_identities(embedded, FaceConstraints(**stated), settings, last)
        self.rows, self.state = found.rows, found.cluster_state
        return self.rows

    @property
    def placed(self) -> set[str]:
        """The faces that came since all were grouped."""
        return set(self.state.face_ids.filter(pl.Series(self.state.added))) if self.state else set()


def test_photos_that_come_and_go_change_no_other_face_s_company() -> None:
    faces, vectors, _ = school(3, people=80, photos=60, noise=0.11)
    everybody = Growing(faces, vectors)
    all_of_them = pl.Series([True] * len(faces))
    for photo in faces["asset_id"].unique().sort().to_list()[:8]:
        everybody.state = None
        stays = faces["asset_id"] != photo
        before = everybody.run(stays)
        for after in (everybody.run(all_of_them), everybody.run(stays)):
            moved = assignment_changes(before, after.filter(after["face_id"].is_in(before["face_id"].implode())))
            # Only who was alone, and now is with a face that came, has another name than before.
            assert moved["from"].str.starts_with("unknown_noise").all()
            assert moved["to"].is_unique().all()


def test_a_few_new_faces_are_placed_where_clustering_from_scratch_would_put_them() -> None:
    faces, vectors, truth = school(5, people=20, photos=60, noise=0.05)
    growing = Growing(faces, vectors)
    growing.run(faces["asset_id"] < "photo_056")
    assert not growing.placed
    found = growing.run(pl.Series([True] * len(faces)))
    assert growing.placed == set(faces.filter(faces["asset_id"] >= "photo_056")["face_id"])
    assert bcubed(truth, found["cluster_id"].to_list()).f == 1.0


def test_all_faces_are_clustered_again_when_a_tenth_is_new_or_the_settings_change() -> None:
    faces, vectors, _ = school(5, people=20, photos=60, noise=0.05)
    growing = Growing(faces, vectors)
    growing.run(faces["asset_id"] < "photo_054")
    growing.run(faces["asset_id"] < "photo_057")
    assert growing.placed
    growing.run(pl.Series([True] * len(faces)))
    assert growing.placed, "six of sixty photos are a tenth, not more"
    growing.run(pl.Series([True] * len(faces)), replace(SETTINGS, cluster_threshold=0.5))
    assert not growing.placed
    other = Growing(faces, vectors)
    other.run(faces["asset_id"] < "photo_053")
    other.run(pl.Series([True] * len(faces)))
    assert not other.placed


def test_a_group_with_a_new_constraint_is_placed_again_and_the_others_stay() -> None:
    faces, vectors, truth = school(5, people=20, photos=60, noise=0.05)
    growing, everybody = Growing(faces, vectors), pl.Series([True] * len(faces))
    before = growing.run(everybody)
    one, other = [face for face, who in zip(faces["face_id"], truth, strict=True) if who == "child 3"][:2]
    after = growing.run(everybody, cannot_link=((one, other),))
    theirs = set(faces.filter(pl.Series([who == "child 3" for who in truth]))["face_id"])
    assert growing.placed == theirs
    place = dict(after.select("face_id", "cluster_id").iter_rows())
    assert place[one] != place[other]
    assert set(assignment_changes(before, after)["face_id"]) <= theirs


@pytest.mark.parametrize("seed", range(3))
def test_constraints_hold_for_faces_that_are_added_later(seed: int) -> None:
    faces, vectors, truth = school(seed, people=14, photos=50, noise=0.3)
    growing, ids = Growing(faces, vectors), faces["face_id"].to_list()
    loose = replace(SETTINGS, cluster_threshold=0.2, attach_threshold=0.1, attach_margin=0.0)
    rng = np.random.default_rng(seed)
    pairs = [tuple(sorted(rng.choice(ids, 2, replace=False).tolist())) for _ in range(12)]
    photo_of = dict(faces.select("face_id", "asset_id").iter_rows())
    must = tuple((a, b) for a, b in pairs[:4] if photo_of[a] != photo_of[b])
    cannot = tuple(pair for pair in pairs[4:] if pair not in must)
    confirmed = dict(list(zip(ids, truth, strict=True))[-6:])
    came: set[str] = set()
    for last in ("photo_046", "photo_047", "photo_048", "photo_050"):
        found = growing.run(faces["asset_id"] < last, loose, confirmed=confirmed, must_link=must, cannot_link=cannot)
        place = dict(found.select("face_id", "cluster_id").iter_rows())
        together = found.join(faces, on="face_id").group_by("cluster_id", "asset_id").len().filter(pl.col("len") > 1)
        assert together.is_empty()
        assert not [pair for pair in cannot if set(pair) <= set(place) and place[pair[0]] == place[pair[1]]]
        tied = [pair for pair in must if set(pair) <= set(place) and not set(pair) & set(confirmed)]
        assert all(place[a] == place[b] for a, b in tied if "person" not in place[a] + place[b])
        assert all(place[face] == f"person_{who}" for face, who in confirmed.items() if face in place)
        came |= growing.placed
    assert came


def test_only_what_is_near_new_faces_is_looked_at() -> None:
    faces, vectors, _ = school(5, people=20, photos=60, noise=0.05)
    graph, years = build_graph(faces["face_id"], vectors, 10, 0.5), np.full(len(faces), 2010.0)
    pairs, similarities = graph.pairs()
    photos = faces["asset_id"].rank("dense").to_numpy().astype(np.int64)
    material = ClusteringInput(vectors, years, photos, np.ones(len(faces)), pairs, similarities)
    material = replace(material, similarity=fit_archive_similarity(material, SETTINGS))
    whole = temporal_linkage(material, SETTINGS)
    groups, size = np.unique(whole, return_counts=True)
    touched = whole == groups[size.argmax()]
    fixed = whole.copy()
    fixed[np.flatnonzero(touched)[:2]] = -1
    unseen = vectors.copy()
    unseen[~touched] = np.nan  # whoever looked at these would be lost
    again = temporal_linkage(replace(material, vectors=unseen), SETTINGS, fixed)
    np.testing.assert_array_equal(again, whole)
