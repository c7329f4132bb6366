"""Archives and ledgers that tests share: the composed sample, and a finished run on it that a test may copy and change.

With several workers (pytest-xdist) the first that needs one makes it, and the others wait and read it.
"""

import logging
import os
import pickle
import shutil
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa
from filelock import FileLock
from PIL import Image
from rich.console import Console
from upath import UPath

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import parse_location
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.defs.runner.steps import StepFailure
from classface_assets.devtools.sample.compose import SampleArchive, compose_sample
from classface_assets.orchestration.batches.ray.connection import ON_LOOPBACK
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.vision.models.registry import ModelPack, load_pack
from classface_assets_tests.support.helpers import TOKEN

pytest_plugins = [
    f"classface_assets_tests.support.{name}" for name in ("clients", "windows", "old_archive", "named_school")
]


@dataclass(frozen=True)
class World:
    """An archive with an ephemeral Dagster instance to run it on."""

    folder: Path
    instance: dg.DagsterInstance
    pack: str = "builtin"
    data: str = "data"
    ledger: str = ""

    @property
    def archive(self) -> Archive:
        return Archive(photos=str(self.folder / "photos"), data=str(self.folder / self.data), ledger=self.ledger)

    @property
    def layout(self) -> ArchiveLayout:
        return self.archive.layout

    @property
    def chain(self) -> PipelineRunner:
        return PipelineRunner(self.instance, self.archive, Models(pack=self.pack), Console(quiet=True))

    def run(self, years: str | None = None) -> list[StepFailure]:
        register_school_years(self.instance, self.layout)
        return self.chain.run(select_years(self.layout, years), lambda _: None)

    def query(self, sql: str) -> pl.DataFrame:
        return query_database(self.layout.database, sql)

    def number(self, asset: str, key: str, partition: str | None = None) -> float:
        """A number in the metadata of an asset's last materialization."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None),
            limit=1,
        ).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        value = materialization.metadata[key].value
        assert isinstance(value, int | float)
        return value


SHARED_PACK = Path(__file__).parents[2] / "shared" / "models" / "scrfd_mobilefacenet"


def outcome(world: World) -> pl.DataFrame:
    """What a run found, whatever the order: files with their status, and faces with their cluster."""
    return world.query(
        "SELECT a.path, a.status, round(f.bbox_x) AS x, round(f.bbox_y) AS y, f.cluster_id FROM image_assets a "
        "LEFT JOIN face_instances f ON f.asset_id = a.asset_id AND a.status = 'ok' ORDER BY ALL"
    )


def register(world: World, year: str) -> str:
    world.instance.add_dynamic_partitions("school_year", [year])
    return year


# Dagster would start four processes a step to keep what it prints.
NO_OUTPUT_OF_STEPS = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def never_wait_for_the_disk(connection: object, _record: object) -> None:
    """Of what a test writes into SQLite only a loss of power could take anything, and waiting takes minutes in all."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def pytest_configure(config: pytest.Config) -> None:
    """Workers share the cores: each one's libraries for arithmetic, and those of its children, then take one.

    Ray reads what keeps it on loopback when it is first imported, whichever test does that.
    """
    for name, value in ON_LOOPBACK.items():
        os.environ.setdefault(name, value)
    sa.event.listen(sa.Engine, "connect", never_wait_for_the_disk)
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


