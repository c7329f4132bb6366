"""Never twice, never lost: ingest in real processes that are killed, run at once, run out of disk, lose the photos."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
import skimage.data
from PIL import Image
from polars.testing import assert_frame_equal

from classface_assets.naming import faces_of
from classface_assets.sample.compose import SampleArchive
from classface_assets.site.links import check_links
from classface_assets.store.layout import Layout
from classface_assets.store.orphan_kinds import REPAIR
from classface_assets.store.parts import Parts
from classface_assets.store.year_parts import (
    detection_parts,
    embedding_parts,
    image_parts,
    vectors_version,
    year_detections,
)
from classface_assets.vision.pack_info import BUILTIN_DETECTOR, describe_pack
from classface_assets.vision.search import DetectionSettings
from classface_assets_tests.conftest import World
from classface_assets_tests.test_cli import classface, words
from classface_assets_tests.test_pipeline import SHARED_PACK, outcome

YEAR = "2016-2017"
ASSETS = ("images", "detections", "embeddings")
DRIVER = [sys.executable, "-m", "classface_assets_tests.ingest_driver"]


class Driver:
    """The process that forks a child for each run (ingest_driver)."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, "POLARS_ALLOW_FORKING_THREAD": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request: Any) -> list[int | None]:
        """The exit codes of the request's jobs, None for one that was killed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the driver ended"
        return json.loads(answer)

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    driver = Driver(DRIVER)
    yield driver
    driver.end()


class Place:
    """A folder with a school year of fourteen photos, and runs over it."""

    def __init__(self, folder: Path, driver: Driver, data: str = "data") -> None:
        self.folder, self.driver = folder, driver
        self.photos, self.data, self.answer = folder / "photos", folder / data, folder / "answer.json"

    @property
    def job(self) -> dict[str, Any]:
        return {"photos": str(self.photos), "data": str(self.data), "year": YEAR, "answer": str(self.answer)}

    def run(self, **more: Any) -> list[str]:
        """One run to its end; the sentences of the steps that failed."""
        assert self.driver.ask(jobs=[{**self.job, **more}]) == [0]
        return json.loads(self.answer.read_text())["reasons"]

    def parts(self, asset: str) -> Parts:
        layout = Layout(self.photos, self.data)
        pack = describe_pack("builtin", layout.packs)
        return {
            "images": image_parts(layout, YEAR),
            "detections": detection_parts(layout, pack.detector_version, YEAR, DetectionSettings().name),
            "embeddings": embedding_parts(layout, pack.detector_version, pack.key, YEAR),
        }[asset]

    def raw(self, asset: str) -> pl.DataFrame:
        """The rows of all part files as they are, those that are there twice included."""
        files = self.parts(asset).files()
        return pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()

    def searched(self) -> set[tuple[str, Any]]:
        """Each photo that is in a part, and when it was searched."""
        rows = self.raw("detections")
        return set(rows.select("asset_id", "created_at").iter_rows()) if rows.width else set()

    def temporary(self) -> list[Path]:
        return [p for p in self.data.rglob(".*") if p.is_file()]


@pytest.fixture(scope="module")
def photos(sample: SampleArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen photos of two years as one school year, a copy and a broken file among them."""
    folder = tmp_path_factory.mktemp("few photos") / "photos"
    chosen = [*sorted(sample.photos.glob("2017-2018/portraits/*")), *sorted(sample.photos.glob("2017-2018/candids/*"))]
    chosen += sorted(sample.photos.glob("2016-2017/portraits/*"))[:3]
    (folder / YEAR).mkdir(parents=True)
    for photo in chosen:
        shutil.copy2(photo, folder / YEAR / photo.name)
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, driver: Driver) -> Place:
    place = Place(photos.parent, driver)
    assert place.run() == []
    assert place.raw("detections").filter(status="ok").height >= 14
    return place


@pytest.fixture
def place(undisturbed: Place, photos: Path, tmp_path: Path) -> Place:
    """The same photos, nothing made of them yet; the converted models are there."""
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(undisturbed.data / "cache", tmp_path / "data" / "cache")
    return Place(tmp_path, undisturbed.driver)


