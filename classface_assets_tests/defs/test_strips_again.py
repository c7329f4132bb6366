"""A long strip that an older version searched is searched again, for further faces; nothing else is."""

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.ingest.detections import detections
from classface_assets.defs.ingest.images import images
from classface_assets.devtools.benchmark.detection.panorama_scenes import (
    PanoramaSpec,
    bundled_sources,
    compose_panorama,
)
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.parts import PartDataset
from classface_assets.vision.detection.search import DetectionSettings
from classface_assets.vision.detection.strips import STRIP_SEARCH
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR
from classface_assets_tests.support.direct_runs import call

pytestmark = pytest.mark.slow
YEAR = "2016-2017"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A strip with faces of many sizes, an empty strip, and a class photo; searched."""
    folder = tmp_path / "photos" / YEAR
    folder.mkdir(parents=True)
    strip = compose_panorama(PanoramaSpec("strip", 4, 24, 26, 1.5, 1.4, seed=1), bundled_sources()).picture
    Image.fromarray(strip).save(folder / "strip.jpg", quality=95)
    Image.new("RGB", (1500, 300), (90, 120, 90)).save(folder / "empty.jpg")
    Image.open(bundled_sources()[0].path).save(folder / "class.jpg", quality=95)
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))
    run(archive)
    return archive


def run(archive: Archive) -> None:
    for asset in (images, detections):
        call(asset, archive, Models(pack="builtin"), YEAR)


def parts_of(archive: Archive) -> PartDataset:
    layout: ArchiveLayout = archive.layout
    return SchoolYearStore(layout, BUILTIN_DETECTOR, YEAR).detection_parts(DetectionSettings().name)


def rewrite(parts: PartDataset, rows: pl.DataFrame) -> None:
    """Make these rows the only ones."""
    old = parts.files()
    parts.append(rows)
    for file in old:
        Path(str(file)).unlink()


def as_older_version(parts: PartDataset) -> pl.DataFrame:
    """Leave what an older version would have stored: no column, and in strips no face narrower than 20 pixels."""
    rows = parts.read()
    is_small = (pl.min_horizontal("bbox_w", "bbox_h") < 20).fill_null(value=False) & pl.col(
        "strip_search"
    ).is_not_null()
    assert rows.filter(is_small).height > 10
    older = rows.filter(~is_small).drop("strip_search")
    rewrite(parts, older)
    return older


def test_only_further_faces_are_added_to_a_strip_of_an_older_version_and_no_other_row_changes(archive: Archive) -> None:
    parts = parts_of(archive)
    first = parts.read()
    older = as_older_version(parts)
    run(archive)
    again = parts.read()
    assert set(again["face_id"].drop_nulls()) == set(first["face_id"].drop_nulls())
    before = again.join(older.select("asset_id", "face_id"), on=["asset_id", "face_id"], how="semi", nulls_equal=True)
    order = ["asset_id", "face_id"]
    assert before.drop("strip_search").select(older.columns).sort(order).equals(older.sort(order))
    versions = dict(again.group_by("asset_id").agg(pl.col("strip_search").unique()).iter_rows())
    assert sorted(versions.values(), key=str) == [[STRIP_SEARCH], [STRIP_SEARCH], [None]]


def test_a_strip_is_searched_again_once(archive: Archive) -> None:
    parts = parts_of(archive)
    as_older_version(parts)
    run(archive)
    files, rows = parts.files(), parts.read().sort("asset_id", "face_id")
    run(archive)
    assert parts.files() == files
    assert parts.read().sort("asset_id", "face_id").equals(rows)


def test_a_strip_in_which_an_older_version_found_nothing_gets_faces_and_loses_the_row_that_says_so(
    archive: Archive,
) -> None:
    parts = parts_of(archive)
    first = parts.read()
    strip = first.filter(pl.col("strip_search").is_not_null(), pl.col("face_id").is_not_null())["asset_id"][0]
    face_columns = ("face_id", "landmarks", "chip", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    nothing = first.filter(asset_id=strip).head(1)
    nothing = nothing.with_columns(pl.lit(None, first.schema[name]).alias(name) for name in face_columns)
    nothing = nothing.with_columns(status=pl.lit("no face"))
    rewrite(parts, pl.concat([first.filter(pl.col("asset_id") != strip), nothing]).drop("strip_search"))
    run(archive)
    again = parts.read().filter(asset_id=strip)
    assert again["status"].unique().to_list() == ["ok"]
    assert set(again["face_id"]) == set(first.filter(asset_id=strip)["face_id"])
