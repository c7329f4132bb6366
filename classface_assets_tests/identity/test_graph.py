"""Nearest neighbours: exact, the same after adding and taking away as from nothing, whatever the order of rows."""

import io
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.devtools.benchmark.scale.synthetic_faces import DETECTOR, PACK, make_people, write_archive
from classface_assets.identity.graph import kernels as scores
from classface_assets.identity.graph.approximate import NO_MIN_SIMILARITY, approximate_knn, neighbour_recall
from classface_assets.identity.graph.blocks import SearchOptions
from classface_assets.identity.graph.build import build_graph, update_graph
from classface_assets.identity.graph.exact import exact_knn
from classface_assets.identity.graph.knn_graph import NO_NEIGHBOUR, KnnGraph, from_cached_frame, to_cached_frame
from classface_assets.store.catalog.faces import load_catalog
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow

Edges = dict[str, list[tuple[str, float]]]


@pytest.fixture(autouse=True)
def one_thread_in_faiss() -> None:
    """On so few faces its threads would do little but wait for one another, which costs minutes on a busy machine."""
    faiss.omp_set_num_threads(1)


def crowd(seed: int, people: int, faces: int, d: int = 24) -> np.ndarray:
    """Faces of people; every ninth an exact copy of another face."""
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(people, d)))[rng.integers(people, size=faces)]
    vectors = unit(vectors + 0.12 * rng.normal(size=vectors.shape))
    vectors[::9] = vectors[rng.integers(faces, size=len(vectors[::9]))]
    return vectors


def named(count: int, seed: int = 0) -> np.ndarray:
    return np.array([f"face {i:05}" for i in np.random.default_rng(seed).permutation(count)])


def edges_of(graph: KnnGraph) -> Edges:
    ids = graph.face_ids.to_list()
    return {
        face: [(ids[j], float(s)) for j, s in zip(near, similar, strict=True) if j != NO_NEIGHBOUR]
        for face, near, similar in zip(ids, graph.neighbours.tolist(), graph.similarities, strict=True)
    }


def by_hand(ids: np.ndarray, vectors: np.ndarray, k: int, least: float) -> Edges:
    """Every pair looked at by itself."""
    return by_hand_of(np.arange(len(ids)), ids, vectors, k, least)


@pytest.mark.parametrize("least", [NO_MIN_SIMILARITY, 0.0, 0.3, 0.999])
def test_neighbours_are_those_of_looking_at_every_pair(least: float) -> None:
    vectors, ids = crowd(1, 20, 400), named(400)
    assert edges_of(build_graph(ids.tolist(), vectors, 12, least)) == by_hand(ids, vectors, 12, least)


@pytest.mark.parametrize("least", [0.05, 0.4])
def test_neighbours_of_many_faces_found_by_low_precision_scores_are_exact(
    least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "MIN_SHORT_OPERATIONS", 0)
    count = 4777
    vectors, ids = crowd(2, 300, count, 64), named(count)
    graph = build_graph(ids.tolist(), vectors, 12, least)
    some = np.random.default_rng(0).choice(count, 100, replace=False)
    expected = by_hand_of(some, ids, vectors, 12, least)
    found = edges_of(graph)
    assert {face: found[face] for face in expected} == expected


def test_neighbours_of_new_faces_found_by_low_precision_scores_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "MIN_SHORT_OPERATIONS", 0)
    vectors, ids = crowd(2, 300, 4777, 64), named(4777)
    first = build_graph(ids[:4700].tolist(), vectors[:4700], 12, 0.4)
    made = update_graph(ids.tolist(), vectors, 12, 0.4, first)
    assert made.searched == 77
    assert edges_of(made.graph) == edges_of(build_graph(ids.tolist(), vectors, 12, 0.4))


def by_hand_of(some: np.ndarray, ids: np.ndarray, vectors: np.ndarray, k: int, least: float) -> Edges:
    edges = {}
    for i in some:
        similar = np.einsum("ij,ij->i", vectors[np.full(len(ids), i)], vectors)
        near = [j for j in np.lexsort((ids, -similar)) if j != i and similar[j] >= least][:k]
        edges[str(ids[i])] = [(str(ids[j]), float(similar[j])) for j in near]
    return edges


