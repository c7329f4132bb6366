"""The Python API on real models and a finished archive: the same answers as the pipeline, and every example runs."""

import doctest
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from markdown_it import MarkdownIt
from PIL import Image

import classface_assets
from classface_assets.api import (
    Archive,
    AssignmentService,
    ClusteringService,
    EmbeddingService,
    ImageError,
    NoFaceError,
    UnknownFaceError,
    archive,
    assignment,
    clustering,
    embedding,
)
from classface_assets.api.arrays import ArrayError
from classface_assets.api.clustering import Constraints
from classface_assets.core.errors import UserError
from classface_assets.store.ledger.transaction import ConflictError, UnknownError
from classface_assets_tests.conftest import World

PAGE = Path(str(classface_assets.__path__[0])) / "docs" / "engineers" / "api.md"
PORTRAITS = """
    SELECT a.path, a.school_year, f.cluster_id, f.id FROM face_instances f JOIN image_assets a USING (asset_id)
    WHERE a.path LIKE '%portrait%' AND a.status = 'ok' AND f.cluster_id LIKE 'unknown_cluster%'
    ORDER BY a.school_year, f.cluster_id, a.path
"""


@pytest.fixture
def opened(world: World) -> Archive:
    """The API's archive over a copy of the finished one."""
    return Archive(world.folder / "data", world.folder / "photos", actor="Frau Müller")


