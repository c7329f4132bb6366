"""Long strips with small faces, and that ordinary photos are looked at no larger for their sake."""

import numpy as np
import pytest

from classface_assets.devtools.benchmark.detection.strips import FACES, count_found, make_strip
from classface_assets.vision.detection.multiscale import base_side
from classface_assets.vision.detection.search import DetectionSettings, detect_oriented
from classface_assets.vision.detection.strips import STRIP_ASPECT
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.image_pyramid import pyramid_from_pixels


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(12_000, 2_000), (30_000, 2_000)])
def test_small_faces_in_a_long_strip_are_found(width: int, height: int, builtin: ModelPack) -> None:
    picture, boxes = make_strip(width, height)
    found = detect_oriented(builtin.detector, pyramid_from_pixels(picture), DetectionSettings())
    assert len(boxes) == FACES == 20
    assert count_found(boxes, found.faces) >= 18
    assert len(found.faces) <= 21


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(4000, 3000, 640), (3000, 4000, 640), (6000, 4000, 640), (4000, 2000, 640), (4500, 2000, 679), (640, 480, 640)],
)
def test_ordinary_photos_and_short_panoramas_are_looked_at_as_before(
    width: int, height: int, side: int, builtin: ModelPack
) -> None:
    view = pyramid_from_pixels(np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3)))
    assert builtin.detector.base_side == 640
    assert base_side(builtin.detector, view) == side


@pytest.mark.parametrize(("width", "height"), [(8000, 3000), (12_000, 4_000), (2_000, 65_000), (30_000, 8_000)])
def test_whatever_the_shape_of_a_strip_small_faces_are_wide_enough_in_its_first_look(
    width: int, height: int, builtin: ModelPack
) -> None:
    view = pyramid_from_pixels(np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3)))
    assert max(width, height) / min(width, height) > STRIP_ASPECT
    assert 50 * base_side(builtin.detector, view) / max(width, height) >= 10