def test_a_rough_score_is_never_further_off_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "MIN_SHORT_OPERATIONS", 0)
    vectors = crowd(3, 50, 4096, 256)
    rough = scores.select_kernel(vectors, 100, 0.3)
    keys = np.empty((4096, 100), rough.kind)
    for _ in rough.fill(vectors[:100], keys):
        pass
    exact = vectors.astype(np.float64) @ vectors[:100].T.astype(np.float64)
    clear = exact > 0.1
    assert np.abs(rough.scores(keys) - exact)[clear].max() <= rough.error < 0.03


@pytest.mark.parametrize("seed", range(6))
def test_adding_and_taking_away_gives_the_same_edges_as_from_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, ids, k, least = crowd(seed, 40, 700), named(700, seed), 9, float(rng.choice([NO_MIN_SIMILARITY, 0.35]))
    here = np.flatnonzero(rng.random(700) < 0.5)
    graph = build_graph(ids[here].tolist(), vectors[here], k, least)
    added = 0
    for _ in range(8):
        gone = here[rng.random(len(here)) < rng.choice([0.0, 0.005, 0.01, 0.1])]
        new = np.setdiff1d(np.flatnonzero(rng.random(700) < rng.choice([0.0, 0.01, 0.1])), here)
        here = rng.permutation(np.concatenate([np.setdiff1d(here, gone), new]))
        made = update_graph(ids[here].tolist(), vectors[here], k, least, KnnGraph.from_frame(stored(graph)))
        assert made.graph.face_ids.to_list() == ids[here].tolist()
        assert edges_of(made.graph) == by_hand(ids[here], vectors[here], k, least)
        graph, added = made.graph, added + (made.searched < len(here))
    assert added


def stored(graph: KnnGraph) -> pl.DataFrame:
    file = io.BytesIO()
    graph.to_frame().write_parquet(file)
    file.seek(0)
    return pl.read_parquet(file)


def test_only_what_is_new_is_searched() -> None:
    vectors, ids = crowd(4, 40, 600), named(600)
    first = build_graph(ids[:590].tolist(), vectors[:590], 9)
    assert update_graph(ids.tolist(), vectors, 9, NO_MIN_SIMILARITY, first).searched == 10
    assert update_graph(ids[:590].tolist(), vectors[:590], 9, NO_MIN_SIMILARITY, first).searched == 0
    lone = int(np.argmin([(first.neighbours == i).sum() for i in range(590)]))
    without = np.delete(np.arange(590), lone)
    lists = int((first.neighbours == lone).sum())
    assert update_graph(ids[without].tolist(), vectors[without], 9, NO_MIN_SIMILARITY, first).searched == lists


def test_a_stored_graph_is_extended_also_when_vectors_changed() -> None:
    vectors, ids = crowd(6, 40, 600), pl.Series("face_id", named(600).tolist())
    frame = to_cached_frame(build_graph(ids, vectors, 9, 0.3), vectors, 0.3)
    vectors[[5, 77]] = vectors[[200, 300]] @ np.roll(np.eye(24, dtype=np.float32), 1, axis=0)
    before = from_cached_frame(frame, ids, vectors, 9, 0.3)
    made = update_graph(ids, vectors, 9, 0.3, before)
    assert 2 <= made.searched < 60
    assert edges_of(made.graph) == by_hand(ids.to_numpy(), vectors, 9, 0.3)
    assert (
        from_cached_frame(frame, ids, vectors, 9, 0.2) is None
        and from_cached_frame(frame, ids, vectors, 8, 0.3) is None
    )
    assert from_cached_frame(pl.DataFrame(), ids, vectors, 9, 0.3) is None


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_graph_of_very_few_faces_is_complete(n: int) -> None:
    vectors, ids = np.eye(5, 8, dtype=np.float32)[:n], [f"f{i}" for i in range(n)]
    graph = build_graph(ids, vectors, 10)
    assert graph.neighbours.shape == graph.similarities.shape == (n, 10)
    assert edges_of(graph) == {f: [(other, 0.0) for other in ids if other != f] for f in ids}
    assert edges_of(KnnGraph.from_frame(stored(graph))) == edges_of(graph)
    assert len(build_graph(ids, vectors, 10, 0.1).pairs()[0]) == 0
    assert edges_of(update_graph(ids, vectors, 10, NO_MIN_SIMILARITY, KnnGraph.empty([], 10)).graph) == edges_of(graph)


