"""Finding faces: at any size and turn, in photos that can only partly be read, and no more looks than needed."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.vision.alignment import align_face
from classface_assets.vision.detection.landmarks import refine_landmarks
from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.detection.records import face_id_for
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.faces import FaceDetections
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets.vision.photos.decoding import TRUNCATED_NOTE, load_photo
from classface_assets.vision.photos.image_pyramid import open_pyramid, pyramid_from_pixels
from classface_assets.vision.protocols import Detector
from classface_assets_tests.support.searched import SETTINGS, boxes_of, detected, faces_in, save_as_photo

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_photo_is_searched_as_far_as_it_goes(
    progressive: bool, builtin: ModelPack, astronaut: Image.Image, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg", quality=90, progressive=progressive)
    part = tmp_path / "part.jpg"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert read_photo_facts(part).status == "ok"
    rows = detected(builtin, part)
    assert rows["status"].to_list() == ["ok"] and rows["reason"].to_list() == [TRUNCATED_NOTE]


def test_every_photo_ends_as_rows_in_the_order_given(
    builtin: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg")
    broken = save_as_photo(astronaut, tmp_path / "broken.png")
    broken.write_bytes(broken.read_bytes()[:5000])
    stub = tmp_path / "stub.jpg"
    stub.write_bytes(whole.read_bytes()[:150])
    plain = save_as_photo(Image.new("RGB", (640, 480), (90, 120, 90)), tmp_path / "nobody.png")
    paths = [whole, broken, group, stub, tmp_path / "gone.jpg", plain]
    jobs = [PhotoJob(read_photo_facts(path).asset_id, path) for path in paths]
    batches = list(detect_photos(jobs, builtin.detector, SETTINGS, batch=4))
    rows = pl.concat([batch.rows for batch in batches])
    assert [batch.rows.schema == DETECTION_ROWS for batch in batches] == [True, True]
    searched = [job.asset_id for job in jobs if job.path.name != "gone.jpg"]
    assert rows["asset_id"].unique(maintain_order=True).to_list() == searched
    assert [list(batch.unopened) for batch in batches] == [[], [jobs[4].asset_id]], "a missing file is tried again"
    assert rows["status"].to_list() == ["ok", "failed", *["ok"] * 6, "failed", "no face"]
    failed = rows.filter(status="failed")
    assert failed["face_id"].null_count() == 2 and failed["reason"].str.len_chars().min() > 10
    assert rows.filter(status="ok")["chip"].null_count() == 0


def test_the_six_people_of_a_group_are_found_at_any_size(pack: ModelPack, group: Path) -> None:
    photo = Image.open(group)
    for width in (400, 1280, 4000):
        image = np.asarray(photo.resize((width, photo.height * width // photo.width)))
        faces = faces_in(pack, image)
        assert len(faces) == 6
        low, high = faces.boxes[:, :2], faces.boxes[:, :2] + faces.boxes[:, 2:]
        assert low.min() >= 0 and (high <= [image.shape[1], image.shape[0]]).all()
        assert ((faces.landmarks > low[:, None]) & (faces.landmarks < high[:, None])).all()
        assert (faces.landmarks[:, 0, 0] < faces.landmarks[:, 1, 0]).all()  # left eye first, as seen in the picture


def test_the_small_faces_of_a_whole_school_are_found(pack: ModelPack, group: Path) -> None:
    photo = Image.open(group).resize((700, 484))
    school = Image.new("RGB", (5600, 968), (90, 120, 90))
    for place in range(16):
        school.paste(photo, (place % 8 * 700, place // 8 * 484))
    assert len(faces_in(pack, np.asarray(school))) == 16 * 6


def test_a_portrait_without_room_around_the_head_is_found(pack: ModelPack, astronaut: Image.Image) -> None:
    tight = np.asarray(astronaut.crop((178, 62, 268, 196)).resize((1800, 2680)))
    (box,) = faces_in(pack, tight).boxes
    assert box[2] > 1300 and box[3] > 1900


class Counted:
    """A real detector that counts its passes over pictures."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.passes = detector, 0
        self.base_side, self.fixed_input, self.precision = detector.base_side, detector.fixed_input, detector.precision
        self.reliable_px, self.landmark_crop = detector.reliable_px, detector.landmark_crop

    def detect(self, image: np.ndarray, min_confidence: float) -> FaceDetections:
        self.passes += 1
        return self.detector.detect(image, min_confidence)


