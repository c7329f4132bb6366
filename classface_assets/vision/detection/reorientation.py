"""Moves the detections of a photo whose file now states another orientation: the same faces, at their new places."""

from collections.abc import Sequence

import numpy as np

from classface_assets.core.geometry import SAME_FACE_IOU, overlap_ratios
from classface_assets.vision.detection.attributes import estimate_poses
from classface_assets.vision.detection.records import DetectionRow
from classface_assets.vision.photos.same_shot import Affine, orientation_transform, transform_boxes

Orientation = tuple[int, int]
"""The EXIF orientation (1 to 8), and the degrees clockwise by which the photo was rotated after it."""
_CLOCKWISE_ORIENTATIONS = {0: 1, 90: 6, 180: 3, 270: 8}
_MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]


def reorientation_transform(before: Orientation, after: Orientation, width: int, height: int) -> Affine:
    """The transform from the photo upright by one orientation to the photo upright by another.

    Args:
        before: How the photo was upright.
        after: How it is upright now.
        width: The photo's width in pixels by the EXIF orientation of `after`, not rotated any further.
        height: Its height, likewise.
    """
    stored = (height, width) if after[0] >= 5 else (width, height)
    return _compose(_to_upright(after, *stored), _invert(_to_upright(before, *stored)))


def reorient_rows(rows: Sequence[DetectionRow], transform: Affine, **columns: object) -> list[DetectionRow]:
    """Detection rows with boxes, landmarks and pose moved to their new places.

    Args:
        rows: Rows of faces.
        transform: From their old places to the new ones, such as `reorientation_transform`.
        **columns: Values that all rows get.
    """
    mirrored = np.linalg.det(transform[:, :2]) < 0
    moved = []
    for row in rows:
        box = np.array([[row[f"bbox_{side}"] for side in "xywh"]], np.float64)
        x, y, w, h = transform_boxes(box, transform)[0].tolist()
        landmarks = np.array(row["landmarks"], np.float64).reshape(5, 2) @ transform[:, :2].T + transform[:, 2]
        landmarks = landmarks[_MIRRORED_LANDMARKS] if mirrored else landmarks
        yaw, pitch, roll = estimate_poses(landmarks[None])[0].tolist()
        place = {"bbox_x": x, "bbox_y": y, "bbox_w": w, "bbox_h": h, "landmarks": landmarks.ravel().tolist()}
        moved.append({**row, **place, "yaw": yaw, "pitch": pitch, "roll": roll, **columns})
    return moved


def non_overlapping_rows(rows: Sequence[DetectionRow], boxes: Sequence[Sequence[float]]) -> list[DetectionRow]:
    """The rows of faces whose IoU with each of these boxes (x, y, w, h) is below SAME_FACE_IOU."""
    known = np.array(boxes, np.float64).reshape(-1, 4)
    remaining = []
    for row in rows:
        box = np.array([row[f"bbox_{side}"] for side in "xywh"], np.float64)
        if not len(known) or overlap_ratios(box, known)[0].max() < SAME_FACE_IOU:
            remaining.append(row)
    return remaining


def _to_upright(orientation: Orientation, width: int, height: int) -> Affine:
    """From stored pixels to upright ones, of a photo stored with that width and height."""
    exif, rotation = orientation
    by_exif = orientation_transform(exif, width, height)
    if exif >= 5:
        width, height = height, width
    return _compose(orientation_transform(_CLOCKWISE_ORIENTATIONS[rotation], width, height), by_exif)


def _compose(second: Affine, first: Affine) -> Affine:
    return np.concatenate([second[:, :2] @ first[:, :2], (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], axis=1)


def _invert(transform: Affine) -> Affine:
    back = np.linalg.inv(transform[:, :2])
    return np.concatenate([back, -(back @ transform[:, 2])[:, None]], axis=1)
