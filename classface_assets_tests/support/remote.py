"""Photos and data at a URL: archives that lie there, and what is stored of them."""

import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from upath import UPath

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.core.atomic_files import write_file
from classface_assets.core.locations import Location, list_files_recursive
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.resources import Archive
from classface_assets_tests.conftest import World

YEARS = ["2016-2017", "2018-2019"]
CAMERA = "Ana & Ben #1 100%? é.jpg"


@dataclass(frozen=True)
class Remote(World):
    """An archive whose photos and data each lie at a place of their own."""

    photos_at: str = ""
    data_at: str = ""

    @property
    def archive(self) -> Archive:
        return resolve_archive(self.photos_at, self.data_at, self.folder / "local")


def copy_sample(sample: SampleArchive, photos: Location, years: list[str]) -> None:
    """Some of the sample's photos: of each school year a class photo under an odd name, and four others."""
    for year in years:
        for name in ("class_{}_01", "class_{}_02", "candid_{}_03", "portrait_{}_05", "portrait_{}_06"):
            (file,) = (sample.photos / year).rglob(f"{name.format(year[:4])}.jpg")
            named = CAMERA if file.stem.endswith("_01") else file.name
            write_file(photos / year / file.parent.name / named, lambda out, file=file: out.write(file.read_bytes()))


def number_of(world: World, asset: str, key: str) -> float:
    return sum(world.number(asset, key, year) for year in YEARS)


def broken_links(albums: UPath, folder: Path) -> list[str]:
    """Of the albums at a URL, fetched as a reader would."""
    albums.fs.get(f"{albums.path}/", f"{folder}/", recursive=True)
    return find_broken_links(folder)


def stored(data: UPath) -> dict[str, str]:
    """Every object below, and the digest of its content."""
    return {str(e.path): e.md5 for e in list_files_recursive(data)}


def ask_for_credentials(server: str, after_calls: str) -> None:
    """moto checks no keys unless it is told after how many calls to begin; other servers cannot be told."""
    if os.environ.get("S3_SERVER"):
        pytest.skip("an S3 server other than moto always checks keys")
    address, text = f"{server}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    with urllib.request.urlopen(urllib.request.Request(address, after_calls.encode(), text)) as answer:
        assert answer.status == 200
