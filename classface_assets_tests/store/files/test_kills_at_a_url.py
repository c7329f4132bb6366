"""Never twice, never lost, with the data in a bucket: real processes that die with half a part on its way to S3."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

from classface_assets.core.locations import list_files_recursive
from classface_assets.store.files.parquet import read_parquet
from classface_assets_tests.defs.test_ingest import (
    DRIVER,
    Driver,
    Place,
    assert_the_same_rows,
    photos,  # noqa: F401
    undisturbed,  # noqa: F401
)


class Remote(Place):
    """The photos here, what is made of them in a bucket."""

    def __init__(self, folder: Path, driver: Driver, data: UPath) -> None:
        super().__init__(folder, driver)
        self.local, self.url = self.data, data
        self.data = data  # type: ignore[assignment]

    @property
    def job(self) -> dict[str, Any]:
        return {**super().job, "local": str(self.local)}

    def raw(self, asset: str) -> pl.DataFrame:
        """Raises DamagedFileError for half a part."""
        frames = [read_parquet(file) for file in self.parts(asset).files()]
        return pl.concat(frames) if frames else pl.DataFrame()

    def whole(self) -> int:
        """How many parts there are. Raises DamagedFileError for half a part."""
        files = [entry.path for entry in list_files_recursive(self.url / "parts") if entry.path.suffix == ".parquet"]
        return sum(read_parquet(file).height > 0 for file in files)


@pytest.fixture(scope="module")
def driver(s3_server: str) -> Iterator[Driver]:
    """Its children know of the server."""
    driver = Driver(DRIVER)
    yield driver
    driver.end()


def test_kills_with_the_data_in_a_bucket_end_with_the_rows_of_an_undisturbed_run(
    bucket: UPath,
    photos: Path,  # noqa: F811
    undisturbed: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The other run's data lie in a folder, undisturbed by anything."""
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(undisturbed.data / "cache", tmp_path / "data" / "cache")
    place = Remote(tmp_path, undisturbed.driver, bucket / "data")
    searched: set[tuple[str, Any]] = set()
    for asset, moment in deaths(random.Random(20)):
        place.die(asset, moment)
        assert place.whole()
        if moment == BEFORE_A_REMOVAL:
            rows = place.raw(asset)
            assert rows.height > rows.unique(place.parts(asset).key).height, "the new part and the old ones are there"
        searched |= place.searched()
    assert place.run() == []
    assert_the_same_rows(place, undisturbed)
    searched |= place.searched()
    assert len(searched) == len({photo for photo, _ in searched}), "a photo was searched again that was in a part"


HALF_A_PART = {"call": "PUT", "n": 2, "do": "die"}
BEFORE_A_REMOVAL = {"call": "DELETE", "n": 1, "do": "die"}


def deaths(rng: random.Random) -> list[tuple[str, Any]]:
    """In the order of the work: with half a part sent, a moment after that, before old parts go, out of the blue."""
    soon = {**HALF_A_PART, "do": "die soon", "seconds": rng.uniform(0, 0.02)}
    half, remove = HALF_A_PART, BEFORE_A_REMOVAL
    moments = {"detections": [half, soon, rng.uniform(0, 0.5), remove], "embeddings": [half, remove]}
    return [(asset, moment) for asset, those in moments.items() for moment in those]