def assert_the_same_rows(one: Place, other: Place) -> None:
    """All columns but the time of making; of two vectors of one face the last digits may differ with the batch."""
    for asset in ASSETS:
        rows, others, key = one.raw(asset), other.raw(asset), [*one.parts(asset).key]
        assert rows.height == rows.unique(key).height, f"{asset}: a row is there twice"
        rows, others = (frame.drop("created_at", strict=False).sort(key) for frame in (rows, others))
        assert_frame_equal(rows, others, abs_tol=1e-5)


def test_twenty_kills_end_with_the_rows_of_an_undisturbed_run(place: Place, undisturbed: Place) -> None:
    """kill -9 at the very moment of a rename or a removal, shortly after one, and out of the blue."""
    searched: set[tuple[str, Any]] = set()
    killed = 0
    for asset, moment in deaths(random.Random(20)):
        if isinstance(moment, float):
            codes = place.driver.ask(jobs=[place.job], kill_after=moment)
        else:
            codes = place.driver.ask(jobs=[{**place.job, "when": {"asset": asset, **moment}}])
        assert codes == [None], f"{asset}: not killed at {moment}"
        killed += 1
        if moment == BEFORE_A_RENAME:
            assert place.temporary(), "what was written has not its name yet"
        elif moment == BEFORE_A_REMOVAL:
            rows = place.raw(asset)
            assert rows.height > rows.unique(place.parts(asset).key).height, "the new part and the old ones are there"
        searched |= place.searched()
    assert killed == 20
    assert place.run() == []
    assert_the_same_rows(place, undisturbed)
    assert place.temporary() == []
    searched |= place.searched()
    assert len(searched) == len({photo for photo, _ in searched}), "a photo was searched again that was in a part"


BEFORE_A_RENAME = {"call": "replace", "n": 2, "do": "die"}
BEFORE_A_REMOVAL = {"call": "unlink", "n": 1, "do": "die"}


def deaths(rng: random.Random) -> list[tuple[str, Any]]:
    """Twenty, in the order of the work: seven just before a rename, six between a compaction's new part and the removal
    of the old ones, four a moment after a part, three out of the blue."""

    def later(within: float) -> dict[str, Any]:
        return {"call": "replace", "n": 1, "do": "die soon", "seconds": rng.uniform(0, within)}

    r, x = BEFORE_A_RENAME, BEFORE_A_REMOVAL
    moments = {
        "images": [r, rng.uniform(0, 0.15), r, x, x],
        "detections": [r, later(0.05), r, later(0.05), rng.uniform(0, 0.3), x, x],
        "embeddings": [r, later(0.01), rng.uniform(0, 0.2), r, later(0.01), r, x, x],
    }
    return [(asset, moment) for asset, those in moments.items() for moment in those]


def test_two_runs_of_one_year_at_once_both_succeed_and_double_nothing(place: Place, undisturbed: Place) -> None:
    start = place.folder / "start"
    jobs = [{**place.job, "wait_for": str(start), "answer": f"{place.answer}{n}"} for n in range(2)]
    assert place.driver.ask(jobs=jobs, start=str(start)) == [0, 0]
    for job in jobs:
        assert json.loads(Path(job["answer"]).read_text()) == {"reasons": []}
    assert place.run() == []
    assert_the_same_rows(place, undisturbed)


def test_photos_that_vanish_in_the_middle_end_the_run_with_a_sentence_and_come_back(
    place: Place, undisturbed: Place
) -> None:
    away = place.folder / "drive that was pulled"
    for asset, n in (("images", 2), ("detections", 3)):
        when = {"asset": asset, "call": "replace", "n": n, "do": "take the photos away"}
        (reason,) = place.run(when=when, away=str(away))
        assert str(place.photos) in reason and "\n" not in reason
        (before_it_starts,) = place.run()
        assert before_it_starts.startswith(f"The photos folder {place.photos} cannot be read")
        away.rename(place.photos)
    assert place.run() == []
    assert_the_same_rows(place, undisturbed)


def test_a_drive_that_left_its_empty_folder_costs_no_photo_its_place(place: Place, undisturbed: Place) -> None:
    assert place.run() == []
    year = place.photos / YEAR
    year.rename(place.folder / "drive that was pulled")
    (reason,) = place.run()
    assert str(place.photos) in reason and "\n" not in reason
    (place.folder / "drive that was pulled").rename(year)
    assert place.run() == []
    assert_the_same_rows(place, undisturbed)


