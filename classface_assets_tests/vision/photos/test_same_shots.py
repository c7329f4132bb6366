"""Where a face lies in another photo of the same shot, and when two photos show one shot: pure geometry."""

import numpy as np
import pytest
from PIL import Image

from classface_assets.store.decisions.reconciliation import constraints_for, lost_labels
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import ConflictError
from classface_assets.store.model.same_shots import (
    SameShot,
    SameShots,
    compose_transforms,
    invert_transform,
    transform_box,
)
from classface_assets.vision.detection.reorientation import reorient_rows, reorientation_transform
from classface_assets.vision.photos.near_duplicates import perceptual_hash
from classface_assets.vision.photos.same_shot import (
    PhotoAppearance,
    SimilarityThresholds,
    hash_bits,
    match_same_shot,
    orientation_transform,
    transform_boxes,
    transformed_hashes,
)
from classface_assets_tests.store.decisions.test_reconciliation import boxes
from classface_assets_tests.support.helpers import event, face, label_event

TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation → Pillow's `Transpose` that stores a picture so, as somebody who shows it would undo it."""
THRESHOLDS = SimilarityThresholds(same_person=0.6, same_picture=0.8)
HALF = (0.5, 0.0, 10.0, 0.0, 0.5, 0.0)


def test_a_box_is_carried_there_and_back() -> None:
    box = (30.0, 40.0, 50.0, 60.0)
    assert transform_box(box, HALF) == (25.0, 20.0, 25.0, 30.0)
    assert transform_box(transform_box(box, HALF), invert_transform(HALF)) == pytest.approx(box)
    assert transform_box(box, compose_transforms(HALF, HALF)) == pytest.approx(
        transform_box(transform_box(box, HALF), HALF)
    )


def test_photos_of_one_shot_are_found_over_others() -> None:
    shots = SameShots.of([SameShot("a", "b", HALF), SameShot("c", "b", HALF), SameShot("x", "y")])
    assert shots.others("a").keys() == {"b", "c"}
    assert transform_box((0, 0, 10, 10), shots.others("a")["c"]) == pytest.approx((0, 0, 10, 10))
    assert shots.others("nowhere") == {}


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_hash_of_a_turned_picture_follows_from_that_of_the_upright_one(
    astronaut: Image.Image, orientation: int
) -> None:
    picture = astronaut.crop((0, 0, 500, 380))
    turned = picture.transpose(Image.Transpose(TURNS[orientation]))
    true = hash_bits(perceptual_hash(np.asarray(turned)))
    ways = {
        way: int((bits ^ true).sum())
        for way, bits in transformed_hashes(hash_bits(perceptual_hash(np.asarray(picture))))
    }
    assert min(ways, key=ways.__getitem__) == orientation
    assert ways[orientation] <= 22
    mark = np.array([[100.0, 50.0, 30.0, 20.0]])
    x, y, w, h = (round(float(v)) for v in transform_boxes(mark, orientation_transform(orientation, *picture.size))[0])
    patch = np.asarray(picture.crop((100, 50, 130, 70)).transpose(Image.Transpose(TURNS[orientation])))
    assert np.array_equal(np.asarray(turned.crop((x, y, x + w, y + h))), patch)


