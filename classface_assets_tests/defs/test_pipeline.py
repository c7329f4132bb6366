"""The whole pipeline on the sample, in real Dagster runs: what it makes, what a second run does, how failures read."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.defs.identity.assignment import AssignmentTask
from classface_assets.defs.identity.identities import assign_with_head
from classface_assets.devtools.demo import label_clusters
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.identity.evaluation.report import evaluate
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.training import train_head
from classface_assets.identity.projection.training_faces import training_faces
from classface_assets.identity.settings import settings_for
from classface_assets.orchestration.resources import Models
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.memoization import file_signature
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.catalog.school_year import SchoolYearStore, year_images
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.published.queries import boxes_in_files
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK, describe_pack
from classface_assets_tests.conftest import SHARED_PACK, World, outcome, register
from classface_assets_tests.support.helpers import ASSETS, BY_YEAR

pytestmark = pytest.mark.slow

YEARS = ["2016-2017", "2017-2018", "2018-2019", "2019-2020"]


def materialized(world: World, asset: str) -> int:
    records = world.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return len(records)


def test_the_sample_becomes_albums_and_every_person_is_found(finished: World, sample: SampleArchive) -> None:
    truth = pl.read_csv(sample.truth, infer_schema=False)
    score = evaluate(truth, boxes_in_files(finished.layout.database))
    assert score.detected >= 0.98 * score.faces
    assert score.bcubed.precision >= 0.99 and score.bcubed.f >= 0.95
    assert find_broken_links(finished.layout.albums) == []
    for year in YEARS:
        assert (finished.layout.albums / "years" / year / "index.html").is_file()


def test_every_file_of_the_folders_is_in_the_database_with_a_reason_where_it_is_not_ok(finished: World) -> None:
    rows = finished.query("SELECT path, status, reason FROM image_assets")
    on_disk = {
        p.relative_to(finished.layout.photos).as_posix() for p in finished.layout.photos.rglob("*") if p.is_file()
    }
    assert set(rows["path"]) == on_disk and rows.height == len(on_disk)
    assert rows.filter((pl.col("status") == "ok") != (pl.col("reason") == "")).is_empty()
    assert set(rows["status"]) == {"ok", "duplicate", "unreadable"}


def test_each_asset_reports_its_rows_and_passes_its_checks(finished: World) -> None:
    for asset in ASSETS:
        assert materialized(finished, asset) == (4 if asset in BY_YEAR else 1)
        partition = YEARS[0] if asset in BY_YEAR else None
        rows = finished.number(asset, "dagster/row_count", partition)
        assert (rows > 0) == (asset not in ("projection_head", "evaluation", "student_coverage")), "they wait for names"
    records = finished.instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=100).records
    evaluations = [
        log.dagster_event.asset_check_evaluation_data
        for record in records
        for log in finished.instance.all_logs(record.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if log.dagster_event
    ]
    declared = finished.chain.definitions.resolve_asset_graph().asset_check_keys
    assert {dg.AssetCheckKey(e.asset_key, e.check_name) for e in evaluations} == set(declared)
    assert [e for e in evaluations if not e.passed] == []


def test_the_head_is_skipped_with_its_reason_while_nobody_is_named(finished: World) -> None:
    record = finished.instance.fetch_materializations(dg.AssetKey("projection_head"), limit=1).records[0]
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert metadata["status"].value == "skipped"
    assert "5 are needed: label more faces" in str(metadata["reason"].value)


def test_a_second_run_does_nothing_twice(world: World) -> None:
    before = outcome(world)
    parts = {p: p.stat().st_mtime_ns for p in world.layout.data.rglob("part-*.parquet")}
    assert world.run() == []
    assert sum(world.number("images", "new_files", y) for y in YEARS) == 0
    assert sum(world.number("detections", "photos_searched_now", y) for y in YEARS) == 0
    assert sum(world.number("embeddings", "embedded_now", y) for y in YEARS) == 0
    assert sum(world.number("albums", "thumbnails_made", y) for y in YEARS) == 0
    assert {p: p.stat().st_mtime_ns for p in world.layout.data.rglob("part-*.parquet")} == parts
    assert outcome(world).equals(before)


def test_a_renamed_year_folder_recomputes_nothing(world: World) -> None:
    faces = world.query("SELECT id FROM face_instances ORDER BY id")
    (world.layout.photos / "2016-2017").rename(world.layout.photos / "Jahrgang 2006")
    assert world.run() == []
    assert world.number("detections", "photos_searched_now", "2006-2007") == 0
    assert world.number("embeddings", "embedded_now", "2006-2007") == 0
    assert world.query("SELECT id FROM face_instances ORDER BY id").equals(faces)
    assert (world.layout.albums / "years" / "2006-2007" / "index.html").is_file()
    assert not (world.layout.albums / "years" / "2016-2017").exists()
    assert find_broken_links(world.layout.albums) == []


def test_a_deleted_photo_drops_out_of_everything_and_costs_nobody_else_a_number(world: World) -> None:
    before = dict(world.query("SELECT id, cluster_id FROM face_instances").iter_rows())
    gone = world.query("SELECT asset_id, path FROM image_assets WHERE path LIKE '2019%portrait%' ORDER BY path").row(0)
    (world.layout.photos / gone[1]).unlink()
    assert world.run("2019-2020") == []
    assert world.query(f"SELECT * FROM face_instances WHERE asset_id = '{gone[0]}'").is_empty()
    assert not [p for p in world.layout.albums.rglob("*") if p.name == Path(gone[1]).name]
    after = dict(world.query("SELECT id, cluster_id FROM face_instances").iter_rows())
    assert len(after) == len(before) - 1
    assert after == {face: before[face] for face in after}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_names_come_back_after_all_outputs_were_deleted(
    database: str, world: World, sample: SampleArchive, request: pytest.FixtureRequest
) -> None:
    if database == "postgresql":
        world = replace(world, ledger=request.getfixturevalue("postgres_ledger"))
    ledger = world.archive.open_ledger()
    assert label_clusters(world.archive, pl.read_csv(sample.truth, infer_schema=False)) >= 7
    ledger.rename("Ana", "Ana <b>López</b>")
    assert world.run() == []
    named = "SELECT f.id, p.name FROM face_instances f JOIN persons p ON p.id = f.person_id ORDER BY f.id"
    before = world.query(named)
    assert before.height == world.query("SELECT id FROM face_instances").height
    assert "Ana <b>López</b>" in set(before["name"]) and "Ana" not in set(before["name"])

    for made in world.layout.data.iterdir():
        if made.name not in {"ledger.sqlite", "dagster_home"}:
            shutil.rmtree(made) if made.is_dir() else made.unlink()
    assert world.run() == []
    assert world.query(named).equals(before)
    folders = {p.name for p in (world.layout.albums / "years" / "2016-2017").iterdir() if p.is_dir()}
    assert len([f for f in folders if "López" in f]) == 1
    page = (world.layout.albums / "index.html").read_text()
    assert "Ana &lt;b&gt;López&lt;/b&gt;" in page and "<b>López" not in page


def test_with_names_a_head_is_trained_and_used_only_if_it_won(world: World, sample: SampleArchive) -> None:
    label_clusters(world.archive, pl.read_csv(sample.truth, infer_schema=False))
    assert world.chain.run_job("identify") == []
    record = world.instance.fetch_materializations(dg.AssetKey("projection_head"), limit=1).records[0]
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert metadata["status"].value == "trained" and world.layout.head.is_file()
    used = world.instance.fetch_materializations(dg.AssetKey("identities"), limit=1).records[0].asset_materialization
    assert used is not None and used.metadata["head_used"].value == metadata["promoted"].value


def test_what_was_computed_with_a_projection_head_is_used_by_the_next_run(world: World, sample: SampleArchive) -> None:
    label_clusters(world.archive, pl.read_csv(sample.truth, infer_schema=False).head(40))
    catalog, layout = world.archive.catalog(Models(pack=world.pack)), world.layout
    rng = np.random.default_rng(0)
    who = [f"p{person}" for person in np.repeat(np.arange(24), 12)]
    looks = rng.normal(size=(24, catalog.vectors.shape[1]))[np.repeat(np.arange(24), 12)]
    looks = looks + 0.3 * rng.normal(size=looks.shape)
    unit = (looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float32)
    head = train_head(training_faces(unit, who), TrainingSettings(epochs=1)).checkpoint
    assert head is not None
    events, settings = world.archive.open_ledger().events(), settings_for("builtin")
    task = AssignmentTask(layout, catalog, events, settings, portraits={}, recluster=True)
    rows = assign_with_head(task, head)
    thresholds, graph = (file_signature(layout.table(name)) for name in ("thresholds_of_head", "knn_graph_of_head"))
    assert thresholds and graph and rows["face_id"].equals(catalog.faces["face_id"])
    assert assign_with_head(replace(task, recluster=False), head).equals(rows)
    assert file_signature(layout.table("thresholds_of_head")) == thresholds
    assert not read_parquet(layout.table("face_groups_of_head"))["added"].any()


def test_an_undone_label_leaves_the_faces_unknown_again(world: World) -> None:
    before = world.query("SELECT id, cluster_id FROM face_instances ORDER BY id")
    ledger = world.archive.open_ledger()
    ledger.label("Kim", find_faces(world.layout.database, "unknown_cluster_1"))
    assert world.chain.run_job("identify") == []
    assert world.query("SELECT count(person_id) AS n FROM face_instances")["n"][0] > 0
    ledger.undo()
    assert world.chain.run_job("identify") == []
    assert world.query("SELECT count(person_id) AS n FROM face_instances")["n"][0] == 0
    assert world.query("SELECT id, cluster_id FROM face_instances ORDER BY id").height == before.height


def test_a_name_follows_the_faces_to_another_model_pack(world: World) -> None:
    if not SHARED_PACK.exists():
        pytest.skip("needs the InsightFace-format pack of ../shared, which is not here")
    faces = find_faces(world.layout.database, "unknown_cluster_1")
    world.archive.open_ledger().label("Kim", faces)
    other = World(world.folder, world.instance, str(SHARED_PACK))
    assert other.run() == []
    named = other.query(
        "SELECT f.asset_id FROM face_instances f JOIN persons p ON p.id = f.person_id AND p.name = 'Kim'"
    )
    assert {f.asset_id for f in faces} <= set(named["asset_id"])
    info = describe_pack(str(SHARED_PACK), world.layout.packs)
    vectors = SchoolYearStore(world.layout, info.detector_version, YEARS[0]).embedding_parts(info.key).read()["vector"]
    assert vectors.dtype == pl.Array(pl.Float32, 128)
    before = SchoolYearStore(world.layout, BUILTIN_DETECTOR, YEARS[0]).embedding_parts(BUILTIN_PACK.key)
    assert before.files(), "the first pack's vectors stay beside them"


def test_a_killed_run_resumes_with_the_rest(sample: SampleArchive, finished: World, tmp_path: Path) -> None:
    """Killed -9 in the middle of a year, between two parts: what was found stays, the rest is done once."""
    for number, year in enumerate(sorted(sample.photos.iterdir())):
        shutil.copytree(year, tmp_path / "photos" / "2017-2018" / f"box {number}")
    world = World(tmp_path, dg.DagsterInstance.ephemeral(), "builtin", "data of a killed run")
    places = ["--photos", str(world.layout.photos), "--data", str(world.layout.data)]
    command = [sys.executable, "-m", "classface_assets.cli", "run", *places]
    store = SchoolYearStore(world.layout, BUILTIN_DETECTOR, "2017-2018")
    parts = store.detection_parts("confidence-0.5 size-20").folder
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: any(parts.glob("part-*.parquet")), victim)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    found = read_parts(parts)
    assert 0 < found["asset_id"].n_unique() < 42

    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "was killed; going on where it was" in run.stderr
    rows = read_parts(parts)
    assert rows["asset_id"].n_unique() == 42 and rows.unique(["asset_id", "face_id"]).height == rows.height
    unchanged = rows.join(found.select("asset_id", "face_id", "created_at"), on=["asset_id", "face_id", "created_at"])
    assert unchanged.height == found.height, "what the killed run had found was not computed again"
    undisturbed = load_catalog(finished.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key).faces
    assert set(load_catalog(world.layout, BUILTIN_DETECTOR, BUILTIN_PACK.key).faces["face_id"]) == set(
        undisturbed["face_id"]
    )


def read_parts(folder: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(part) for part in folder.glob("part-*.parquet")])


def wait_until(true: Callable[[], bool], process: subprocess.Popen) -> None:
    end = time.monotonic() + 600
    while not true():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "the run never got that far"
        time.sleep(0.005)


def test_a_school_year_that_fails_is_reported_in_one_sentence_and_the_others_go_on(world: World) -> None:
    store = SchoolYearStore(world.layout, BUILTIN_DETECTOR, "2018-2019")
    settings = store.detection_parts("confidence-0.5 size-20").folder
    shutil.rmtree(settings)
    settings.write_text("a file where the year's folder belongs")
    stopped = world.run()
    assert {s.year for s in stopped} == {"2018-2019"}
    assert all("\n" not in s.reason for s in stopped)


@pytest.mark.parametrize(
    ("pack", "message"),
    [("no_such_pack", "no_such_pack"), ("broken", "not a model that can be loaded"), ("empty", "No .onnx files")],
)
def test_a_pack_that_cannot_be_used_fails_with_one_sentence(
    world: World, tmp_path: Path, pack: str, message: str
) -> None:
    for name in ("broken", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "det_10g.onnx").write_bytes(b"this is no model")
    name = pack if pack == "no_such_pack" else str(tmp_path / pack)
    other = World(world.folder, world.instance, name)
    (stop,) = other.chain.run_job("ingest_year", register(other, "2016-2017"))
    assert message in stop.reason and "\n" not in stop.reason
    assert year_images(world.layout, "2016-2017").height == 10


def test_an_unknown_school_year_fails_with_one_sentence(world: World) -> None:
    (stop,) = world.chain.run_job("ingest_year", register(world, "1900-1901"))
    assert stop.reason.startswith("There is no folder for the school year 1900-1901 in ")
    assert "2016-2017" in stop.reason


def test_a_run_writes_nothing_outside_its_data_folder_and_asks_nobody_on_the_network(
    sample: SampleArchive, tmp_path: Path
) -> None:
    """onnxruntime and Dagster report to their makers unless told not to; photos of minors are nobody's business."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(sample.photos / "2016-2017", tmp_path / "photos" / "2016-2017")
    quiet = {k: v for k, v in os.environ.items() if k not in {"CI", "DAGSTER_HOME", "ORT_DISABLE_TELEMETRY"}}
    code = (
        "import socket, sys\n"
        "def refuse(*args): raise AssertionError(f'connects to {args[1:]}')\n"
        "socket.socket.connect = refuse\n"
        "from classface_assets.cli.__main__ import main\n"
        "sys.argv = ['classface', 'run', '--photos', 'photos', '--data', 'data']\n"
        "main()"
    )
    environment = {**quiet, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert [p for p in home.rglob("*") if p.is_file()] == []
    assert {p.name for p in tmp_path.iterdir()} == {"home", "photos", "data"}


def test_a_terminal_shows_how_far_the_run_is(sample: SampleArchive, tmp_path: Path) -> None:
    shutil.copytree(sample.photos / "2016-2017", tmp_path / "photos" / "2016-2017")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "classface_assets.cli", "run", "--photos", "photos", "--data", "data"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says EIO when the other end of a terminal has closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert run.wait() == 0
    assert b"2016-2017: finding faces" in shown and b"10/10" in shown


def test_a_broken_chip_fails_a_check_that_says_what_to_do_and_nothing_else(world: World) -> None:
    pack, year = describe_pack("builtin", world.layout.packs), YEARS[0]
    (part,) = world.layout.parts("detections", pack.detector_version, year).rglob("part-*.parquet")
    rows = pl.read_parquet(part).with_row_index()
    first = rows.filter(pl.col("face_id").is_not_null())["index"][0]
    chip = pl.when(pl.col("index") == first).then(pl.lit(b"broken")).otherwise(pl.col("chip"))
    rows.with_columns(chip.alias("chip")).drop("index").write_parquet(part)
    shutil.rmtree(SchoolYearStore(world.layout, pack.detector_version, year).embedding_parts(pack.key).folder)
    assert world.run(year) == []
    faces = rows["face_id"].count()
    assert world.number("embeddings", "embedded_now", year) == faces - 1
    assert world.number("embeddings", "chips_not_decoded", year) == 1
    (materialized,) = world.instance.fetch_materializations(dg.AssetKey("embeddings"), limit=1).records
    assert materialized.asset_materialization
    metadata = materialized.asset_materialization.metadata
    assert rows["face_id"][first] in str(metadata["faces_whose_chip_is_broken"].value)
    assert metadata["device"].value == "cpu" and metadata["faces_a_second"].value > 0
    checks = {
        check.check_name: check
        for event in world.instance.all_logs(materialized.run_id)
        if event.dagster_event and event.dagster_event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for check in [event.dagster_event.asset_check_evaluation_data]
        if check.asset_key == dg.AssetKey("embeddings")
    }
    assert [name for name, check in checks.items() if not check.passed] == ["one_vector_a_face"]
    assert checks["one_vector_a_face"].severity is dg.AssetCheckSeverity.WARN
    assert "classface find-orphans --fix" in str(checks["one_vector_a_face"].metadata["what to do"].value)
    assert world.chain.run_job("ingest_year", YEARS[:2]) == [], "nor does it among several years"