@pytest.fixture
def examples(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the examples run: `data`, `photos` and portraits of two people under the names they use."""
    rows = world.query(PORTRAITS)
    anna, ben = rows["cluster_id"].unique(maintain_order=True)[:2]
    hers = rows.filter(pl.col("cluster_id") == anna)["path"]
    pictures = {
        "anna-2016.jpg": hers[0],
        "anna-2019.jpg": hers[-1],
        "ben.jpg": rows.filter(pl.col("cluster_id") == ben)["path"][0],
    }
    for name, path in pictures.items():
        shutil.copy(world.folder / "photos" / path, world.folder / name)
    monkeypatch.chdir(world.folder)
    monkeypatch.setenv("CLASSFACE_PHOTOS", str(world.folder / "photos"))
    yield world.folder


@pytest.mark.parametrize("module", [archive, assignment, clustering, embedding])
def test_examples_of_the_docstrings_run(module: ModuleType, world: World, examples: Path) -> None:
    found = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
    assert found
    for test in found:
        ledger = world.archive.open_ledger()
        before = ledger.last()
        failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert failed == 0, test.name
        for event in reversed(ledger.events(after=before[0] if before else 0)):
            with suppress(UnknownError):  # the example took it back itself
                ledger.undo(event.id)


def test_examples_of_the_help_page_run(examples: Path) -> None:
    blocks = [
        token for token in MarkdownIt().parse(PAGE.read_text()) if token.type == "fence" and token.info == "python"
    ]
    assert len(blocks) > 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.content, str(PAGE), "exec"), names)


def test_the_package_and_its_api_are_light_to_import() -> None:
    code = "import sys, classface_assets; print(*sys.modules); import classface_assets.api; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    package, api = ({name.split(".")[0] for name in line.split()} for line in ran.stdout.splitlines())
    heavy = {"torch", "scipy", "sklearn", "cv2", "onnxruntime", "faiss", "dagster", "duckdb", "sqlalchemy", "PIL"}
    assert not package & (heavy | {"numpy", "polars"})
    assert not api & heavy


def test_every_public_name_of_the_api_is_documented_and_has_an_example() -> None:
    import classface_assets.api as api

    for name in api.__all__:
        documented = getattr(api, name)
        assert documented.__doc__, name
        if name.endswith("Service") or name == "Archive":
            assert ">>>" in documented.__doc__, name
            for member, function in vars(documented).items():
                assert member.startswith("_") or function.__doc__ or member == "pack", f"{name}.{member}"


def test_a_photo_of_the_archive_has_the_embeddings_that_the_pipeline_gave_it(opened: Archive, world: World) -> None:
    known = opened.faces().join(opened.embeddings(), on="face_id")
    path = known.filter(pl.col("path").str.contains("class"))["path"][0]
    service = EmbeddingService(data=world.folder / "data")
    found = service.detect_faces(world.folder / "photos" / path)
    expected = {(row["bbox_x"], row["bbox_y"]): row["vector"] for row in known.filter(path=path).iter_rows(named=True)}
    assert len(found) == len(expected) > 1
    for face in found:
        assert np.allclose(face.embedding, expected[face.box[:2]], atol=1e-4)
        assert face.embedding.shape == (service.dimension,)
    sizes = [face.box[2] * face.box[3] for face in found]
    assert sizes == sorted(sizes, reverse=True)


def test_a_file_its_pixels_and_its_chip_have_nearly_one_embedding(examples: Path, tmp_path: Path) -> None:
    service = EmbeddingService()
    (face,) = service.detect_faces("anna-2016.jpg")
    assert service.calculate_similarity("anna-2016.jpg", np.asarray(Image.open("anna-2016.jpg").convert("RGB"))) > 0.99
    (tmp_path / "chip.jpg").write_bytes(face.chip)
    assert np.allclose(service.generate_embedding(tmp_path / "chip.jpg", aligned=True), face.embedding, atol=1e-4)


def test_what_is_no_picture_or_shows_no_face_is_answer_in_a_sentence(tmp_path: Path, examples: Path) -> None:
    service = EmbeddingService()
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (200, 200), "green").save(tmp_path / "green.png")
    for wrong in (tmp_path / "text.jpg", tmp_path / "missing.jpg", np.zeros((5, 5)), np.zeros((9, 9, 3), np.float32)):
        with pytest.raises(ImageError):
            service.generate_embedding(wrong)
    with pytest.raises(NoFaceError, match=r"green\.png"):
        service.generate_embedding(tmp_path / "green.png")
    with pytest.raises(ImageError, match="192"):
        service.generate_embedding(tmp_path / "green.png", aligned=True)


def test_matches_are_the_most_similar_candidates_in_order() -> None:
    rng = np.random.default_rng(1)
    candidates, query = rng.normal(size=(500, 64)), rng.normal(size=64)
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    scores = unit @ (query / np.linalg.norm(query))
    service = EmbeddingService()
    found = service.find_top_k_matches(query, candidates, k=7)
    assert [match.key for match in found] == np.argsort(-scores)[:7].tolist()
    assert np.allclose([match.similarity for match in found], np.sort(scores)[::-1][:7], atol=1e-5)
    least = float(np.sort(scores)[-3])
    assert len(service.find_top_k_matches(query, candidates, k=100, threshold=least - 1e-6)) == 3
    assert service.find_best_match(query, candidates, threshold=0.99) is None
    assert service.find_best_match(query, {}) is None
    with pytest.raises(ArrayError, match="one model pack"):
        service.find_best_match(query, rng.normal(size=(3, 32)))
    with pytest.raises(ArrayError, match="zero"):
        service.find_best_match(np.zeros(64), candidates)


def test_clustering_the_embeddings_of_an_archive_finds_its_clusters(opened: Archive) -> None:
    faces = opened.faces().join(opened.embeddings(), on="face_id", maintain_order="left")
    found = ClusteringService().cluster_embeddings(
        faces["vector"].to_numpy(),
        years=faces["year"].to_list(),
        photos=faces["asset_id"].to_list(),
        quality=faces["quality_score"].to_list(),
    )
    assert found.num_clusters == opened.clusters().height
    assert sum(found.cluster_sizes.values()) + found.noise_count == faces.height
    groups = faces.select("cluster_id").with_columns(label=pl.Series(found.labels)).filter(pl.col("label") >= 0)
    assert groups["cluster_id"].n_unique() == groups.unique().height == found.num_clusters


def test_constraints_photos_and_settings_hold_in_a_clustering() -> None:
    one = np.tile([1.0, 0.0, 0.0], (4, 1)) + np.random.default_rng(0).normal(scale=0.01, size=(4, 3))
    service = ClusteringService(pack="arcface")
    assert service.cluster_embeddings(one).num_clusters == 1
    assert service.cluster_embeddings(one, photos=["a", "a", "b", "b"]).cluster_sizes == {0: 2, 1: 2}
    apart = Constraints(cannot_link=[(0, 1)])
    labels = service.cluster_embeddings(one, constraints=apart).labels
    assert labels[0] != labels[1]
    assert ClusteringService(pack="arcface", min_cluster_size=5).cluster_embeddings(one).num_clusters == 0
    assert service.cluster_embeddings([]).num_clusters == 0
    for method in ("hdbscan", "dbscan", "agglomerative"):
        assert ClusteringService(pack="arcface", method=method).cluster_embeddings(one).num_clusters == 1, method
    with pytest.raises(ArrayError, match="photos"):
        service.cluster_embeddings(one, photos=["a"])
    with pytest.raises(ArrayError, match="outside"):
        service.cluster_embeddings(one, constraints=Constraints(must_link=[(0, 9)]))
    with pytest.raises(UserError, match="no method"):
        ClusteringService(method="k-means")
    with pytest.raises(UserError, match="no setting"):
        ClusteringService(threshold=0.5)


@pytest.mark.parametrize("strategy", ["knn", "prototype", "centroid", "vote"])
def test_a_face_is_assigned_to_whom_the_labelled_faces_say(strategy: str, opened: Archive, world: World) -> None:
    clusters = opened.clusters()
    for number in range(3):
        cluster = clusters["cluster_id"][number]
        opened.label(f"Person {number}", opened.faces().filter(cluster_id=cluster)["face_id"].to_list()[1:])
    service = AssignmentService.from_archive(opened)
    names = dict(opened.people().select("id", "name").iter_rows())
    vectors = opened.faces().join(opened.embeddings(), on="face_id", maintain_order="left")
    for number in range(3):
        row = vectors.filter(cluster_id=clusters["cluster_id"][number]).row(0, named=True)
        found = service.assign_crop(np.array(row["vector"]), strategy=strategy, year=row["year"])  # type: ignore[arg-type]
        assert names[str(found.person)] == f"Person {number}"
        assert found.similarity > 0.9 and found.votes >= 1
    other = vectors.filter(cluster_id=clusters["cluster_id"][3]).row(0, named=True)
    stranger = service.assign_crop(np.array(other["vector"]), threshold=0.999, strategy=strategy)  # type: ignore[arg-type]
    assert stranger.person is None
    nobody = AssignmentService([], [])
    assert nobody.assign_crop(np.array(other["vector"])).person is None
    with pytest.raises(ArrayError, match="one model pack"):
        service.assign_crop(np.ones(7))


def test_the_service_and_the_review_server_assign_the_same_people(world: World, served: str, opened: Archive) -> None:
    from classface_assets_tests.support.clients import Client

    clusters = opened.clusters()
    faces = opened.faces().filter(cluster_id=clusters["cluster_id"][0])["face_id"].to_list()
    opened.label("Anna", faces[2:])
    opened.label("Ben", clusters["cluster_id"][1])
    vectors = dict(opened.embeddings().iter_rows())
    year = dict(opened.faces().select("face_id", "year").iter_rows())
    service = AssignmentService.from_archive(opened)
    for face in faces[:2]:
        answer = Client(served).post(f"/api/v1/faces/{face}/assign", {"k": 3, "similarityThreshold": 0.9}).json
        found = service.assign_crop(np.array(vectors[face]), k=3, threshold=0.9, year=year[face])
        assert (found.person, found.votes) == (answer["personId"], answer["votes"])
        assert found.similarity == pytest.approx(answer["similarity"], abs=1e-5)


def test_frames_of_an_archive_show_decisions_at_once_and_undo_takes_them_back(opened: Archive, world: World) -> None:
    faces, cluster = opened.faces(), opened.clusters()["cluster_id"][0]
    assert faces["face_id"].is_sorted() and faces.height == world.query("SELECT count(*) FROM face_instances").item()
    assert set(opened.faces("2019-2020")["school_year"]) == {"2019-2020"}
    assert set(opened.faces("2019-2020")["year"]) == {2019}
    result = opened.label("Anna Weiss", cluster)
    assert result.person_name == "Anna Weiss" and result.faces == faces.filter(cluster_id=cluster).height
    (event,) = [e for e in world.archive.open_ledger().events() if e.kind == "faces_labelled"]
    assert (event.actor, event.payload["how"]) == ("Frau Müller", "cluster")
    assert opened.people().select("name", "face_count").rows() == [("Anna Weiss", result.faces)]
    mine = opened.assignments().filter(person_name="Anna Weiss")
    assert mine["confirmed"].all() and set(mine["assignment_reason"]) == {"labelled"}
    assert cluster not in opened.clusters()["cluster_id"]
    assert f"person_{result.person_id}" in opened.clusters(include_people=True)["cluster_id"]
    face = mine["face_id"][0]
    assert opened.remove_name(face).faces == 1
    assert opened.confirm("anna weiss", [face]).person_id == result.person_id
    assert opened.reject("Anna Weiss", face).faces == 1
    assert opened.assignments().filter(face_id=face)["person_id"].to_list() == [None]
    opened.undo(result)
    assert opened.people().is_empty()
    with pytest.raises(UnknownError):
        opened.undo(result)


def test_unknown_faces_and_erased_ones_cannot_be_labelled(opened: Archive, world: World) -> None:
    with pytest.raises(UnknownFaceError, match="unknown_cluster_999"):
        opened.label("Anna", "unknown_cluster_999")
    with pytest.raises(UnknownError):
        opened.confirm("Nobody", opened.faces()["face_id"][0])
    result = opened.label("Anna", opened.clusters()["cluster_id"][0])
    faces = opened.assignments().filter(person_name="Anna")["face_id"].to_list()
    before = opened.embeddings().height
    ledger = world.archive.open_ledger()
    ledger.erase(str(result.person_id), opened._view().face_refs(faces))
    assert opened.people().is_empty()
    assert not set(faces) & set(opened.faces()["face_id"])
    assert opened.embeddings().height == before - len(faces)
    with pytest.raises(UnknownFaceError):
        opened.label("Anna", faces)
    with pytest.raises((UnknownError, ConflictError)):
        opened.confirm(str(result.person_id), opened.faces()["face_id"][0])


def test_help_of_the_api_names_every_public_name() -> None:
    import classface_assets.api as api

    text = PAGE.read_text()
    assert [name for name in api.__all__ if not re.search(rf"`{name}\b", text)] == []
