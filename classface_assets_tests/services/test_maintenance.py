"""What prune and find-orphans do with a finished archive: what nothing uses goes, what is broken is made again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.services.queries import find_faces
from classface_assets.store.catalog.school_year import SchoolYearStore, embedding_version, image_parts
from classface_assets.store.maintenance.integrity import REPAIR
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK, describe_pack
from classface_assets_tests.cli.test_cli import classface, words
from classface_assets_tests.conftest import SHARED_PACK, World, outcome

YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The command sets it for the process; what is set here is put back after the test."""
    monkeypatch.setenv("DAGSTER_HOME", str(world.layout.dagster_home))
    return world


def test_prune_removes_what_nothing_uses_and_no_name(world: World) -> None:
    layout = world.layout
    small = world.query("SELECT * FROM face_instances ORDER BY bbox_w LIMIT 1").row(0, named=True)
    world.archive.open_ledger().label("Kim", find_faces(layout.database, small["id"]))
    year = world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{small['asset_id']}'").item(0, 0)
    with_faces_of_at_least(120, world, year)
    store = SchoolYearStore(layout, BUILTIN_DETECTOR, year)
    found = store.detections()
    old = store.detection_parts(DetectionSettings().name)
    assert small["id"] not in set(found["face_id"]) and small["id"] in old.ids("face_id")
    stale = old.folder / ".part-0.parquet.elsewhere~1~00000000.tmp"
    stale.write_bytes(b"half a part")
    os.utime(stale, (1, 1))
    parts = {p: p.read_bytes() for p in layout.data.rglob("part-*.parquet") if p.parent != old.folder}

    command = [sys.executable, "-m", "classface_assets.cli", *words(layout, "prune")]
    declined = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert declined.returncode == 1 and "Remove it?" in declined.stdout and old.files(), "nobody said yes"
    assert "faces of thresholds that are not in use" in declined.stdout and "temporary files" in declined.stdout
    pruned = classface(layout, "prune", "--yes")
    assert pruned.returncode == 0 and pruned.stdout.endswith("Removed.\n"), pruned.stderr
    assert not old.folder.exists() and not stale.exists()
    assert store.detections().equals(found)
    unchanged = [p for p in parts if p.exists() and p.read_bytes() == parts[p]]
    assert len(unchanged) == len(parts) - 1, "only the vectors of that year's small faces went with them"
    assert classface(layout, "prune", "--yes").stdout == "There is nothing that is not used.\n"

    with_faces_of_at_least(20, world, year)
    assert world.run() == []
    rows = world.query(
        f"SELECT p.name FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE f.id = '{small['id']}'"
    )
    assert rows.rows() == [("Kim",)], "with the old thresholds the face is found again, and has its name"


def with_faces_of_at_least(pixels: int, world: World, year: str) -> None:
    job = world.chain.definitions.resolve_job_def("ingest_year")
    world.instance.add_dynamic_partitions("school_year", [year])
    config = {"ops": {"detections": {"config": {"min_face_px": pixels}}}}
    assert job.execute_in_process(run_config=config, instance=world.instance, partition_key=year).success


def test_prune_takes_a_deleted_photo_out_of_everything(world: World) -> None:
    layout, path = world.layout, "2018-2019/portraits/portrait_2018_05.jpg"
    sql = f"SELECT a.asset_id, f.id FROM image_assets a JOIN face_instances f USING (asset_id) WHERE path = '{path}'"
    (photo, face), *_ = world.query(sql).iter_rows()
    (layout.photos / path).unlink()
    shutil.rmtree(layout.photos / "2019-2020")
    too_early = classface(layout, "prune", "--yes")
    assert too_early.returncode == 1 and "run `classface run --" in too_early.stderr
    assert world.run() == []
    holding = [p for p in layout.data.rglob("part-*.parquet") if {photo, face} & ids_in(p)]
    assert len(holding) == 2, "faces and vectors are still there"
    assert classface(layout, "prune", "--yes").returncode == 0
    assert [p for p in layout.data.rglob("*.parquet") if {photo, face} & ids_in(p)] == []
    assert [p for p in layout.data.rglob("*") if p.name.startswith((photo, face))] == []
    assert [p for p in layout.data.rglob("*2019-2020*") if "parts" in p.parts or "albums" in p.parts] == []
    assert world.run() == []
    assert world.number("detections", "photos_searched_now", "2018-2019") == 0


def ids_in(part: Path) -> set[str]:
    rows = pl.read_parquet(part)
    return {value for name in ("asset_id", "face_id") if name in rows.columns for value in rows[name].drop_nulls()}


def test_prune_keeps_the_packs_that_are_named_and_a_name_given_under_another_one(world: World) -> None:
    if not SHARED_PACK.exists():
        pytest.skip("needs the InsightFace-format pack of ../shared, which is not here")
    layout = world.layout
    faces = find_faces(layout.database, "unknown_cluster_1")
    world.archive.open_ledger().label("Kim", faces)
    other = World(world.folder, world.instance, str(SHARED_PACK))
    assert other.run() == []
    unchanged = set(layout.data.rglob("part-*.parquet"))
    both = classface(layout, "prune", "--yes", "--keep", str(SHARED_PACK))
    assert both.returncode == 0 and set(layout.data.rglob("part-*.parquet")) == unchanged
    assert classface(layout, "prune", "--yes", "--pack", str(SHARED_PACK)).returncode == 0
    pack = describe_pack(str(SHARED_PACK), layout.packs)
    assert [p.name for p in layout.parts("embeddings").iterdir()] == [f"{pack.key} {pack.detector_version}"]
    assert BUILTIN_DETECTOR not in {p.name for p in layout.parts("detections").iterdir()}
    assert other.run() == []
    named = world.query("SELECT f.asset_id FROM face_instances f JOIN persons p ON p.id = f.person_id")
    assert {f.asset_id for f in faces} <= set(named["asset_id"])