@pytest.mark.parametrize("after", range(1, 9))
@pytest.mark.parametrize("before", [(1, 0), (6, 0), (1, 90), (1, 270), (4, 180)])
def test_what_lay_one_way_lies_where_the_pixels_are_the_other_way(
    astronaut: Image.Image, before: tuple[int, int], after: int
) -> None:
    def upright(orientation: int, rotation: int) -> Image.Image:
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = astronaut.crop((0, 0, 400, 300))
        undo = {3: 3, 2: 0, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
        shown = stored if undo is None else stored.transpose(Image.Transpose(undo))
        return shown.rotate(-rotation, expand=True)

    old, new = upright(*before), upright(after, 0)
    turn = reorientation_transform(before, (after, 0), *new.size)
    x, y, w, h = (round(float(v)) for v in transform_boxes(np.array([[120.0, 60.0, 40.0, 20.0]]), turn)[0])
    here = np.asarray(old.crop((120, 60, 160, 80))).reshape(-1, 3)
    there = np.asarray(new.crop((x, y, x + w, y + h))).reshape(-1, 3)
    assert np.array_equal(np.sort(here, axis=0), np.sort(there, axis=0))


def test_a_mirrored_face_has_its_left_eye_on_the_left() -> None:
    marks = [10.0, 20.0, 30.0, 20.0, 20.0, 30.0, 12.0, 40.0, 28.0, 40.0]
    row = {"bbox_x": 5.0, "bbox_y": 10.0, "bbox_w": 30.0, "bbox_h": 40.0, "landmarks": marks}
    (turned,) = reorient_rows([row], orientation_transform(2, 100, 100), orientation=2)
    assert turned["landmarks"] == [70, 20, 90, 20, 80, 30, 72, 40, 88, 40]
    assert (turned["bbox_x"], turned["orientation"]) == (65.0, 2)


def look(*boxes: tuple[float, ...], seed: int = 0, taken_s: float = float("nan")) -> PhotoAppearance:
    """A photo of 400 × 300 whose faces have vectors by their place in the list, without a hash."""
    vectors = np.eye(8, dtype=np.float32)[[n + seed for n in range(len(boxes))]]
    return PhotoAppearance(
        None, 400, 300, np.array(boxes, float).reshape(-1, 4), vectors.reshape(len(boxes), 8), taken_s
    )


GROUP = ((10, 10, 40, 50), (100, 12, 40, 50), (200, 30, 44, 50))
SHIFTED = tuple((x * 1.5 - 8, y * 1.5 - 5, w * 1.5, h * 1.5) for x, y, w, h in GROUP)


def test_a_crop_is_recognised_by_its_faces_where_they_lie_by_proportion() -> None:
    transform = match_same_shot(look(*GROUP), look(*SHIFTED), THRESHOLDS)
    assert transform is not None
    assert np.allclose(transform_boxes(np.array(GROUP, float), transform), SHIFTED, atol=0.5)


def test_other_people_at_the_same_places_are_another_shot() -> None:
    assert match_same_shot(look(*GROUP), look(*SHIFTED, seed=3), THRESHOLDS) is None


def test_the_same_people_at_other_places_are_another_shot() -> None:
    assert match_same_shot(look(*GROUP), look(GROUP[1], GROUP[2], GROUP[0]), THRESHOLDS, same_place=True) is None


def test_a_portrait_that_was_pasted_into_a_class_photo_is_another_picture() -> None:
    assert match_same_shot(look(*GROUP), look(GROUP[0]), THRESHOLDS) is None


def test_two_times_of_a_camera_tell_two_shots_unless_one_took_the_others_place() -> None:
    before, after = look(*GROUP, taken_s=0.0), look(*GROUP, taken_s=60.0)
    assert match_same_shot(before, after, THRESHOLDS) is None
    assert match_same_shot(before, after, THRESHOLDS, same_place=True) is not None


PAIR = event(3, "photos_followed", photos=[{"from": "old", "to": "new", "transform": [2, 0, 0, 0, 2, 0]}])
TURN = event(3, "photos_followed", photos=[{"from": "p", "to": "p", "transform": [0, -1, 300, 1, 0, 0]}])
ADA = event(1, "person_created", person_id="ada", name="Ada")


def test_a_label_holds_in_every_photo_of_its_shot_until_another_decision() -> None:
    here = boxes(("f-new", "new", (20, 20, 100, 100)), ("g", "new", (200, 20, 100, 100)))
    label = label_event(2, "ada", face("f-old", "old", (10, 10, 50, 50)))
    assert constraints_for(replay([ADA, label, PAIR]), here).confirmed == {"f-new": "ada"}
    off = event(4, "faces_taken_off", faces=[face("f-new", "new", (20, 20, 100, 100)).payload()])
    assert constraints_for(replay([ADA, label, PAIR, off]), here).confirmed == {}
    assert constraints_for(replay([ADA, label, PAIR, event(4, "undone", event_id=3)]), here).confirmed == {}


def test_decisions_made_before_a_photo_is_rotated_apply_at_the_rotated_place() -> None:
    label = label_event(2, "ada", face("f", "p", (10, 20, 50, 60)))
    later = label_event(4, "ada", face("g", "p", (10, 20, 50, 60)))
    decisions = replay([ADA, label, TURN, later])
    assert decisions.labels["f"].box == (220, 10, 60, 50)
    assert decisions.labels["g"].box == (10, 20, 50, 60)


def test_a_photo_that_is_turned_keeps_its_place_in_the_other_photos_of_the_shot() -> None:
    pair = event(2, "photos_followed", photos=[{"from": "p", "to": "q", "transform": [2, 0, 0, 0, 2, 0]}])
    label = label_event(4, "ada", face("f", "p", (220, 10, 60, 50)))
    here = boxes(("f-q", "q", (20, 40, 100, 120)))
    assert constraints_for(replay([ADA, pair, TURN, label]), here).confirmed == {"f-q": "ada"}


def test_erased_and_drawn_faces_and_marks_of_photos_hold_in_every_photo_of_the_shot() -> None:
    drawn = event(2, "face_drawn", faces=[face("d", "old", (10, 10, 50, 50)).payload()])
    erased = event(4, "person_erased", person_id="ada", faces=[face("e", "old", (100, 10, 50, 50)).payload()])
    marked = event(5, "photo_marked", asset_id="old", mark="collage")
    decisions = replay([ADA, drawn, PAIR, erased, marked])
    assert sorted((f.asset_id, f.box) for f in decisions.drawn.values()) == [
        ("new", (20, 20, 100, 100)),
        ("old", (10, 10, 50, 50)),
    ]
    assert {(f.asset_id, f.box) for f in decisions.erased_faces.values()} == {
        ("old", (100, 10, 50, 50)),
        ("new", (200, 20, 100, 100)),
    }
    assert decisions.photo_marks == {"old": "collage", "new": "collage"}


def test_a_labelled_face_without_a_photo_is_reported_and_one_that_is_followed_is_not() -> None:
    label = label_event(2, "ada", face("f-old", "old", (10, 10, 50, 50)))
    here = boxes(("f-new", "new", (20, 20, 100, 100)))
    assert lost_labels(replay([ADA, label]), here).keys() == {"f-old"}
    assert lost_labels(replay([ADA, label, PAIR]), here) == {}


def test_decisions_in_one_photo_of_a_shot_apply_in_its_other_photo(ledger: Ledger) -> None:
    old, new = face("f-old", "old", (10, 10, 50, 50)), face("f-new", "new", (20, 20, 100, 100))
    ledger.label("Ada", [old])
    ledger.follow_photos([SameShot("old", "new", (2, 0, 0, 0, 2, 0))])
    assert ledger.label("Ben", [new]).notes == ("1 face had been labelled as Ada; the newer label counts.",)
    assert ledger.reject("Ben", [new]).faces == 1
    ledger.undo()
    assert ledger.remove_labels([new]).faces == 1
    with pytest.raises(ConflictError, match="None of these faces was labelled"):
        ledger.remove_labels([new])
    ledger.erase("Ada", [old])
    with pytest.raises(ConflictError, match="is of a person who was erased"):
        ledger.label("Cem", [new])


def test_undo_takes_a_decision_back_and_not_what_a_run_found(ledger: Ledger) -> None:
    ledger.label("Ada", [face("f", "old")])
    ledger.follow_photos([SameShot("old", "new")])
    assert ledger.undo().kind == "faces_labelled"
