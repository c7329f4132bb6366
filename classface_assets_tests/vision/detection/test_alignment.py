"""Chips cut from photos, what is measured of them, and the vectors made of them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from classface_assets.core.schemas import DETECTION_ROWS
from classface_assets.vision.alignment import (
    ARCFACE_TEMPLATE,
    CHIP_SIZE,
    CHIP_TEMPLATE,
    align_face,
    decode_chip,
    encode_chip,
    warp_to_input,
)
from classface_assets.vision.contact_sheet import contact_sheet
from classface_assets.vision.detection.attributes import (
    estimate_poses,
    measure_blur,
    measure_brightness,
    outside_share,
    quality_score,
)
from classface_assets.vision.detection.search import detect_oriented
from classface_assets.vision.embedding import embed_faces
from classface_assets.vision.faces import fit_similarity_transform
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.image_pyramid import pyramid_from_pixels
from classface_assets_tests.support.searched import SETTINGS, detected, faces_in, save_as_photo, vectors_of


def test_a_chip_puts_the_landmarks_on_the_template(astronaut: Image.Image) -> None:
    turn = np.array([[0.8, -0.3, 210.0], [0.3, 0.8, 60.0]])
    landmarks = CHIP_TEMPLATE @ turn[:, :2].T + turn[:, 2]
    matrix = fit_similarity_transform(landmarks, CHIP_TEMPLATE)
    assert np.allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], CHIP_TEMPLATE)
    assert align_face(np.asarray(astronaut), landmarks).shape == (CHIP_SIZE, CHIP_SIZE, 3)


def test_a_chip_of_a_large_face_equals_the_chip_of_the_shrunk_photo(builtin: ModelPack, astronaut: Image.Image) -> None:
    small = np.asarray(astronaut)
    landmarks = faces_in(builtin, small).landmarks[0]
    large = np.asarray(astronaut.resize((512 * 8, 512 * 8), Image.Resampling.BICUBIC))
    chips = align_face(small, landmarks), align_face(large, (landmarks + 0.5) * 8 - 0.5)
    assert np.abs(chips[0].astype(float) - chips[1]).mean() < 2.5


def test_a_stored_chip_is_nearly_the_chip(builtin: ModelPack, astronaut: Image.Image) -> None:
    image = np.asarray(astronaut)
    chip = align_face(image, faces_in(builtin, image).landmarks[0])
    stored = decode_chip(encode_chip(chip))
    assert np.abs(stored.astype(float) - chip).mean() < 3
    assert np.array_equal(warp_to_input(chip, np.array([[1.0, 0, -10], [0, 1, -20]]), 100), chip[20:120, 10:110])


def test_quality_is_half_size_and_half_confidence() -> None:
    assert quality_score(np.array([0, 0, 100, 200]), 0.8) == pytest.approx(0.65)
    assert quality_score(np.array([0, 0, 900, 900]), 1.0) == 1.0


def test_a_blurred_chip_measures_lower(astronaut: Image.Image) -> None:
    face = astronaut.crop((160, 40, 352, 232))
    soft = face.resize((32, 32)).resize((192, 192), Image.Resampling.BICUBIC)
    assert measure_blur(np.asarray(soft)) < 0.1 * measure_blur(np.asarray(face))


def seen_from(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Landmarks of a mean face, its nose before its eyes, that looks right, up and tilts clockwise by these degrees."""
    depth = np.array([0, 0, -17, -3, -3.0])
    face = np.column_stack([ARCFACE_TEMPLATE - ARCFACE_TEMPLATE.mean(0), depth - depth.mean()])
    y, p, r = np.radians([yaw, pitch, roll])
    about_down = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    in_picture = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (face @ (in_picture @ about_down @ about_right).T)[:, :2] * 3.7 + 250


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (40, 0, 0), (-30, 0, 0), (0, 20, 0), (0, -25, 0), (0, 0, 70)]
)
def test_yaw_pitch_and_roll_are_read_from_the_landmarks(yaw: float, pitch: float, roll: float) -> None:
    assert np.abs(estimate_poses(seen_from(yaw, pitch, roll)[None])[0] - [yaw, pitch, roll]).max() < 3


def test_a_mirrored_face_looks_the_other_way(pack: ModelPack, group: Path) -> None:
    image = np.asarray(Image.open(group))
    faces, mirrored = faces_in(pack, image), faces_in(pack, np.ascontiguousarray(image[:, ::-1]))
    one = estimate_poses(faces.landmarks[faces.boxes[:, 0].argsort()])
    other = estimate_poses(mirrored.landmarks[mirrored.boxes[:, 0].argsort()])[::-1]
    assert np.abs(one * [-1, 1, -1] - other).max() < 25, "degrees; a pixel or two at these sizes"
    assert np.corrcoef(one[:, 0], -other[:, 0])[0, 1] > 0.9


def test_a_face_tells_its_light_and_how_much_of_it_is_cut_off(builtin: ModelPack, astronaut: Image.Image) -> None:
    image = np.asarray(astronaut)
    chip = align_face(image, faces_in(builtin, image).landmarks[0])
    assert measure_brightness(chip) == pytest.approx(2 * measure_brightness(chip // 2), abs=2)
    assert 90 < measure_brightness(chip) < 200
    boxes = np.array([[10, 10, 20, 20], [-10, 0, 20, 20], [90, 90, 20, 20]], np.float32)
    assert outside_share(boxes, 100, 100).tolist() == pytest.approx([0, 0.5, 0.75])
    cut = image[:, 230:]
    found = detect_oriented(builtin.detector, pyramid_from_pixels(np.ascontiguousarray(cut)), SETTINGS)
    assert len(found.faces) == 1 and found.outside[0] > 0.05 and found.faces.boxes[0, 0] == 0


def test_a_contact_sheet_shows_the_chips_in_rows() -> None:
    chips = [encode_chip(np.full((CHIP_SIZE, CHIP_SIZE, 3), value, np.uint8)) for value in (0, 100, 250)]
    sheet = np.asarray(Image.open(BytesIO(contact_sheet(chips, size=16, columns=2))))
    assert sheet.shape == (32, 32, 3)
    assert [int(sheet[y, x, 0]) // 40 for y, x in ((8, 8), (8, 24), (24, 8))] == [0, 2, 6]
    assert Image.open(BytesIO(contact_sheet([]))).size == (64, 64)


def test_embeddings_are_unit_vectors_that_know_a_person_again(
    pack: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    whole = save_as_photo(astronaut, tmp_path / "whole.jpg")
    again = save_as_photo(
        astronaut.rotate(8).crop((60, 0, 460, 400)).resize((300, 300)), tmp_path / "again.jpg", quality=60
    )
    rows = detected(pack, whole, again, group, save_as_photo(Image.new("RGB", (99, 99)), tmp_path / "nobody.png"))
    frame = vectors_of(rows, pack, batch=3)
    assert frame["face_id"].to_list() == rows["face_id"].drop_nulls().to_list()
    assert frame.schema["vector"] == pl.Array(pl.Float32, pack.dim)
    vectors = frame["vector"].to_numpy()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similar = vectors @ vectors.T
    assert similar[0, 1] > similar[:2, 2:].max() + 0.05


def test_no_faces_give_no_vectors(builtin: ModelPack) -> None:
    assert list(embed_faces([pl.DataFrame(schema=DETECTION_ROWS)], builtin.embedder, 16)) == []