def count_passes(pack: ModelPack, image: Image.Image, turnable: bool = False) -> int:
    counted = Counted(pack.detector)
    detect_oriented(counted, pyramid_from_pixels(np.asarray(image.convert("RGB"))), SETTINGS, turnable)
    return counted.passes


def test_a_plain_photo_is_looked_at_once_and_only_what_asks_for_it_more_often(
    pack: ModelPack, astronaut: Image.Image, group: Path
) -> None:
    photo = Image.open(group)
    assert count_passes(pack, photo) == count_passes(pack, photo.resize((4000, 2768))) == 1
    assert count_passes(pack, astronaut, turnable=True) == 1, "a face that is surely upright is not tried on its side"
    tight = astronaut.crop((178, 62, 268, 196)).resize((1800, 2680))
    nobody = Image.new("RGB", (4000, 3000), (90, 120, 90))
    assert count_passes(pack, tight) <= 2, "once more within a border"
    assert count_passes(pack, nobody) == 3, "and once more in somewhat finer, for a crowd that is far away"
    far = Image.new("RGB", (5000, 3460), (90, 120, 90))
    far.paste(photo.resize((700, 484)), (2000, 1500))
    assert count_passes(pack, far) > 2, "faces this small are looked for at a finer scale"
    assert len(faces_in(pack, np.asarray(far))) == 6


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_scan_lying_on_its_side_is_turned_until_its_faces_are_upright(
    pack: ModelPack, group: Path, turn: int, tmp_path: Path
) -> None:
    photo = Image.open(group)
    scan = save_as_photo(photo.rotate(turn, expand=True), tmp_path / "scan.jpg", quality=95)
    (searched,) = detect_photos([PhotoJob("0" * 32, scan, turnable=True)], pack.detector, SETTINGS)
    assert set(searched.rows["rotation"]) == {turn}, "a picture turned to the left is turned back to the right"
    upright = faces_in(pack, np.asarray(photo)).boxes
    boxes = boxes_of(searched.rows)
    assert np.abs(boxes[boxes[:, 0].argsort()] - upright[upright[:, 0].argsort()]).max() < 0.03 * photo.width
    (as_it_is,) = detect_photos([PhotoJob("0" * 32, scan, turnable=False)], pack.detector, SETTINGS)
    assert set(as_it_is.rows["rotation"]) == {0}, "a photo that says which way is up is believed"


def test_landmarks_are_refined_from_close_by(pack: ModelPack, group: Path) -> None:
    large = np.asarray(Image.open(group).resize((2560, 1772)))
    rough = faces_in(pack, large)
    seen = np.full(len(rough), 20.0)
    close = refine_landmarks(pack.detector, large, rough, seen)
    fine = faces_in(pack, np.asarray(Image.open(group).resize((640, 443)))).scaled(4)
    order, same = rough.boxes[:, 0].argsort(), fine.boxes[:, 0].argsort()
    eye_distances = np.linalg.norm(rough.landmarks[:, 0] - rough.landmarks[:, 1], axis=1)
    moved = np.linalg.norm(close - rough.landmarks, axis=2).max(axis=1) / eye_distances
    assert moved.max() < 0.25 and (moved > 0.005).all(), "by a little, each of them"
    assert np.abs(close[order] - fine.landmarks[same]).max() / eye_distances.min() < 0.3
    empty = np.zeros_like(large)
    assert np.array_equal(refine_landmarks(pack.detector, empty, rough, seen), rough.landmarks), (
        "what is not found stays"
    )
    assert np.array_equal(refine_landmarks(pack.detector, large, rough, seen * 9), rough.landmarks), (
        "as does what was seen well"
    )