def test_of_identical_faces_the_first_by_id_are_the_neighbours() -> None:
    ids = named(300)
    edges = edges_of(build_graph(ids.tolist(), np.tile(np.eye(1, 8, dtype=np.float32), (300, 1)), 4))
    first = sorted(ids)[:5]
    assert set(edges) == set(ids)
    assert all([n for n, _ in near] == [f for f in first if f != face][:4] for face, near in edges.items())


def test_a_graph_of_other_faces_has_the_edges_that_are_left_in_their_order() -> None:
    ids = named(60)
    graph = build_graph(ids.tolist(), crowd(5, 5, 60), 7)
    others = ["new one", *np.random.default_rng(1).permutation(ids)[:40].tolist()]
    before, after = edges_of(graph), edges_of(graph.of(others))
    assert after == {f: [e for e in before.get(f, []) if e[0] in others] for f in others}
    pairs, similarities = graph.of(others).pairs()
    assert [(others[i], others[j], float(s)) for (i, j), s in zip(pairs.tolist(), similarities, strict=True)] == [
        (f, n, s) for f in others for n, s in after[f]
    ]


def test_of_very_many_faces_an_index_finds_nearly_all_neighbours_and_says_how_many() -> None:
    vectors, k, least = crowd(7, 700, 5_000, 48), 15, 0.5
    found = approximate_knn(vectors, k, least)
    assert found is not None and found.recall >= 0.99 and "IVF" in found.method
    everyone = np.arange(len(vectors))
    neighbours, similarities = exact_knn(vectors, everyone, k, least)
    assert neighbour_recall(found.lists[0], neighbours) >= 0.99
    assert (found.lists[1][:, 0] == similarities[:, 0]).mean() > 0.99
    both = (found.lists[0] == neighbours).all(axis=1)
    assert (found.lists[1][both] == similarities[both]).all()


def test_faces_without_similar_ones_get_no_index() -> None:
    strangers = unit(np.random.default_rng(0).normal(size=(2500, 64)))
    assert approximate_knn(strangers, 15, NO_MIN_SIMILARITY) is None


def test_what_an_index_found_is_added_to_exactly() -> None:
    vectors, ids, options = crowd(8, 700, 5_000, 48), named(5_000), SearchOptions(max_exact_faces=4_000)
    first = update_graph(ids[100:].tolist(), vectors[100:], 15, 0.5, options=options)
    made = update_graph(ids.tolist(), vectors, 15, 0.5, first.graph, options)
    assert "IVF" in first.method and first.searched == 4_900 and made.searched == 100
    assert first.recall is not None and made.recall is not None and min(first.recall, made.recall) >= 0.99
    expected = by_hand_of(np.arange(100), ids, vectors, 15, 0.5)
    found = edges_of(made.graph)
    assert {face: found[face] for face in expected} == expected


def test_vectors_are_gathered_beside_their_faces(tmp_path: Path) -> None:
    layout, people = ArchiveLayout(tmp_path / "photos", tmp_path / "data"), make_people(700, 3)
    written = write_archive(layout, people, slice(0, 500), 3)
    facts = load_catalog(layout, DETECTOR, PACK)
    assert facts.faces["face_id"].to_list() == sorted(written["face_id"])
    assert facts.vectors.shape == (500, 512) and facts.vectors.dtype == np.float32
    who = facts.faces.join(written, on="face_id", maintain_order="left")["person"].to_numpy()
    similar = facts.vectors @ facts.vectors.T
    same = who[:, None] == who
    assert np.median(similar[same]) > 0.5 > 0.3 > np.abs(similar[~same]).max()
    assert not facts.faces.with_columns(who=who).select("asset_id", "who").is_duplicated().any()
