"""Faces that people drew where no detector found one: real photos, a real ledger, the whole chain."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from classface_assets.defs.sensors import decisions as sensors
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.services.erasure import erase_person
from classface_assets.services.photos.manual_faces import MANUAL_REASON, photos_with_new_boxes, plan_manual_face_changes
from classface_assets.store.maintenance.integrity import check_integrity
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.detection.records import face_id_for
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import event, face

YEAR = "2018-2019"
PORTRAITS = ("portrait_2018_05.jpg", "portrait_2018_06.jpg")


@pytest.fixture
def missed(finished: World, tmp_path: Path) -> Iterator[World]:
    """Two portraits in which no face was found, since all are smaller than was asked for."""
    folder = tmp_path / "photos" / YEAR
    folder.mkdir(parents=True)
    for name in PORTRAITS:
        shutil.copyfile(finished.folder / "photos" / YEAR / "portraits" / name, folder / name)
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        register_school_years(instance, world.layout)
        ops = {"detections": {"config": {"min_face_px": 5000}}}
        assert world.chain.run_job("ingest_year", YEAR, ops) == []
        assert world.number("detections", "dagster/row_count", YEAR) == 0
        yield world


def found_in(world: World, name: str) -> tuple[FaceRef, np.ndarray]:
    """The one face of a portrait, as somebody would draw it, and its vector."""
    row = world.query(
        "SELECT f.id, f.asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances f "
        f"JOIN image_assets a USING (asset_id) WHERE a.status = 'ok' AND a.path LIKE '%{name}'"
    ).row(0)
    box = tuple(round(side) for side in row[2:])
    return FaceRef(face_id_for(row[1], np.array(box)), row[1], box), vector_of(world, row[0])  # type: ignore[arg-type]


def vector_of(world: World, face_id: str) -> np.ndarray:
    rows = pl.concat(pl.read_parquet(f) for f in (world.folder / "data/parts/embeddings").rglob("*.parquet"))
    vector: np.ndarray = rows.filter(pl.col("face_id") == face_id)["vector"].to_numpy()[0]
    return vector


def detection_parts(world: World) -> list[str]:
    return sorted(file.name for file in (world.folder / "data/parts/detections").rglob("*.parquet"))


def metadata_text(world: World, key: str) -> str:
    """A table or text in the metadata of the year's last detections."""
    records = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("detections"), asset_partitions=[YEAR]), limit=1
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return str(materialization.metadata[key].value)


def test_a_drawn_face_is_embedded_and_named_until_its_drawing_is_taken_back(missed: World, finished: World) -> None:
    drawn, vector = found_in(finished, PORTRAITS[0])
    ledger = missed.archive.open_ledger()
    drawing = ledger.draw_face(drawn).events[0]
    ledger.label("Ana", [drawn])
    assert missed.run() == []
    row = missed.query(
        "SELECT f.id, p.name, f.detection_confidence, f.blur FROM face_instances f JOIN persons p ON p.id = f.person_id"
    )
    assert row.rows()[0][:2] == (drawn.face_id, "Ana") and row["detection_confidence"][0] > 0.3 and row["blur"][0] > 0
    # With landmarks guessed from the box alone the cosine is .5 to .9 for most faces, with another person's .3.
    assert vector_of(missed, drawn.face_id) @ vector > 0.93, "the landmarks are those that the detector finds"
    assert missed.number("detections", "photos_searched_now", YEAR) == 0
    assert missed.number("detections", "drawn_made_now", YEAR) == 1
    assert list(missed.layout.albums.rglob(f"{drawn.face_id}.jpg")), "the album shows it"

    before, runs = detection_parts(missed), missed.instance.get_runs_count()
    assert missed.run() == [] and detection_parts(missed) == before
    assert missed.instance.get_runs_count() == runs, "nothing is left to be done"

    ledger.undo(drawing)
    assert missed.run() == []
    pack = Models(pack=missed.pack).describe(missed.layout)
    assert missed.query("SELECT * FROM face_instances").is_empty()
    assert check_integrity(missed.layout, pack.detector_version, pack.key).found == ()


