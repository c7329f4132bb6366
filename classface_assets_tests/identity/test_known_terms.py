"""Similarities that each face has by itself: those of the run before are used, and only what changed is computed."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from classface_assets.identity.inputs_from_frames import start_years
from classface_assets.identity.similarity import known_terms
from classface_assets.identity.similarity.known_terms import KnownTerms
from classface_assets.identity.similarity.probability import similarity_in_near_years
from classface_assets.identity.similarity.space import AffineTransform, ProjectedRows, SimilarityModel, StrangerCohort
from classface_assets_tests.support.clustering import school


class Faces:
    """Faces of a school, each in the group of its person but for some alone, and a model with a cohort of strangers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        faces, self.vectors, truth = school(3, people=30, photos=40, noise=0.08)
        size, random = self.vectors.shape[1], np.random.default_rng(0)
        matrix = np.eye(size) + 0.1 * random.normal(size=(size, size))
        normalisation = AffineTransform(self.vectors.mean(axis=0), matrix.astype(np.float32))
        self.model = SimilarityModel(
            normalisation, share=0.5, slope=0.8, cohort=StrangerCohort(normalisation(self.vectors[::3]), 0.1)
        )
        self.years = start_years(faces)
        self.groups = pl.Series(truth).rank("dense").cast(pl.Int64).to_numpy() - 1
        self.groups[::7] = -1
        self.computed = 0
        monkeypatch.setattr(known_terms, "similarity_in_near_years", self.similarity_in_near_years)

    def similarity_in_near_years(self, vectors: Any, years: np.ndarray, groups: np.ndarray) -> np.ndarray:
        self.computed += len(vectors)
        return similarity_in_near_years(vectors, years, groups)

    def similarities(self, terms: KnownTerms, rows: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Of some faces; they are the same as where nothing is known."""
        vectors, years = self.vectors[rows], self.years[rows]
        of = self.groups[rows] if groups is None else groups
        self.computed = 0
        found = terms.similarity_in_groups(self.model, vectors, years, of)
        from_scratch = similarity_in_near_years(ProjectedRows(self.model, vectors), years, of)
        np.testing.assert_allclose(found, from_scratch, atol=1e-6)
        return found


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Faces:
    return Faces(monkeypatch)


def test_of_one_more_face_only_its_group_is_measured_again(faces: Faces) -> None:
    rows = np.arange(len(faces.vectors))
    new = int(np.flatnonzero(faces.groups >= 0)[-1])
    first = KnownTerms()
    faces.similarities(first, np.delete(rows, new))
    second = KnownTerms(first.to_frame())
    faces.similarities(second, rows)
    assert faces.computed == (faces.groups == faces.groups[new]).sum()
    faces.similarities(KnownTerms(second.to_frame()), rows[::-1])
    assert faces.computed == 0, "nor does it matter in which order they come"


def test_both_groups_are_measured_again_when_a_face_moves_from_one_to_the_other(faces: Faces) -> None:
    rows, moved = np.arange(len(faces.vectors)), faces.groups.copy()
    first = KnownTerms()
    faces.similarities(first, rows)
    face = int(np.flatnonzero(moved == 3)[0])
    moved[face] = 4
    faces.similarities(KnownTerms(first.to_frame()), rows, moved)
    assert faces.computed == np.isin(moved, (3, 4)).sum()


def test_similarity_to_strangers_is_that_of_the_model_and_measured_once(faces: Faces) -> None:
    assert faces.model.has_hub_terms
    expected, first = faces.model.transform(faces.vectors).vectors[:, -1], KnownTerms()
    np.testing.assert_allclose(first.hub_terms(faces.model, faces.vectors[:-5]), expected[:-5], atol=1e-6)
    known = first.to_frame()
    shifted = known.with_columns(pl.col("similarity") + 1)
    found = KnownTerms(shifted).hub_terms(faces.model, faces.vectors)
    np.testing.assert_allclose(found - expected, [1.0] * (len(expected) - 5) + [0.0] * 5, atol=1e-5)


def test_nothing_is_known_by_another_model(faces: Faces) -> None:
    first = KnownTerms()
    first.hub_terms(faces.model, faces.vectors)
    other = replace(faces.model, slope=faces.model.slope * 1.1)
    shifted = KnownTerms(first.to_frame().with_columns(pl.col("similarity") + 1))
    expected = other.transform(faces.vectors).vectors[:, -1]
    np.testing.assert_allclose(shifted.hub_terms(other, faces.vectors), expected, atol=1e-6)


def test_a_table_of_another_version_is_not_used(faces: Faces) -> None:
    terms = KnownTerms(pl.DataFrame({"made_of": ["text"], "other": [1.0]}))
    assert np.isfinite(terms.hub_terms(faces.model, faces.vectors)).all()
    assert terms.to_frame().schema == known_terms.FACE_TERMS_SCHEMA
