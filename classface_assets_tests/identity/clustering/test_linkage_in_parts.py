"""Linking faces some components at a time finds the groups that linking all at once finds."""

from dataclasses import replace

import numpy as np
import pytest

from classface_assets.identity.clustering.linkage import components
from classface_assets.identity.clustering.linkage.average import average_linkage
from classface_assets.identity.clustering.linkage.components import average_linkage_in_parts
from classface_assets.identity.clustering.linkage.rule import LinkageRule
from classface_assets.identity.clustering.shared_neighbours import SharedNeighbours
from classface_assets.identity.clustering.similarity_fitting import fit_archive_similarity
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.settings import ARCFACE_SETTINGS
from classface_assets.identity.similarity.rows import SelectedRows
from classface_assets.identity.similarity.short import ShortVectors
from classface_assets.identity.similarity.year_decay import YearDecay
from classface_assets_tests.support.clustering import clustering_input
from classface_assets_tests.support.vectors import unit

NOTHING_SHARED = SharedNeighbours(0.0, 0.0)


def school(seed: int, noise: float = 0.11) -> ClusteringInput:
    """600 faces of 100 people in photos, years, and pairs that people tied or parted, some of them wrongly."""
    rng = np.random.default_rng(seed)
    who = rng.integers(100, size=600)
    vectors = unit(unit(rng.normal(size=(100, 48)))[who] + noise * rng.normal(size=(600, 48)))
    years = np.where(rng.random(600) < 0.1, np.nan, 2010.0 + rng.integers(0, 8, 600))
    inputs = clustering_input(vectors, rng.integers(0, 200, 600), years, 8)
    pairs = [rng.choice(600, 2, replace=False) for _ in range(8)]
    return replace(inputs, must_link=np.array(pairs[:4]), cannot_link=np.array(pairs[4:]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shared", [NOTHING_SHARED, SharedNeighbours(0.1, 0.02)], ids=["alone", "shared neighbours"])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_groups_of_parts_are_those_of_the_whole(
    seed: int, shared: SharedNeighbours, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = school(seed)
    model = fit_archive_similarity(inputs, replace(ARCFACE_SETTINGS, whitened_share=share)).model
    assert model.has_hub_terms
    rule = LinkageRule(0.6, YearDecay(2.0, 0.0), size_penalty=0.02, overlap_penalty=0.02)
    whole = average_linkage(inputs, shared.add(model.transform(inputs.vectors), inputs), rule)
    monkeypatch.setattr(components, "MAX_PARTS", len(inputs))
    near = components._near_edges(inputs, model, shared, rule.threshold)[0]
    parts = [rows for rows, _ in components._parts(near, 20)]
    assert len(parts) > 3 and len(np.unique(np.concatenate(parts))) == sum(len(rows) for rows in parts)
    assert np.array_equal(average_linkage_in_parts(inputs, model, shared, rule, part_faces=20), whole)
    assert len(np.unique(whole)) < 500


def test_where_nothing_is_near_enough_every_face_stays_alone() -> None:
    inputs = replace(school(1), must_link=np.empty((0, 2), np.int64))
    model = fit_archive_similarity(inputs, ARCFACE_SETTINGS).model
    groups = average_linkage_in_parts(inputs, model, NOTHING_SHARED, LinkageRule(3.0, YearDecay()), part_faces=10)
    assert np.array_equal(groups, np.arange(len(inputs)))


def test_products_of_short_vectors_are_off_by_no_more_than_they_say() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(500, 64)).astype(np.float32) * rng.uniform(0.1, 2, (500, 1)).astype(np.float32)
    short = ShortVectors(500)
    for start in range(0, 500, 200):
        short.fill(slice(start, start + 200), vectors[start : start + 200])
    a, b = rng.integers(500, size=(2, 3000))
    right = np.einsum("ij,ij->i", vectors[a].astype(np.float64), vectors[b])
    off = np.abs(short.products(a, b) - right)
    assert 0 < off.max() <= short.error < 0.02 * float((vectors**2).sum(axis=1).max())


def test_selected_rows_are_rows_of_the_selection() -> None:
    vectors = np.arange(20.0).reshape(10, 2)
    selected = SelectedRows(vectors, np.array([9, 3, 5]))
    assert (len(selected), selected.shape) == (3, (3, 2))
    assert np.array_equal(selected[1:], vectors[[3, 5]]) and np.array_equal(selected[np.array([2, 0])], vectors[[5, 9]])