def test_a_photo_without_a_face_stays_as_it_is_however_it_is_turned(pack: ModelPack) -> None:
    from skimage import data

    for picture in (data.chelsea(), data.coffee(), data.rocket()):
        found = detect_oriented(pack.detector, pyramid_from_pixels(picture), SETTINGS, turnable=True)
        assert (len(found.faces), found.rotation) == (0, 0)


def test_a_large_jpeg_is_decoded_small_unless_its_faces_need_more(
    builtin: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    portrait = save_as_photo(astronaut.resize((5000, 5000)), tmp_path / "portrait.jpg", quality=95)
    view = open_pyramid(portrait)
    assert (view.width, view.height) == (5000, 5000) and view.resized_to(9999).shape == (5000, 5000, 3)
    small, whole = open_pyramid(portrait).at_resolution(1000, 96), open_pyramid(portrait).at_resolution(100, 96)
    assert (small[0].shape[0], small[1], whole[0].shape[0], whole[1]) == (2500, 0.5, 5000, 1.0)
    landmarks = detect_oriented(builtin.detector, view, SETTINGS).faces.landmarks[0]
    chips = [align_face(picture, landmarks * np.float32(scale)).astype(float) for picture, scale in (small, whole)]
    assert np.abs(chips[0] - chips[1]).mean() < 2.5
    crowd = save_as_photo(Image.open(group).resize((4000, 2768)), tmp_path / "crowd.jpg", quality=95)
    (row, *_) = detected(builtin, crowd).sort("bbox_x").to_dicts()
    box = faces_in(builtin, np.asarray(Image.open(group)))
    first = box.boxes[box.boxes[:, 0].argmin()] * (4000 / 1280)
    assert np.abs(np.array([row[f"bbox_{side}"] for side in "xywh"]) - first).max() < 20


def test_faces_below_the_bounds_are_left_out(builtin: ModelPack, group: Path) -> None:
    image = load_photo(group)[0]
    assert len(faces_in(builtin, image, DetectionSettings(min_face_px=110))) < 6
    assert len(faces_in(builtin, image, DetectionSettings(min_confidence=0.92))) < 6


def test_a_face_id_depends_on_the_photo_and_whole_pixels(builtin: ModelPack, group: Path) -> None:
    asset_id = read_photo_facts(group).asset_id
    near = face_id_for(asset_id, np.array([10.2, 20.4, 30.1, 39.8]))
    assert near == face_id_for(asset_id, np.array([10, 20, 30, 40]))
    assert near != face_id_for(asset_id, np.array([11, 20, 30, 40]))
    first, second = (detected(builtin, group)["face_id"].to_list() for _ in range(2))
    assert first == second and len(set(first)) == 6


def test_a_photo_that_changed_since_it_was_read_gets_neither_faces_nor_a_failure(
    builtin: ModelPack, group: Path, tmp_path: Path
) -> None:
    """It is being copied, or another one has its name: its id is that of what it was."""
    jobs = []
    whole, replaced, cut_off = ids = [digit * 32 for digit in "012"]
    for name in ids:
        file = tmp_path / f"{name}.jpg"
        shutil.copy2(group, file)
        jobs.append(PhotoJob(name, file, listed=(file.stat().st_size, file.stat().st_mtime_ns)))
    Image.new("RGB", (64, 64)).save(jobs[1].path)
    jobs[2].path.write_bytes(group.read_bytes()[:3000])
    (batch,) = detect_photos(jobs, builtin.detector, SETTINGS)
    assert batch.rows["asset_id"].unique().to_list() == [whole] and batch.rows["face_id"].count() == 6
    reason = "cannot be opened: it changed after it was read; the next run reads it again"
    assert batch.unopened == {replaced: reason, cut_off: reason}
