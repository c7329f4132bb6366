"""Photos, faces and neighbours that a Ray cluster of two machines works on, whatever dies meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from classface_assets.core.layout import ArchiveLayout
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.identity.graph.blocks import BlockResult, BlockSearch, SearchOptions
from classface_assets.identity.graph.build import GraphBuild, update_graph
from classface_assets.orchestration.batches.ray.connection import disconnect
from classface_assets.orchestration.batches.ray.pool import batch_sizes, ray_runner
from classface_assets.orchestration.batches.ray.settings import RaySettings
from classface_assets.orchestration.progress import TaskProgress
from classface_assets_tests.support.ray_cluster import YEAR, Machines, School, Seen, environment, working
from classface_assets_tests.support.vectors import unit

pytestmark = pytest.mark.slow
INGEST = (
    "import sys; from pathlib import Path; from classface_assets_tests.support.ray_cluster import School; "
    "School(Path(sys.argv[1]), Path(sys.argv[2])).ingest(*sys.argv[3:]); print('ray' in sys.modules)"
)


@pytest.fixture(scope="module")
def photos(sample: SampleArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One school year, with a photo that is broken in its middle and one that is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    shutil.copytree(sample.photos / YEAR, folder / YEAR)
    some = sorted((folder / YEAR).rglob("*.jpg"))
    picture = some[0].read_bytes()
    (folder / YEAR / "broken.jpg").write_bytes(picture[: len(picture) // 2] + bytes(1000))
    (folder / YEAR / "text.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def alone(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[School, Seen]:
    """The same photos, ingested by one process without Ray."""
    school, seen = School(photos, tmp_path_factory.mktemp("alone")), Seen()
    assert school.ingest("", seen).success
    return school, seen


@pytest.fixture
def school(photos: Path, tmp_path: Path) -> Iterator[School]:
    yield School(photos, tmp_path / "data")
    disconnect()


def assert_same_rows(school: School, alone: School) -> None:
    found, expected = school.rows(), alone.rows()
    for asset, rows in expected.items():
        assert found[asset].equals(rows), asset


def test_two_machines_find_what_one_process_finds(
    machines: Machines, school: School, alone: tuple[School, Seen], capfd: pytest.CaptureFixture[str]
) -> None:
    seen = Seen()
    assert school.ingest(machines.address, seen).success
    assert_same_rows(school, alone[0])
    assert seen.counts == alone[1].counts and seen.counts[0][0] == "files"
    assert not list(school.data.rglob("*.tmp")) and not list(school.data.rglob(".ray*"))
    assert "ray" not in capfd.readouterr().out.lower(), "the output is that of the run"


def test_a_worker_that_is_killed_costs_no_row_and_doubles_none(
    machines: Machines, school: School, alone: tuple[School, Seen]
) -> None:
    killed: list[float] = []
    pool = ray_runner(RaySettings(machines.address), school.archive.layout, school.pack).pool

    def kill_one(progress: TaskProgress) -> None:
        victims = working() if len(killed) < 2 and progress.unit in ("photos", "faces") else []
        for victim in victims[:1]:
            victim.kill()
            killed.append(time.monotonic())

    seen = Seen(then=kill_one)
    assert school.ingest(machines.address, seen).success
    assert killed
    assert_same_rows(school, alone[0])
    assert seen.counts == alone[1].counts
    assert 1 <= len(pool.redone_at) <= len(killed) and killed[0] < pool.redone_at[0] < time.monotonic()


def test_a_run_that_is_killed_leaves_the_rest_to_the_next(
    machines: Machines, school: School, alone: tuple[School, Seen]
) -> None:
    arguments = [str(school.photos), str(school.data), machines.address]
    driver = subprocess.Popen([sys.executable, "-c", INGEST, *arguments], env=environment())
    parts = school.data / "parts" / "detections"
    deadline = time.monotonic() + 120
    while not list(parts.rglob("part-*.parquet")) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    written = {file.name for file in parts.rglob("part-*.parquet")}
    assert written and not (school.data / "parts" / "embeddings").exists(), "it was killed in the middle"
    seen = Seen()
    assert school.ingest(machines.address, seen).success
    assert_same_rows(school, alone[0])
    searched = {unit: done for unit, done, _, _ in seen.counts}
    assert 0 < searched["photos"] < {unit: done for unit, done, _, _ in alone[1].counts}["photos"]


def edges(built: GraphBuild) -> tuple[list[int], list[float]]:
    return built.graph.neighbours.ravel().tolist(), built.graph.similarities.ravel().tolist()


def test_neighbours_that_two_machines_search_in_blocks_are_the_same(machines: Machines, school: School) -> None:
    random = np.random.default_rng(3)
    people = unit(random.normal(size=(4_000, 48)))
    vectors = unit(np.repeat(people, 10, axis=0) + 0.08 * random.normal(size=(40_000, 48))).astype(np.float32)
    ids = [f"{n:05}" for n in random.permutation(40_000)]
    school.photos.mkdir(exist_ok=True)
    runner = ray_runner(machines.settings, ArchiveLayout(school.photos, school.data), school.pack)
    sent: list[int] = []

    def search(work: BlockSearch, blocks: Sequence[np.ndarray]) -> list[BlockResult]:
        sent.append(len(blocks))
        return runner.search(work, blocks)

    here, there = SearchOptions(30_000), SearchOptions(30_000, search)
    first = [update_graph(ids[500:], vectors[500:], 10, 0.5, None, one) for one in (here, there)]
    assert edges(first[0]) == edges(first[1]) and first[0].recall == first[1].recall
    assert "IVF" in first[1].method
    added = [update_graph(ids, vectors, 10, 0.5, first[0].graph, one) for one in (here, there)]
    assert edges(added[0]) == edges(added[1]) and added[1].searched == 500
    assert sent == [3, 1]


def test_a_machine_that_is_lost_costs_no_row_and_doubles_none(
    machines: Machines, school: School, alone: tuple[School, Seen]
) -> None:
    lost = [machines.add()]

    def lose(progress: TaskProgress) -> None:
        if lost and progress.unit == "photos":
            machines.remove(lost.pop())

    assert school.ingest(machines.address, Seen(then=lose), ray_actors_min=3).success
    assert not lost
    assert_same_rows(school, alone[0])


def test_the_last_batches_are_small_so_that_all_finish_together() -> None:
    assert batch_sizes(100, 32, 2) == [25, 18, 14, 10, 8, 6, 4, 4, 4, 4, 3]
    assert batch_sizes(3, 512, 8) == [3] and batch_sizes(0, 32, 2) == [] and sum(batch_sizes(10_000, 32, 40)) == 10_000


def test_without_an_address_ray_is_not_even_imported(photos: Path, tmp_path: Path) -> None:
    few = tmp_path / "photos" / YEAR
    few.mkdir(parents=True)
    shutil.copy(min((photos / YEAR).rglob("class*.jpg")), few)
    script = [sys.executable, "-c", INGEST, str(few.parent), str(tmp_path / "data")]
    without = {**os.environ, "PYTHONPATH": environment()["PYTHONPATH"], "CLASSFACE_RAY_ADDRESS": ""}
    done = subprocess.run(script, env=without, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False" and School(few.parent, tmp_path / "data").rows()["embeddings"].height


LOCAL = """
import os, psutil
from classface_assets.orchestration.batches.ray.connection import connect, disconnect
from classface_assets.orchestration.batches.ray.settings import RaySettings
connect(RaySettings("local"))
processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
print({c.laddr.ip for p in processes for c in p.net_connections() if c.status == "LISTEN"})
disconnect()
print(len(psutil.Process().children(recursive=True)), os.environ["RAY_USAGE_STATS_ENABLED"])
"""


def test_a_cluster_of_its_own_listens_on_loopback_only_and_ends_with_the_run() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    clean["PYTHONPATH"] = environment()["PYTHONPATH"]
    done = subprocess.run([sys.executable, "-c", LOCAL], env=clean, capture_output=True, text=True, check=True)
    listening, left = done.stdout.splitlines()
    assert set(eval(listening)) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"} and left == "0 0", done.stdout


def test_nothing_of_a_cluster_is_left_behind(machines: Machines) -> None:
    assert machines.address.startswith("127.0.0.1:")
    assert all(not process.name().startswith("dashboard") for process in psutil.Process().children(recursive=True))
