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

import polars as pl
import pytest
import skimage.data
from PIL import Image
from polars.testing import assert_frame_equal

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.core.layout import ArchiveLayout
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.store.catalog.school_year import SchoolYearStore, image_parts
from classface_assets.store.files.parts import PartDataset
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.models.pack_info import describe_pack
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow

YEAR = "2016-2017"
ASSETS = ("images", "detections", "embeddings")
YEARS = ("2016-2017", "2017-2018", "2018-2019", "2019-2020")
CHANGES = (
    "2016-2017/new.jpg",
    "2016-2017/portraits/portrait_2016_05.jpg",
    "2016-2017/portraits/portrait_2016_06.jpg",
    "2018-2019/portraits/portrait_2018_05.jpg",
)
DRIVER = [sys.executable, "-m", "classface_assets_tests.support.ingest_driver"]


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

    def die(self, asset: str, moment: Any) -> None:
        """A run that is killed so many seconds after its start, or at what the driver is to wait for."""
        if isinstance(moment, float):
            codes = self.driver.ask(jobs=[self.job], kill_after=moment)
        else:
            codes = self.driver.ask(jobs=[{**self.job, "when": {"asset": asset, **moment}}])
        assert codes == [None], f"{asset}: not killed at {moment}"

    def parts(self, asset: str) -> PartDataset:
        layout = ArchiveLayout(self.photos, self.data)
        pack = describe_pack("builtin", layout.packs)
        store = SchoolYearStore(layout, pack.detector_version, YEAR)
        return {
            "images": image_parts(layout, YEAR),
            "detections": store.detection_parts(DetectionSettings().name),
            "embeddings": store.embedding_parts(pack.key),
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
        place.die(asset, moment)
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
def test_a_disk_too_full_for_dagsters_own_records_ends_the_run_with_one_sentence(tmp_path: Path, left: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "photos" / YEAR).mkdir(parents=True)
    fill = 'head -c $(( $(df --output=avail -B1 data | tail -1) - $1 )) /dev/zero > data/filler && shift && exec "$@"'
    run = [sys.executable, "-m", "classface_assets.cli", "run", "--photos", "photos", "--data", "data"]
    command = [*own_disk(tmp_path / "data"), "sh", "-c", fill, "sh", str(left), *run]
    (tmp_path / "photos" / YEAR / "list.txt").write_text("Ana, Ben")
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert re.search("no space left|No space left|cannot be written", ended.stderr.splitlines()[-1])


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
    assert find_broken_links(albums) == []
