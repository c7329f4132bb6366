"""The pictures and tables that assets show in Dagster: what a person looks at first."""

import base64
import io
import re
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.identity.projection_head import training_metadata
from classface_assets.defs.metadata import FACES_PER_ROW, MOVED_FACES, faces_contact_sheet
from classface_assets.orchestration.resources import Models
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR
from classface_assets_tests.conftest import World

pytestmark = pytest.mark.slow


def test_faces_that_moved_are_a_picture_with_a_row_for_each_former_cluster(finished: World) -> None:
    faces = finished.archive.catalog(Models(pack="builtin")).faces
    moved = pl.DataFrame(
        {
            "face_id": [*faces["face_id"].head(FACES_PER_ROW + 2), faces["face_id"][-1], "erased meanwhile"],
            "from": [*["unknown_cluster_1"] * (FACES_PER_ROW + 2), "unknown_cluster_2", "unknown_cluster_3"],
        }
    )
    found = faces_contact_sheet(finished.layout, BUILTIN_DETECTOR, faces, moved, MOVED_FACES)
    data = re.fullmatch(r"!\[(.+)\]\(data:image/\w+;base64,(.+)\)", str(found["moved_faces"].value))
    assert data and "moved" in data[1]
    picture = Image.open(io.BytesIO(base64.b64decode(data[2])))
    assert picture.width == picture.height * FACES_PER_ROW // 2, "two rows of so many faces"
    assert faces_contact_sheet(finished.layout, BUILTIN_DETECTOR, faces, moved.clear(), MOVED_FACES) == {}


def test_what_a_projection_head_was_measured_by_is_shown_as_tables(tmp_path: Path) -> None:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    measured, test = {"rank1": 0.9, "auc": 0.8, "tpr": 0.7}, {"people": 7, "raw": 0.5, "head": 0.6, "p_value": 0.04}
    metrics = dict.fromkeys(("raw", "head", "raw_on_strangers", "head_on_strangers"), measured)
    shown = training_metadata(layout, {"people": 7, **metrics, "test_on_strangers": test, "test_on_others": test})
    assert set(shown) == {"people", "held_out_metrics", "paired_tests"}
    rows = shown["held_out_metrics"].value.splitlines()
    assert len(rows) == 6 and rows[2] == "| people it knows | without a head | 0.900 | 0.800 | 0.700 |"
    assert "| separation of people it never saw | 7 | 0.500 | 0.600 | 0.040 |" in shown["paired_tests"].value
    assert training_metadata(layout, {"people": 3, "status": "skipped"}) == {"people": 3, "status": "skipped"}


def test_the_picture_of_a_training_is_drawn_once_and_again_for_another_training(tmp_path: Path) -> None:
    layout = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    epoch = {"epoch": 1, "train_loss": 0.5, "held_out_loss": 0.6, "held_out_separation": 0.7, "heads": 1, "seconds": 1}
    report = {"people": 7, "architecture": "mlp", "promoted": True, "epochs": [epoch, epoch | {"epoch": 2}]}
    drawn = training_metadata(layout, report)["training_curve"]
    record = layout.fingerprint_file("training_curve")
    before = record.stat().st_mtime_ns
    assert training_metadata(layout, report)["training_curve"] == drawn
    assert record.stat().st_mtime_ns == before, "it was not drawn again"
    other = training_metadata(layout, report | {"promoted": False})["training_curve"]
    assert other != drawn
    record.unlink()
    assert training_metadata(layout, report)["training_curve"] == drawn