def test_a_full_disk_ends_the_run_with_a_sentence_and_the_next_goes_on(place: Place, undisturbed: Place) -> None:
    """A real one, for the parts: in the middle of the photos' facts, and in the middle of the search for faces."""
    disk = place.data / "parts"
    disk.mkdir()
    small = place.driver = Driver([*own_disk(disk), *DRIVER])
    for left in (2_000, 100_000):
        small.ask(fill=str(disk), leave=left)
        (reason,) = place.run()
        assert reason.startswith("There is no space left for ") and "\n" not in reason
        small.ask(remove=[str(disk / "filler")])
    assert place.run() == []
    small.ask(copy=[str(disk), str(place.folder / "copied" / "parts")])
    small.end()
    assert_the_same_rows(Place(place.folder, undisturbed.driver, "copied"), undisturbed)


@pytest.mark.parametrize("left", [0, 150_000])
def test_a_disk_too_full_for_dagsters_own_records_is_told_in_a_sentence(tmp_path: Path, left: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "photos" / YEAR).mkdir(parents=True)
    fill = 'head -c $(( $(df --output=avail -B1 data | tail -1) - $1 )) /dev/zero > data/filler && shift && exec "$@"'
    run = [sys.executable, "-m", "classface_assets.cli", "run", "--photos", "photos", "--data", "data"]
    command = [*own_disk(tmp_path / "data"), "sh", "-c", fill, "sh", str(left), *run]
    (tmp_path / "photos" / YEAR / "list.txt").write_text("Ana, Ben")
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert re.search("no space left|No space left|cannot be written", said.stderr.splitlines()[-1])


def own_disk(folder: Path) -> list[str]:
    """A command that runs the rest of the line with a small file system of its own in place of a folder."""
    mount = 'mount -t tmpfs -o size=64m none "$1" && shift && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(folder)]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    return command


def test_new_moved_renamed_and_deleted_photos_cost_only_the_work_that_is_new(world: World) -> None:
    photos, albums = world.layout.photos, world.layout.albums
    new, renamed, moved, deleted = (photos / path for path in CHANGES)
    before = world.query("SELECT a.path, f.id FROM image_assets a JOIN face_instances f USING (asset_id)")
    Image.fromarray(skimage.data.astronaut()).save(new)
    renamed.rename(renamed.with_name("Zoë, renamed #1.jpg"))
    moved.rename(photos / "2018-2019" / moved.name)
    deleted.unlink()
    shutil.rmtree(photos / "2019-2020")
    assert world.run() == []
    assert {y: world.number("detections", "photos_searched_now", y) for y in YEARS} == {y: y == YEARS[0] for y in YEARS}
    assert sum(world.number("embeddings", "embedded_now", year) for year in YEARS) == 1

    after = world.query("SELECT a.path, f.id FROM image_assets a JOIN face_instances f USING (asset_id)")
    gone = before.filter(pl.col("path").str.starts_with("2019-2020/") | (pl.col("path") == CHANGES[3]))["id"]
    assert len(gone) > 0 and set(after["id"]) & set(before["id"]) == set(before["id"]) - set(gone)
    assert set(after["path"]) >= {CHANGES[0], f"2018-2019/{moved.name}"}
    graph = pl.read_parquet(world.layout.table("knn_graph"))
    assert set(graph["face_id"]) == set(after["id"])
    names = {p.name for p in albums.rglob("*")}
    assert deleted.name not in names and not (albums / "years" / "2019-2020").exists()
    assert not names & {f"{face}.jpg" for face in gone}
    assert check_links(albums) == []


