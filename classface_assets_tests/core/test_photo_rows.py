"""Rows of people in a class photo, found from the boxes of their faces: composed photos, whose rows are known."""

import numpy as np
import pytest

from classface_assets.core.faces.photo_rows import SURE, arrange_rows, reading_order, row_names
from classface_assets.core.geometry import Box
from classface_assets.devtools.benchmark.albums.captions import score_photos
from classface_assets.devtools.benchmark.albums.class_photos import class_photos

FACE = 60.0


def row_of(count: int, down: float, left: float = 100.0, apart: float = 130.0) -> list[Box]:
    return [(left + apart * n, down, FACE, FACE * 1.25) for n in range(count)]


def test_nobody_and_one_person_are_no_rows_and_one() -> None:
    assert arrange_rows([]).rows == () and arrange_rows([(5, 5, 10, 10)]).rows == ((0,),)
    assert row_names(0) == [] and row_names(1) == [""] and row_names(2) == ["Back row", "Front row"]
    assert len(set(row_names(15))) == 15


def test_faces_are_read_back_row_first_from_left_to_right() -> None:
    boxes = row_of(6, 400) + row_of(6, 300, left=165) + row_of(6, 200)
    assert reading_order(boxes) == [*range(12, 18), *range(6, 12), *range(6)]
    found = arrange_rows(boxes)
    assert found.sure and min(found.boundary_confidence) > SURE


@pytest.mark.parametrize("degrees", [-8, 8])
def test_rows_of_a_tilted_photo_are_found(degrees: float) -> None:
    """Seen: a photo tilted by a few degrees had its rows cut straight across."""
    boxes = np.array(row_of(10, 200) + row_of(10, 310, left=165) + row_of(10, 420))
    x, y, turn = boxes[:, 0], boxes[:, 1].copy(), np.radians(degrees)
    boxes[:, 1], boxes[:, 0] = x * np.sin(turn) + y * np.cos(turn), x * np.cos(turn) - y * np.sin(turn)
    assert arrange_rows([tuple(box) for box in boxes]).rows == tuple(tuple(range(n, n + 10)) for n in (0, 10, 20))


def test_rows_on_an_arc_are_found() -> None:
    boxes = [
        (x, y + 120 * ((x - 700) / 700) ** 2, w, h)
        for x, y, w, h in row_of(10, 200) + row_of(9, 300, left=165) + row_of(10, 400)
    ]
    assert [len(row) for row in arrange_rows(boxes).rows] == [10, 9, 10]


def test_a_face_between_two_rows_is_reported_as_unsure() -> None:
    boxes = [*row_of(4, 200), (100 + 4 * 130, 251, FACE, FACE * 1.25), *row_of(4, 200, left=100 + 5 * 130)]
    boxes += row_of(4, 300) + row_of(4, 300, left=100 + 5 * 130)
    found = arrange_rows(boxes)
    assert len(found.rows) == 2 and not found.is_sure(4) and not found.sure
    assert sum(map(found.is_sure, range(len(boxes)))) == len(boxes) - 1


def test_two_heads_above_one_another_in_a_row_are_in_an_unsure_order() -> None:
    boxes = [*row_of(5, 200), (100 + 4 * 130 + 4, 215, FACE, FACE * 1.25), *row_of(4, 200, left=100 + 5 * 130)]
    found = arrange_rows(boxes)
    assert [face for face in range(len(boxes)) if not found.is_sure(face)][:2] == [4, 5]


@pytest.mark.parametrize("rows", [3, 4, 5, 6])
def test_rows_of_composed_class_photos_are_found(rows: int) -> None:
    score = score_photos(class_photos(rows, 15, seed=1))
    assert score.in_row >= 0.98 * score.faces and score.in_order >= 0.97 * score.pairs
    assert score.whole >= 12 and score.sure_wrong <= 0.005 * score.sure and score.sure > 0.95 * score.faces


def test_photos_with_more_jitter_are_reported_as_less_sure() -> None:
    steady, shaky = (score_photos(class_photos(4, 6, seed=2, jitter=jitter)) for jitter in (0.5, 2))
    assert steady.whole == steady.photos and shaky.sure / shaky.faces < steady.sure / steady.faces
