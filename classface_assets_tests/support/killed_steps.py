"""The steps that tests kill: each does what one command does to the archive in a folder, in a child of `kill_driver`.

A failpoint is tested in the step of its first word: `publish.…` in `publish`.
"""

import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.albums import disk
from classface_assets.core.locations import parse_location
from classface_assets.defs.albums.albums import album_site, albums
from classface_assets.defs.runner.school_years import select_years
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.erasure import erase_person, finish_erasures, finish_interrupted_erasures
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.support.direct_runs import OF_A_YEAR, OF_ALL, call, run_assets

PACK = Models(pack="builtin")
ROWS = [f"row {number}" for number in range(6)]


def archive_of(folder: Path) -> Archive:
    return Archive(photos=str(folder / "photos"), data=str(folder / "data"))


def run(folder: Path) -> None:
    """All assets, as a run calls them."""
    run_assets(archive_of(folder), PACK)


def ingest(folder: Path) -> None:
    """Files, faces and vectors of all school years, and the tables that are made of these alone."""
    for year in select_years(archive_of(folder).layout, None):
        for asset in OF_A_YEAR:
            call(asset, archive_of(folder), PACK, year)
    for asset in OF_ALL[:2]:
        call(asset, archive_of(folder), PACK)


def publish(folder: Path) -> None:
    """The assets that all school years share, but for the albums."""
    for asset in OF_ALL:
        call(asset, archive_of(folder), PACK)


def album(folder: Path) -> None:
    for year in select_years(archive_of(folder).layout, None):
        call(albums, archive_of(folder), PACK, year)
    call(album_site, archive_of(folder), PACK)


def exchange(folder: Path) -> None:
    """The albums on a system that cannot exchange two folders in one step."""
    disk._exchange_folders = lambda *_: False
    album(folder)


def upload(folder: Path, target: str) -> None:
    from classface_assets.albums.publication import publish as publish_albums

    url: Any = parse_location(target)
    publish_albums(folder / "data" / "albums", url, thorough=True)


def forget(folder: Path, who: str = "") -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        if who:
            erase_person(archive_of(folder), instance, who)
        else:
            finish_erasures(archive_of(folder), instance)


def resume(folder: Path) -> list[str]:
    """What a run does first; the sentences that it reports."""
    archive, sentences = archive_of(folder), list[str]()
    with dg.DagsterInstance.ephemeral() as instance, archive_lock(archive.layout, "classface run", sentences.append):
        finish_interrupted_erasures(archive, instance, sentences.append)
    return sentences


def parts(folder: Path) -> None:
    """Replace some rows, and merge the parts, of a dataset of one row a part."""
    dataset = dataset_of(folder)
    dataset.replace(rows_of(ROWS[:3], "new"))
    dataset.compact()


def dataset_of(folder: Path) -> PartDataset:
    return PartDataset(folder / "data" / "parts" / "of a test", ("id",))


def rows_of(ids: Iterable[str], value: str) -> pl.DataFrame:
    return pl.DataFrame([(one, value) for one in ids], schema=["id", "value"], orient="row")


def ledger(folder: Path, name: str = "Ben Roth") -> None:
    """Somebody new gets a face: two events and the photos that they are about, or nothing."""
    archive_of(folder).open_ledger().label(name, [FaceRef("a face", "a photo", (0, 0, 9, 9))])


def copy_in(folder: Path, source: str) -> None:
    """The data of an archive, without the models, onto a disk that only this process and its children see."""
    shutil.copytree(Path(source) / "data", folder / "data", dirs_exist_ok=True, ignore=lambda *_: ["cache"])


def copy_out(folder: Path, target: str) -> None:
    shutil.copytree(folder / "data", Path(target) / "data")


def fill(folder: Path, leave: int) -> None:
    """Fill the disk but for so many bytes."""
    count = shutil.disk_usage(folder / "data").free - leave
    (folder / "data" / "filler").write_bytes(random.randbytes(count))


def free(folder: Path) -> None:
    (folder / "data" / "filler").unlink(missing_ok=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder / "data")], check=True)