def test_a_person_who_was_drawn_and_erased_is_not_drawn_again(missed: World, finished: World) -> None:
    drawn, _ = found_in(finished, PORTRAITS[0])
    ledger = missed.archive.open_ledger()
    ledger.draw_face(drawn)
    ledger.label("Ana", [drawn])
    assert missed.chain.run_job("ingest_year", YEAR) == [] and missed.chain.run_job("identify") == []
    assert erase_person(missed.archive, missed.instance, "Ana").face_count == 1
    files = [*(missed.folder / "data/parts").rglob("*.parquet")]
    rows = pl.concat([pl.read_parquet(f) for f in files if "images" not in f.parts], how="diagonal_relaxed")
    assert drawn.face_id not in rows["face_id"].to_list()

    x, y, w, h = drawn.box
    ledger.draw_face(FaceRef("again", drawn.asset_id, (x + 2, y, w, h)))
    assert missed.chain.run_job("ingest_year", YEAR) == []
    assert missed.number("detections", "dagster/row_count", YEAR) == 0
    assert "the face of a person who was erased" in metadata_text(missed, "drawn_not_made")


def test_without_a_face_to_be_seen_the_landmarks_are_estimated_and_a_face_is_drawn_once(
    missed: World, finished: World
) -> None:
    drawn, _ = found_in(finished, PORTRAITS[0])
    ledger = missed.archive.open_ledger()
    (x, y, w, h), photo = drawn.box, drawn.asset_id
    for face_id, box in (("twice", (x + 3, y + 2, w, h)), ("wall", (0, 0, 24, 30)), ("off", (90_000, 0, 40, 40))):
        ledger.draw_face(FaceRef(face_id, photo, box))
        ledger.draw_face(drawn)
    assert missed.chain.run_job("ingest_year", YEAR) == []
    rows = pl.concat(pl.read_parquet(f) for f in (missed.folder / "data/parts/detections").rglob("*.parquet"))
    found = {face_id: (reason, sure) for face_id, reason, sure in rows.filter(status="ok").select(
        "face_id", "reason", "detection_confidence").iter_rows()}  # fmt: skip
    assert found.keys() == {"twice", "wall"}
    assert found["twice"][0] == MANUAL_REASON and found["twice"][1] > 0.3
    assert found["wall"] == (f"{MANUAL_REASON}: landmarks estimated from the box", 0.0)
    assert "the box lies outside of the photo" in metadata_text(missed, "drawn_not_made")
    assert "| ok | 1 |" in metadata_text(missed, "photos_by_outcome")


def test_drawings_in_missing_or_unreadable_photos_are_reported_and_moved_ones_are_not() -> None:
    rows = pl.DataFrame(
        [("here", None, "no face", ""), ("broken", None, "failed", "truncated"), ("gone", None, "no face", "")],
        schema=["asset_id", "face_id", "status", "reason"],
        orient="row",
    ).cast({"face_id": pl.String})
    rows = rows.with_columns(pl.lit(None, pl.Float32).alias(f"bbox_{side}") for side in "xywh")
    images = pl.DataFrame({"asset_id": ["here", "broken", "pdf"], "status": ["ok", "ok", "unreadable"]})
    photos = ("here", "broken", "pdf", "gone", "of another year")
    decisions_text = Decisions(drawn={photo: face(photo, photo) for photo in photos})
    found = plan_manual_face_changes(decisions_text, rows, images)
    assert list(found.new) == ["here"] and not found.gone
    assert found.refused == (
        ("broken", "the photo cannot be read: truncated"),
        ("pdf", "the photo cannot be read: unreadable"),
        ("gone", "the photo is no longer in its folder"),
    )


def test_photos_are_looked_at_again_when_a_drawing_comes_or_goes() -> None:
    drawn = event(1, "face_drawn", faces=[face("f", "photo").payload()])
    named, undone, redone = (
        event(2, "person_created", person_id="p", name="Ana"),
        event(3, "undone", event_id=1),
        event(4, "undone", event_id=3),
    )
    decisions_text = [drawn, named, undone, redone]
    assert [photos_with_new_boxes(decisions_text[:n], n - 1) for n in (1, 2, 3, 4)] == [
        {"photo"},
        set(),
        {"photo"},
        {"photo"},
    ]


def test_the_sensor_looks_at_the_years_in_which_faces_were_drawn(missed: World, finished: World) -> None:
    drawn, _ = found_in(finished, PORTRAITS[1])
    missed.archive.open_ledger().draw_face(drawn)
    resources = {"archive": missed.archive, "models": Models(pack=missed.pack)}
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.build_sensor_context(missed.instance, None, resources=resources) as context,
    ):
        patch.setattr(sensors, "QUIET_PERIOD", timedelta())
        ready = sensors.decisions(context)
    assert isinstance(ready, dg.SensorResult) and ready.run_requests is not None
    assert [(run.job_name, run.partition_key) for run in ready.run_requests] == [
        ("ingest_year", YEAR),
        ("identify", None),
    ]
