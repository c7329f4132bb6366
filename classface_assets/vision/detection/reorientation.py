"""Detection rows of a photo whose file now says another way up: the same faces, at their turned places.

Which photos these are belongs to the caller.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from classface_assets.core.geometry import SAME_FACE_IOU, overlap_ratios
from classface_assets.vision.detection.attributes import estimate_poses
from classface_assets.vision.photos.same_shot import Affine, orientation_transform, transform_boxes

_CLOCKWISE_ORIENTATIONS = {0: 1, 90: 6, 180: 3, 270: 8}
_MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]


def reorientation_transform(before: tuple[int, int], after: tuple[int, int], width: int, height: int) -> Affine:
    """Where a point of the upright photo lies once it is upright in another way.

    `before`, `after`: the EXIF orientation, and the degrees clockwise by which the photo was turned after it. `width`
    and `height` are those of the photo by the orientation `after`, not turned any further.
    """
    stored = (height, width) if after[0] >= 5 else (width, height)
    return _compose(_to_upright(after, *stored), _invert(_to_upright(before, *stored)))


def reorient_rows(rows: Sequence[dict[str, Any]], turn: Affine, **same: object) -> list[dict[str, Any]]:
    """The rows of faces with boxes, landmarks and pose carried over, and these columns for all of them."""
    mirrored = np.linalg.det(turn[:, :2]) < 0
    found = []
    for row in rows:
        x, y, w, h = transform_boxes(np.array([[row[f"bbox_{side}"] for side in "xywh"]], np.float64), turn)[0].tolist()
        marks = np.array(row["landmarks"], np.float64).reshape(5, 2) @ turn[:, :2].T + turn[:, 2]
        marks = marks[_MIRRORED_LANDMARKS] if mirrored else marks
        yaw, pitch, roll = estimate_poses(marks[None])[0].tolist()
        place = {"bbox_x": x, "bbox_y": y, "bbox_w": w, "bbox_h": h, "landmarks": marks.ravel().tolist()}
        found.append({**row, **place, "yaw": yaw, "pitch": pitch, "roll": roll, **same})
    return found


def non_overlapping_rows(rows: Sequence[dict[str, Any]], known: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """The rows of faces that overlap none of these boxes (x, y, w, h) by 0.4 or more."""
    boxes = np.array(known, np.float64).reshape(-1, 4)
    found = []
    for row in rows:
        box = np.array([row[f"bbox_{side}"] for side in "xywh"], np.float64)
        if not len(boxes) or overlap_ratios(box, boxes)[0].max() < SAME_FACE_IOU:
            found.append(row)
    return found


def _to_upright(way: tuple[int, int], width: int, height: int) -> Affine:
    """From stored pixels to upright ones."""
    orientation, rotation = way
    first = orientation_transform(orientation, width, height)
    if orientation >= 5:
        width, height = height, width
    return _compose(orientation_transform(_CLOCKWISE_ORIENTATIONS[rotation], width, height), first)


def _compose(second: Affine, first: Affine) -> Affine:
    return np.concatenate([second[:, :2] @ first[:, :2], (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], axis=1)


def _invert(transform: Affine) -> Affine:
    back = np.linalg.inv(transform[:, :2])
    return np.concatenate([back, -(back @ transform[:, 2])[:, None]], axis=1)