def test_a_newer_detector_gives_new_vectors_to_faces_whose_box_stayed(world: World) -> None:
    """It cut them out otherwise, though their ids are the same. Names stay, and prune takes the old vectors away."""
    layout, year = world.layout, YEARS[0]
    faces = find_faces(layout.database, "unknown_cluster_1")
    world.archive.open_ledger().label("Kim", faces)
    pack = describe_pack("builtin", layout.packs)
    detected = layout.parts("detections", pack.detector_version)
    detected.rename(detected.with_name("older"))
    newest = layout.parts("embeddings", embedding_version(pack.detector_version, pack.key))
    newest.rename(newest.with_name(embedding_version("older", pack.key)))
    old, new = (
        SchoolYearStore(layout, detector, year).embedding_parts(pack.key)
        for detector in ("older", pack.detector_version)
    )
    right = old.read().sort("face_id")
    true = old.files()
    old.append(right.with_columns(pl.Series("vector", -right["vector"].to_numpy(), right.schema["vector"])))
    for part in true:
        part.unlink()
    assert world.run() == []
    assert np.allclose(new.read().sort("face_id")["vector"], right["vector"], atol=1e-4)
    named = world.query("SELECT f.id FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE name = 'Kim'")
    assert {face.face_id for face in faces} <= set(named["id"])
    runs = world.instance.get_runs_count()
    assert world.run(year) == [] and world.instance.get_runs_count() == runs
    assert classface(layout, "prune", "--yes").returncode == 0
    assert [folder.name for folder in layout.parts("embeddings").iterdir()] == [newest.name]
    assert new.ids("face_id") == set(right["face_id"])


def test_find_orphans_finds_each_kind_of_damage_and_mends_it(world: World) -> None:
    layout, whole = world.layout, outcome(world)
    sound = classface(layout, "find-orphans")
    assert (sound.returncode, sound.stdout) == (0, "Photos, faces, vectors and the database fit together.\n"), (
        sound.stderr
    )
    damage(layout)
    found = classface(layout, "find-orphans")
    assert found.returncode == 1 and "Traceback" not in found.stderr
    assert [kind for kind in REPAIR if kind not in found.stdout] == []
    assert "--fix" in found.stdout.splitlines()[-1]
    repaired = classface(layout, "find-orphans", "--fix")
    assert repaired.returncode == 0, repaired.stderr
    assert repaired.stdout.endswith("Repaired.\nPhotos, faces, vectors and the database fit together.\n")
    assert outcome(world).equals(whole)


def damage(layout: ArchiveLayout) -> None:
    """At least one of everything that can be wrong, over the four years."""
    stores = {year: SchoolYearStore(layout, BUILTIN_DETECTOR, year) for year in YEARS}
    faces = {year: store.detection_parts(DetectionSettings().name) for year, store in stores.items()}
    vectors = {year: store.embedding_parts(BUILTIN_PACK.key) for year, store in stores.items()}
    (part,) = vectors[YEARS[0]].files()
    rows = pl.read_parquet(part)
    numbers = rows["vector"].to_numpy().copy()
    numbers[0], numbers[1, 0] = 2 * numbers[0], float("nan")
    rows = rows.with_columns(pl.Series("vector", numbers, dtype=rows.schema["vector"]))
    pl.concat([rows[:4], rows[5:], rows[6:8]]).write_parquet(part)  # one is missing, two are there twice
    stray = rows[8:10].with_columns((pl.lit("stray-") + pl.col("face_id")).alias("face_id"))
    vectors[YEARS[0]].append(stray)
    short = rows[10:12].select("face_id", pl.col("vector").arr.head(8).list.to_array(8))
    vectors[YEARS[1]].append(short)
    (part,) = faces[YEARS[1]].files()
    part.write_bytes(part.read_bytes()[:5000])
    (part,) = faces[YEARS[2]].files()
    rows = pl.read_parquet(part)
    chips = [b"\xff\xd8\xff no picture", None, *rows["chip"][2:]]
    rows.with_columns(pl.Series("chip", chips, pl.Binary))[:-1].write_parquet(part)
    (part,) = image_parts(layout, YEARS[3]).files()
    part.write_bytes(b"")
    stale = part.with_name(".part-0.parquet.elsewhere~1~00000000.tmp")
    stale.write_bytes(b"half a part")
    os.utime(stale, (1, 1))
    with duckdb.connect(layout.database) as database:
        database.execute("DELETE FROM face_instances WHERE id = ?", [vectors[YEARS[0]].read()["face_id"][20]])
        database.execute(
            "UPDATE face_instances SET cluster_id = 'unknown_cluster_77' WHERE id = ?",
            [vectors[YEARS[0]].read()["face_id"][21]],
        )
    other = image_parts(layout, YEARS[2])
    other.append(image_parts(layout, YEARS[0]).read()[:1])
