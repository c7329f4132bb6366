"""Whole-school panoramas: small faces count, each is found twice, and ordinary photos are searched as before."""

import numpy as np
import pytest

from classface_assets.devtools.benchmark.detection.panorama import match_panorama
from classface_assets.devtools.benchmark.detection.panorama_scenes import (
    PanoramaSourceError,
    PanoramaSpec,
    bundled_sources,
    compose_panorama,
    read_sources,
)
from classface_assets.vision.detection.pipeline import detect_photo
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.detection.strips import STRIP_SEARCH, confirm_in_strip, smallest_face_px
from classface_assets.vision.faces import FaceDetections, concat_detections
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.image_pyramid import pyramid_from_pixels

pytestmark = pytest.mark.slow
ROWS = PanoramaSpec("rows", 6, 24, 28, 1.4, 1.3, seed=3)
ASSET = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def test_nearly_all_faces_of_six_dense_rows_are_found_though_most_are_narrower_than_twenty_pixels(
    builtin: ModelPack,
) -> None:
    panorama = compose_panorama(ROWS, bundled_sources())
    assert len(panorama.boxes) > 130
    assert (panorama.boxes[:, 2] < 22).mean() > 0.3
    faces = detect_oriented(builtin.detector, pyramid_from_pixels(panorama.picture), DetectionSettings()).faces
    found, others = match_panorama(panorama, faces.boxes)
    assert found >= 0.97 * len(panorama.boxes)
    assert len(others) <= 2
    assert faces.boxes[:, 2:].min() >= 0.6 * 20


def test_the_smallest_face_that_counts_is_smaller_in_a_strip_only() -> None:
    ordinary, strip = (pyramid_from_pixels(np.zeros((400, width, 3), np.uint8)) for width in (1000, 1001))
    assert (smallest_face_px(20, ordinary), smallest_face_px(20, strip)) == (20, 12)


def test_what_is_not_found_a_second_time_in_a_strip_is_no_face(builtin: ModelPack) -> None:
    panorama = compose_panorama(ROWS, bundled_sources())
    pyramid = pyramid_from_pixels(panorama.picture)
    faces = detect_oriented(builtin.detector, pyramid, DetectionSettings()).faces
    wall = FaceDetections(
        np.array([[panorama.picture.shape[1] / 2, panorama.picture.shape[0] - 30, 24, 28]], np.float32),
        np.zeros((1, 5, 2), np.float32),
        np.array([0.9], np.float32),
    )
    confirmed = confirm_in_strip(builtin.detector, pyramid, concat_detections([faces, wall]))
    assert confirmed.tolist() == [True] * len(faces) + [False]


def test_a_crowd_far_away_is_found_in_a_photo_of_ordinary_shape(builtin: ModelPack) -> None:
    panorama = compose_panorama(PanoramaSpec("far", 6, 40, 60, 1.5, 1.3, around=25, seed=1), bundled_sources())
    height, width = panorama.picture.shape[:2]
    assert width < 2.5 * height
    faces = detect_oriented(builtin.detector, pyramid_from_pixels(panorama.picture), DetectionSettings()).faces
    assert match_panorama(panorama, faces.boxes)[0] >= 0.95 * len(panorama.boxes)


def test_rows_of_a_strip_state_the_version_of_their_search_and_those_of_other_photos_none(builtin: ModelPack) -> None:
    picture = compose_panorama(PanoramaSpec("few", 1, 8, 60, seed=2), bundled_sources()).picture
    rows = detect_photo(ASSET, pyramid_from_pixels(picture), builtin.detector, DetectionSettings())
    assert {row["strip_search"] for row in rows} == {STRIP_SEARCH}
    square = picture[:, : picture.shape[0]]
    rows = detect_photo(ASSET, pyramid_from_pixels(np.ascontiguousarray(square)), builtin.detector, DetectionSettings())
    assert {row["strip_search"] for row in rows} == {None}


def test_a_folder_without_labels_says_what_it_needs(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(PanoramaSourceError, match=r"needs a labels\.csv"):
        read_sources(tmp_path_factory.mktemp("no labels"))
