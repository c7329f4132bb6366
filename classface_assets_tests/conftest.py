"""Archives that tests share: the composed sample, and a finished run on it that a test may copy and change."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from classface_assets.partitions import sync_school_years
from classface_assets.resources import Archive, Models
from classface_assets.running import Chain, Stopped, chosen_years
from classface_assets.sample.compose import SampleArchive, compose_sample
from classface_assets.store.database import query
from classface_assets.store.layout import Layout


@dataclass(frozen=True)
class World:
    """An archive with an ephemeral Dagster instance to run it on."""

    folder: Path
    instance: dg.DagsterInstance
    pack: str = "builtin"
    data: str = "data"

    @property
    def archive(self) -> Archive:
        return Archive(photos=str(self.folder / "photos"), data=str(self.folder / self.data))

    @property
    def layout(self) -> Layout:
        return self.archive.layout

    @property
    def chain(self) -> Chain:
        return Chain(self.instance, self.archive, Models(pack=self.pack), Console(quiet=True))

    def run(self, years: str | None = None) -> list[Stopped]:
        sync_school_years(self.instance, self.layout)
        return self.chain.run(chosen_years(self.layout, years), lambda _: None)

    def query(self, sql: str) -> pl.DataFrame:
        return query(self.layout.database, sql)

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


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleArchive:
    return compose_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def finished(sample: SampleArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole chain, run once on the sample. Tests only read it."""
    folder = tmp_path_factory.mktemp("finished archive")
    shutil.copytree(sample.photos, folder / "photos")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(folder, instance)
        assert world.run() == []
        yield world


@pytest.fixture
def world(finished: World, tmp_path: Path) -> Iterator[World]:
    """A copy of the finished archive, photos and data, for a test to change; Dagster knows nothing of it yet."""
    shutil.copytree(finished.folder, tmp_path / "archive")
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path / "archive", instance)


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
