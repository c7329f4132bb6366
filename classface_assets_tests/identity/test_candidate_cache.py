"""What an earlier run found: faces and groups that did not change are not compared again, and nothing else is found."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, load_or_fit_similarity
from classface_assets.identity.matching import known_people, pair_scores
from classface_assets.identity.matching.candidate_cache import KnownCandidates
from classface_assets.identity.matching.candidates import CandidateList, QueryFaces, find_candidates
from classface_assets.identity.matching.pair_scores import PairScores
from classface_assets.identity.matching.tracklets import TrackletSums, mean_similarity
from classface_assets.identity.pipeline import PreviousRun, assign_identities
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.identity.similarity.model import FittedSimilarity
from classface_assets.identity.similarity.year_decay import YearDecay
from classface_assets_tests.support.clustering import school

SETTINGS = AssignmentSettings()
FLOATS = ["assignment_score", "assignment_margin", "assignment_probability"]


class School:
    """Faces of a school of which one in five is labelled, assigned again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faces, self.vectors, truth = school(3, people=30, photos=40, noise=0.08)
        self.labels = dict(list(zip(self.faces["face_id"], truth, strict=True))[::5])
        self.last_photo = self.faces["asset_id"] == self.faces["asset_id"].max()
        self.similarity: FittedSimilarity | None = None
        self.stored: pl.DataFrame | None = None
        self.stored_scores: pl.DataFrame | None = None
        self.compared: list[int] = []
        self.pairs = 0
        monkeypatch.setattr(known_people, "find_candidates", self.find_candidates)
        monkeypatch.setattr(pair_scores, "mean_similarity", self.mean_similarity)

    def find_candidates(self, queries: QueryFaces, *others: Any) -> CandidateList:
        self.compared.append(len(queries.rows))
        return find_candidates(queries, *others)

    def mean_similarity(self, a: TrackletSums, b: TrackletSums, pairs: np.ndarray, decay: YearDecay) -> np.ndarray:
        self.pairs += len(pairs)
        return mean_similarity(a, b, pairs, decay)

    def run(
        self,
        stays: pl.Series | None = None,
        settings: AssignmentSettings = SETTINGS,
        rejected: frozenset[tuple[str, str]] = frozenset(),
    ) -> pl.DataFrame:
        """The assignments of the faces of a mask; they are the same as of a run upon which nothing is built."""
        stays = pl.Series([True] * len(self.faces)) if stays is None else stays
        faces, vectors = self.faces.filter(stays), self.vectors[stays.to_numpy()]
        embedded = EmbeddedFaces(faces, vectors, build_graph(faces["face_id"], vectors, 15))
        self.similarity = load_or_fit_similarity(embedded, settings, self.similarity)
        constraints = FaceConstraints(self.labels, rejected=rejected)
        known = None if self.stored is None else KnownCandidates.from_frame(self.stored)
        scores = None if self.stored_scores is None else PairScores.from_frame(self.stored_scores)
        last = PreviousRun(similarity=self.similarity, candidates=known, pair_scores=scores)
        self.pairs = 0
        found, compared = assign_identities(embedded, constraints, settings, last), self.pairs
        from_scratch = assign_identities(embedded, constraints, settings, PreviousRun(similarity=self.similarity))
        del self.compared[-1]
        others = ["assignment_reason", *FLOATS]
        assert found.rows.drop(others).equals(from_scratch.rows.drop(others))
        np.testing.assert_allclose(found.rows.select(FLOATS), from_scratch.rows.select(FLOATS), atol=1e-5)
        self.stored, self.stored_scores, self.pairs = found.candidates, found.pair_scores, compared
        return found.rows


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> School:
    return School(monkeypatch)


def test_only_faces_of_a_new_photo_are_compared_with_the_people_who_were_named(archive: School) -> None:
    new = set(archive.faces.filter(archive.last_photo)["face_id"])
    archive.labels = {face: person for face, person in archive.labels.items() if face not in new}
    archive.run(~archive.last_photo)
    archive.run()
    archive.run()
    assert archive.compared[0] > 10 * len(new) and archive.compared[1:] == [len(new), 0]


def test_after_a_label_only_faces_near_that_person_are_compared_with_all_people(archive: School) -> None:
    new_person = next(reversed(archive.labels.values()))
    theirs = {face: person for face, person in archive.labels.items() if person == new_person}
    archive.labels = {face: person for face, person in archive.labels.items() if person != new_person}
    archive.run()
    archive.labels |= theirs
    archive.run()
    archive.labels.popitem()
    archive.run()
    archive.run()
    first, of_new_person, of_one_label, of_nothing = archive.compared
    assert of_new_person < first / 5 and of_one_label < first / 2 and of_nothing == 0


@pytest.mark.parametrize("settings", [AssignmentSettings(person_exemplars=1), AssignmentSettings(assign="vote")])
def test_all_are_compared_again_when_the_settings_are_others_or_people_have_votes(
    archive: School, settings: AssignmentSettings
) -> None:
    archive.run()
    archive.run(settings=settings)
    assert min(archive.compared) == archive.compared[0] > 50
    archive.run(settings=settings)
    archive.labels.popitem()
    archive.run(settings=settings)
    assert (archive.compared[-1] > archive.compared[0]) == (settings.assign == "vote")


def test_a_face_that_is_not_that_person_is_compared_again_and_gets_another_one(archive: School) -> None:
    rows = archive.run()
    matched = rows.filter(pl.col("person_id").is_not_null() & ~pl.col("face_id").is_in(list(archive.labels)))
    face, person = matched.sort("face_id").select("face_id", "person_id").row(0)
    rows = archive.run(rejected=frozenset({(face, person)}))
    assert archive.compared[1:] == [1]
    assert rows.filter(face_id=face)["person_id"].item() != person


def test_only_groups_and_people_that_changed_are_compared_again(archive: School) -> None:
    archive.run(~archive.last_photo)
    all_pairs = archive.pairs
    archive.run()
    of_one_photo = archive.pairs
    archive.run()
    assert all_pairs > 3 * of_one_photo and archive.pairs == 0
    archive.labels.popitem()
    archive.run()
    of_one_label = archive.pairs
    archive.run(settings=AssignmentSettings(propagation_gap_penalty=0.3))
    assert 0 < of_one_label < all_pairs / 2 and archive.pairs > 0.9 * all_pairs
