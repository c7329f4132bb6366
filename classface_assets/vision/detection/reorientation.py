"""Detection rows of a photo whose file now says another way up: the same faces, at their turned places.

Which photos these are belongs to the caller.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from classface_assets.vision.detection.attributes import poses
from classface_assets.vision.faces import overlaps
from classface_assets.vision.photos.same_shot import Affine, carried, turning

_CLOCKWISE = {0: 1, 90: 6, 180: 3, 270: 8}
_MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]
SAME_FACE_OVERLAP = 0.4


def turn_between(before: tuple[int, int], after: tuple[int, int], width: int, height: int) -> Affine:
    """Where a point of the upright photo lies once it is upright in another way.

    `before`, `after`: the EXIF orientation, and the degrees clockwise by which the photo was turned after it. `width`
    and `height` are those of the photo by the orientation `after`, not turned any further.
    """
    stored = (height, width) if after[0] >= 5 else (width, height)
    return _composed(_upright(after, *stored), _inverse(_upright(before, *stored)))


def turned_rows(rows: Sequence[dict[str, Any]], turn: Affine, **same: object) -> list[dict[str, Any]]:
    """The rows of faces with boxes, landmarks and pose carried over, and these columns for all of them."""
    mirrored = np.linalg.det(turn[:, :2]) < 0
    found = []
    for row in rows:
        x, y, w, h = carried(np.array([[row[f"bbox_{side}"] for side in "xywh"]], np.float64), turn)[0].tolist()
        marks = np.array(row["landmarks"], np.float64).reshape(5, 2) @ turn[:, :2].T + turn[:, 2]
        marks = marks[_MIRRORED_LANDMARKS] if mirrored else marks
        yaw, pitch, roll = poses(marks[None])[0].tolist()
        place = {"bbox_x": x, "bbox_y": y, "bbox_w": w, "bbox_h": h, "landmarks": marks.ravel().tolist()}
        found.append({**row, **place, "yaw": yaw, "pitch": pitch, "roll": roll, **same})
    return found


def new_faces(rows: Sequence[dict[str, Any]], known: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """The rows of faces that overlap none of these boxes (x, y, w, h) by 0.4 or more."""
    boxes = np.array(known, np.float64).reshape(-1, 4)
    found = []
    for row in rows:
        box = np.array([row[f"bbox_{side}"] for side in "xywh"], np.float64)
        if not len(boxes) or overlaps(box, boxes)[0].max() < SAME_FACE_OVERLAP:
            found.append(row)
    return found


def _upright(way: tuple[int, int], width: int, height: int) -> Affine:
    """From stored pixels to upright ones."""
    orientation, rotation = way
    first = turning(orientation, width, height)
    if orientation >= 5:
        width, height = height, width
    return _composed(turning(_CLOCKWISE[rotation], width, height), first)


def _composed(second: Affine, first: Affine) -> Affine:
    return np.concatenate([second[:, :2] @ first[:, :2], (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], axis=1)


def _inverse(transform: Affine) -> Affine:
    back = np.linalg.inv(transform[:, :2])
    return np.concatenate([back, -(back @ transform[:, 2])[:, None]], axis=1)