CHANGES = (
    "2016-2017/new.jpg",
    "2016-2017/portraits/portrait_2016_05.jpg",
    "2016-2017/portraits/portrait_2016_06.jpg",
    "2018-2019/portraits/portrait_2018_05.jpg",
)
YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The command sets it for the process; what is set here is put back after the test."""
    monkeypatch.setenv("DAGSTER_HOME", str(world.layout.dagster_home))
    return world


def test_prune_removes_what_nothing_uses_and_no_name(world: World) -> None:
    layout = world.layout
    small = world.query("SELECT * FROM face_instances ORDER BY bbox_w LIMIT 1").row(0, named=True)
    world.archive.open_ledger().label("Kim", faces_of(layout.database, small["id"]))
    year = world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{small['asset_id']}'").item(0, 0)
    with_faces_of_at_least(120, world, year)
    found = year_detections(layout, BUILTIN_DETECTOR, year)
    old = detection_parts(layout, BUILTIN_DETECTOR, year, DetectionSettings().name)
    assert small["id"] not in set(found["face_id"]) and small["id"] in old.ids("face_id")
    stale = old.folder / ".part-0.parquet.elsewhere~1~00000000.tmp"
    stale.write_bytes(b"half a part")
    os.utime(stale, (1, 1))
    parts = {p: p.read_bytes() for p in layout.data.rglob("part-*.parquet") if p.parent != old.folder}

    command = [sys.executable, "-m", "classface_assets.cli", *words(layout, "prune")]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert asked.returncode == 1 and "Remove it?" in asked.stdout and old.files(), "nobody said yes"
    assert "faces of thresholds that are not in use" in asked.stdout and "temporary files" in asked.stdout
    pruned = classface(layout, "prune", "--yes")
    assert pruned.returncode == 0 and pruned.stdout.endswith("Removed.\n"), pruned.stderr
    assert not old.folder.exists() and not stale.exists()
    assert year_detections(layout, BUILTIN_DETECTOR, year).equals(found)
    kept = [p for p in parts if p.exists() and p.read_bytes() == parts[p]]
    assert len(kept) == len(parts) - 1, "only the vectors of that year's small faces went with them"
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
    assert too_early.returncode == 1 and "run `classface run` first" in too_early.stderr
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
    faces = faces_of(layout.database, "unknown_cluster_1")
    world.archive.open_ledger().label("Kim", faces)
    other = World(world.folder, world.instance, str(SHARED_PACK))
    assert other.run() == []
    kept = set(layout.data.rglob("part-*.parquet"))
    both = classface(layout, "prune", "--yes", "--keep", str(SHARED_PACK))
    assert both.returncode == 0 and set(layout.data.rglob("part-*.parquet")) == kept
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
    faces = faces_of(layout.database, "unknown_cluster_1")
    world.archive.open_ledger().label("Kim", faces)
    pack = describe_pack("builtin", layout.packs)
    detected = layout.parts("detections", pack.detector_version)
    detected.rename(detected.with_name("older"))
    newest = layout.parts("embeddings", vectors_version(pack.detector_version, pack.key))
    newest.rename(newest.with_name(vectors_version("older", pack.key)))
    old, new = (embedding_parts(layout, detector, pack.key, year) for detector in ("older", pack.detector_version))
    right = old.read().sort("face_id")
    old.replace(right.with_columns(pl.Series("vector", -right["vector"].to_numpy(), right.schema["vector"])))
    assert world.run() == []
    assert np.allclose(new.read().sort("face_id")["vector"], right["vector"], atol=1e-4)
    named = world.query("SELECT f.id FROM face_instances f JOIN persons p ON p.id = f.person_id WHERE name = 'Kim'")
    assert {face.face_id for face in faces} <= set(named["id"])
    assert world.run(year) == [] and world.number("embeddings", "embedded_now", year) == 0
    assert classface(layout, "prune", "--yes").returncode == 0
    assert [folder.name for folder in layout.parts("embeddings").iterdir()] == [newest.name]
    assert embedding_parts(layout, pack.detector_version, pack.key, year).ids("face_id") == set(right["face_id"])


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
    mended = classface(layout, "find-orphans", "--fix")
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.endswith("Mended.\nPhotos, faces, vectors and the database fit together.\n")
    assert outcome(world).equals(whole)


def damage(layout: Layout) -> None:
    """At least one of everything that can be wrong, over the four years."""
    faces = {year: detection_parts(layout, BUILTIN_DETECTOR, year, DetectionSettings().name) for year in YEARS}
    vectors = {year: embedding_parts(layout, BUILTIN_DETECTOR, "builtin@1", year) for year in YEARS}
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