SLOW_FIXTURES = frozenset(
    {
        "sample",
        "finished",
        "made_by_old_code",
        "postgres",
        "postgres_ledger",
        "s3_server",
        "driver",
        "browser",
        "sleeping_run",
    }
)
"""Whole runs of the chain, servers and browsers: a test that needs one of these takes seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what needs one of SLOW_FIXTURES, directly or through another fixture.

    What is about the whole project comes first: the longest tests are among it, and at the end one worker would wait.
    """
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
    for item in items:
        on_postgresql = isinstance(item, pytest.Function) and "postgresql" in item.name
        if on_postgresql or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is made once in this session of tests, however many workers it has."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder.with_name(f"{name} is made")
    with FileLock(folder.with_name(f"{name}.lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleArchive:
    """Tests only read it."""

    def make(folder: Path) -> None:
        (folder / "sample.pickle").write_bytes(pickle.dumps(compose_sample(folder)))

    found = pickle.loads((made_once(tmp_path_factory, "sample", make) / "sample.pickle").read_bytes())
    assert isinstance(found, SampleArchive)
    return found


@pytest.fixture(scope="session")
def finished(sample: SampleArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole chain, run once on the sample. Tests only read it."""

    def world(folder: Path) -> World:
        instance = dg.DagsterInstance.local_temp(str(folder / "records"), overrides=NO_OUTPUT_OF_STEPS)
        return World(folder / "archive", instance)

    def make(folder: Path) -> None:
        (folder / "records").mkdir()
        shutil.copytree(sample.photos, folder / "archive" / "photos")
        made = world(folder)
        with made.instance:
            assert made.run() == []

    read = world(made_once(tmp_path_factory, "finished archive", make))
    with read.instance:
        yield read


@pytest.fixture
def world(finished: World, tmp_path: Path) -> Iterator[World]:
    """A copy of the finished archive, photos and data, for a test to change; Dagster knows nothing of it yet."""
    shutil.copytree(finished.folder, tmp_path / "archive")
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path / "archive", instance)


@pytest.fixture(autouse=True)
def photos_lie_there_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor of the photos folder takes what a test has just written for a copy that is over, not one going on."""
    monkeypatch.setattr("classface_assets.defs.sensors.photo_folders.QUIET_S", 0.0)


@pytest.fixture
def nobodys(tmp_path: Path) -> Iterator[Path]:
    """A folder of another user, looked at by somebody who is not the superuser."""
    if os.geteuid():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def become_nobody() -> None:
    """From now on until the end of the test, which has `nobodys`."""
    if not os.geteuid():
        os.seteuid(65534)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, on a socket in a folder of its own, without the database's name."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    initdb = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    user = {} if os.geteuid() else {"user": "nobody", "group": "nogroup", "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="ledger"))
    if user:
        shutil.chown(folder, "nobody", "nogroup")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **user}
    control = [str(Path(initdb).resolve().with_name("pg_ctl")), "-D", f"{folder}/db", "-w", "-l", f"{folder}/log"]
    subprocess.run([initdb, "-D", f"{folder}/db", "-U", "me", "-A", "trust", "-E", "UTF8", "--no-sync"], **quiet)
    subprocess.run([*control, "-o", f"-k {folder} -c listen_addresses='' -c fsync=off", "start"], **quiet)
    try:
        yield f"postgresql+psycopg://me@/NAME?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)


@pytest.fixture
def postgres_ledger(postgres: str) -> str:
    """The URL of an empty database of that server."""
    name = f"ledger_{uuid.uuid4().hex}"
    admin = sa.create_engine(postgres.replace("NAME", "postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as con:
        con.exec_driver_sql(f"CREATE DATABASE {name}")
    return postgres.replace("NAME", name)


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server in a thread of this process, over a copy of the finished archive; no Dagster answers."""
    from classface_assets.devtools.benchmark.review.server_thread import running_server
    from classface_assets.review.app import create_app

    monkeypatch.setenv("CLASSFACE_DAGSTER_URL", "http://127.0.0.1:9")  # at its usual port may be one of somebody else
    with running_server(create_app(world.archive, Models(pack=world.pack), TOKEN)) as url:
        yield url


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A ledger in either database."""
    if request.param == "sqlite":
        return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    return Ledger(request.getfixturevalue("postgres_ledger"))


@pytest.fixture
def layout(tmp_path: Path) -> ArchiveLayout:
    """Of an archive that has nothing yet."""
    return ArchiveLayout(tmp_path / "photos", tmp_path / "data")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """An S3 server on loopback, known to this process and its children by the usual variables.

    It is moto's, or the one whose URL is in S3_SERVER, which knows CREDENTIALS.
    """
    from s3fs import S3FileSystem

    with ExitStack() as stack:
        endpoint = os.environ.get("S3_SERVER") or stack.enter_context(_moto())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        yield endpoint
    S3FileSystem.clear_instance_cache()


@contextmanager
def _moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line a request, in every failure's report
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        yield "http://{}:{}".format(*running.get_host_and_port())
    finally:
        running.stop()


@pytest.fixture
def bucket(s3_server: str, request: pytest.FixtureRequest) -> UPath:
    """A new bucket."""
    found = parse_location(f"s3://bucket-{abs(hash(request.node.name)):x}"[:50])
    assert isinstance(found, UPath)
    found.fs.mkdir(found.path.rstrip("/"))
    return found


@pytest.fixture(scope="session")
def builtin(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    folder = tmp_path_factory.mktemp("models")
    return load_pack("builtin", folder, folder)


@pytest.fixture(scope="session")
def insightface_folder(tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    """A pack of InsightFace's format, where there is one."""
    if not SHARED_PACK.is_dir():
        pytest.skip("the InsightFace-format pack is not on this machine")
    folder = tmp_path_factory.mktemp("models")
    return load_pack(str(SHARED_PACK), folder, folder)


@pytest.fixture(scope="module", params=["builtin", "insightface folder"])
def pack(request: pytest.FixtureRequest) -> ModelPack:
    """Each of the two kinds in turn."""
    found = request.getfixturevalue(request.param.replace(" ", "_"))
    assert isinstance(found, ModelPack)
    return found


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="session")
def group() -> Path:
    """InsightFace's sample photo: six people."""
    spec = find_spec("insightface")
    assert spec and spec.origin
    return Path(spec.origin).parent / "data" / "images" / "t1.jpg"
