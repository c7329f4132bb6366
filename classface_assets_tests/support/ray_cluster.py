"""A Ray cluster of two machines on loopback, and archives of one school year that are ingested with it and without."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import psutil
import pytest

from classface_assets.defs.loading.build import definitions_with
from classface_assets.orchestration.batches.ray.connection import ON_LOOPBACK, PATIENT, QUIET
from classface_assets.orchestration.batches.ray.settings import RaySettings
from classface_assets.orchestration.progress import Progress, TaskProgress
from classface_assets.orchestration.resources import Archive, Models
from classface_assets_tests.conftest import SHARED_PACK

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[2]
YEAR = "2016-2017"
STORE_BYTES = 100 << 20
SMALL = {"photos_a_part": 2}, {"faces_a_part": 8}


@dataclass(frozen=True)
class Machines:
    """A cluster of machines with one core each.

    Attributes:
        cluster: The head is its first machine.
        second: The other one that there is from the beginning.
    """

    cluster: "Cluster"
    second: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def settings(self) -> RaySettings:
        return RaySettings(self.address)

    def add(self) -> Any:
        return self.cluster.add_node(**node())

    def remove(self, machine: Any) -> None:
        """As if its power failed."""
        self.cluster.remove_node(machine, allow_graceful=False)


def node() -> dict[str, Any]:
    return {"num_cpus": 1, "object_store_memory": STORE_BYTES, "node_ip_address": "127.0.0.1"}


@contextmanager
def two_machines() -> Iterator[Machines]:
    """A cluster of two machines on loopback, which ends with the block; the test is skipped where Ray is missing."""
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**QUIET, **PATIENT, **ON_LOOPBACK, "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={**node(), "include_dashboard": False})
        try:
            yield Machines(cluster, cluster.add_node(**node()))
        finally:
            cluster.shutdown()


def working(kind: str = "ray::Worker.process") -> list[psutil.Process]:
    """The processes of our actors that have a batch just now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if kind in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass
class Seen:
    """What the progress of a run said, and what to do at each advance."""

    counts: list[tuple[str, int, int, int]] = field(default_factory=list)
    then: Callable[[TaskProgress], None] = lambda _: None

    def listen(self, progress: TaskProgress) -> AbstractContextManager[Callable[[], None]]:
        @contextmanager
        def listening() -> Iterator[Callable[[], None]]:
            yield lambda: self.then(progress)
            self.counts.append((progress.unit, progress.done, progress.faces, progress.errors))

        return listening()


@dataclass(frozen=True)
class School:
    """An archive of one school year.

    Attributes:
        photos: The photos folder.
        data: The data folder.
    """

    photos: Path
    data: Path

    @property
    def archive(self) -> Archive:
        return Archive(photos=str(self.photos), data=str(self.data))

    def ingest(self, address: str = "", seen: Seen | None = None, **keys: float) -> dg.ExecuteInProcessResult:
        """Run files, faces and vectors of the year."""
        ray = {"ray_address": address, **keys} if address else {}
        ops = {
            "detections": {"config": {**SMALL[0], **ray}},
            "embeddings": {"config": {**SMALL[1], **ray}},
        }
        progress = Progress([(seen or Seen()).listen])
        resources = {"archive": self.archive, "models": Models(pack=self.pack), "progress": progress}
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("school_year", [YEAR])
            job = definitions_with(resources).resolve_job_def("ingest_year")
            config = {"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            return job.execute_in_process(config, instance=instance, partition_key=YEAR, raise_on_error=False)

    @property
    def pack(self) -> str:
        return str(SHARED_PACK) if SHARED_PACK.is_dir() else "builtin"

    def rows(self) -> Mapping[str, pl.DataFrame]:
        """Every row of the parts, also one that is there twice, without the time at which it was found."""
        found = {}
        for asset in ("detections", "embeddings"):
            files = sorted((self.data / "parts" / asset).rglob("part-*.parquet"))
            rows = pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")
            rows = rows.drop("created_at", strict=False)
            found[asset] = rows.sort("asset_id", "face_id") if asset == "detections" else rows.sort("face_id")
        return found


def reasons(result: dg.ExecuteInProcessResult) -> str:
    """Why steps failed."""
    events = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(str(one.user_failure_data.description) for one in events if one.user_failure_data)


def environment() -> dict[str, str]:
    """Of a process that a test starts."""
    return {**os.environ, **QUIET, **ON_LOOPBACK, "PYTHONPATH": str(ROOT)}
