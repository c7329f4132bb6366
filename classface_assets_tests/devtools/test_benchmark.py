"""The measuring instrument: what it counts is right, and each contender does what it says."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from classface_assets.definitions import defs
from classface_assets.devtools.benchmark.speed import embedders
from classface_assets.devtools.benchmark.speed.comparison import (
    Contender,
    count_shared_faces,
    match_to_truth,
    run_contender,
)
from classface_assets.devtools.benchmark.speed.detected_boxes import list_photo_files, undo_rotation
from classface_assets.devtools.benchmark.speed.large_archive import make_school_year
from classface_assets.devtools.benchmark.speed.noop_assets import noop_definitions
from classface_assets.devtools.benchmark.speed.photo_folders import copy_each_photo
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.vision.picture_id.identity import picture_id
from classface_assets_tests.conftest import SHARED_PACK

BOX = (10.0, 20.0, 40.0, 50.0)


def test_faces_are_counted_against_the_labels_of_the_photos_that_were_looked_at() -> None:
    truth = pl.DataFrame(
        {
            "path": ["a.jpg", "a.jpg", "b.jpg"],
            "x": ["10", "200", "0"],
            "y": ["20", "20", "0"],
            "w": ["40"] * 3,
            "h": ["50"] * 3,
        }
    )
    score = match_to_truth(truth, {"a.jpg": [BOX, (400.0, 20.0, 40.0, 50.0)], "unlabelled.jpg": [BOX]})
    assert (score.labelled, score.found, score.detected, score.unlabelled) == (2, 1, 2, 1)
    assert count_shared_faces({"a": [BOX, BOX], "b": [BOX]}, {"a": [BOX]}) == (3, 1)


def test_embedders_are_timed_in_each_precision(capsys: pytest.CaptureFixture[str]) -> None:
    embedders.main(faces=8, rounds=1)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()[2:]]
    assert {("builtin", "float32"), ("dlib", "float32")} <= {(pack, precision) for pack, precision, _ in rows}
    assert all(float(milliseconds) > 0.5 for *_, milliseconds in rows) and len(rows) in (2, 3)


def test_a_box_in_a_rotated_photo_is_reported_where_it_was() -> None:
    """The upright photo is 300 × 200; turned by a quarter it is 200 × 300, and the box of 40 × 50 lies on its side."""
    x, y, w, h = BOX
    assert undo_rotation((200 - y - h, x, h, w), 200, 300, 90) == BOX
    assert undo_rotation((300 - x - w, 200 - y - h, w, h), 300, 200, 180) == BOX
    assert undo_rotation((y, 300 - x - w, h, w), 200, 300, 270) == BOX
    assert undo_rotation(BOX, 300, 200, 0) == BOX


def test_many_photos_are_made_of_few_each_with_bytes_of_its_own(sample: SampleArchive, tmp_path: Path) -> None:
    photos = list_photo_files(make_school_year(sample.photos, tmp_path, 40))
    assert len({photo.read_bytes() for photo in photos}) == 40
    assert {photo.parent.name for photo in photos} == {"2019-2020"}


def test_large_photos_are_measured_as_different_photos_as_good_as_the_first(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    (tmp_path / "few").mkdir()
    Image.fromarray(noise).save(tmp_path / "few" / "one.jpg", quality=80)
    Image.fromarray(noise).save(tmp_path / "few" / "two.jpg", "WEBP")
    folder = copy_each_photo(tmp_path / "few", tmp_path / "several", 4)
    files = list_photo_files(folder)
    formats = {"one": "JPEG", "two": "WEBP"}
    ids = {picture_id(file.read_bytes(), formats[file.stem[:3]]) for file in files}
    assert len(ids) == len(files) == 8, "of those that show the same picture one alone is searched"
    size = (tmp_path / "few" / "one.jpg").stat().st_size
    assert all(0.9 * size < (folder / f"one_{number}.jpg").stat().st_size < 1.1 * size for number in range(4))


def test_jobs_with_nothing_in_them_have_the_same_steps_and_checks() -> None:
    ours, bare = (what.resolve_asset_graph() for what in (defs(), noop_definitions()))
    assert set(bare.get_all_asset_keys()) == set(ours.get_all_asset_keys())
    assert set(bare.asset_check_keys) == set(ours.asset_check_keys)


@pytest.mark.parametrize("kind", ["ours", "loop"])
def test_a_contender_tells_its_faces_time_and_memory(kind: str, sample: SampleArchive, tmp_path: Path) -> None:
    if not SHARED_PACK.exists():
        pytest.skip("needs the InsightFace-format pack of ../shared, which is not here")
    photos = make_school_year(sample.photos, tmp_path / "photos", 2)
    result = run_contender(Contender(kind, kind, str(SHARED_PACK)), photos, tmp_path / "work")
    assert sorted(result["faces"]) == ["2019-2020/IMG_00000.jpg", "2019-2020/IMG_00001.jpg"]
    assert sum(map(len, result["faces"].values())) >= 2
    assert result["seconds"] > 0 and 50 < result["peak_mb"] < 2000
    assert (kind == "ours") == any((tmp_path / "work").rglob("part-*.parquet"))
