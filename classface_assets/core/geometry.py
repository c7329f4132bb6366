"""Boxes of faces: how much two of them overlap, and which detected box finds which true one.

A box is x, y, width and height in pixels of the upright photo, x and y of its upper left corner.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the upright photo."""
MATCH_IOU = 0.3
"""The intersection over union from which a detected box finds a true one."""
SAME_FACE_IOU = 0.4
"""The intersection over union from which two boxes of one photo are one face, whatever found them."""


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, from 0 to 1.

    Two boxes without an area have none in common: 0.

    >>> round(box_iou((0, 0, 10, 10), (5, 0, 10, 10)), 3)
    0.333
    """
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = width * height
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def boxes_intersect(a: Box, b: Box) -> bool:
    """Whether two boxes share any area; boxes that only touch do not."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def box_iou_expr(a: Sequence[str], b: Sequence[str]) -> pl.Expr:
    """Intersection over union of the boxes in two groups of columns, row by row, as float64.

    Args:
        a: Names of the columns with x, y, width and height of the first box.
        b: The same of the second box.

    Returns:
        An expression from 0 to 1; 0 where neither box has an area.
    """
    (ax, ay, aw, ah), (bx, by, bw, bh) = ([pl.col(name).cast(pl.Float64) for name in names] for names in (a, b))
    width = (pl.min_horizontal(ax + aw, bx + bw) - pl.max_horizontal(ax, bx)).clip(lower_bound=0)
    height = (pl.min_horizontal(ay + ah, by + bh) - pl.max_horizontal(ay, by)).clip(lower_bound=0)
    union = aw * ah + bw * bh - width * height
    return pl.when(union > 0).then(width * height / union).otherwise(0.0)


def overlap_ratios(box: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much one box overlaps each of several.

    Args:
        box: (4,) x, y, width, height.
        boxes: (n, 4) x, y, width, height.

    Returns:
        Intersection over union, (n,), and intersection over the smaller of the two areas, (n,).
    """
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    area, areas = np.prod(box[2:]), np.prod(boxes[:, 2:], axis=1)
    return common / (area + areas - common), common / np.minimum(area, areas)


def pairwise_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each box with each of the others.

    Args:
        boxes: (n, 4) x, y, width, height.
        others: (m, 4) x, y, width, height.

    Returns:
        (n, m) floats from 0 to 1.
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.prod(boxes[:, 2:], axis=1)[:, None] + np.prod(others[:, 2:], axis=1)[None] - common
    return common / np.maximum(union, 1e-9)


def match_boxes(truth_boxes: Sequence[Box], boxes: Sequence[Box]) -> list[int | None]:
    """Assign detected boxes to the true boxes of one photo, greedily, the largest overlap first.

    A box may find a true one when their intersection over union is MATCH_IOU or more, or when its center lies inside
    the true one and its height is similar.

    Args:
        truth_boxes: The true boxes.
        boxes: The detected boxes.

    Returns:
        For each true box the index of the detected box that finds it, or None.
    """
    candidates = [
        (iou, i, j)
        for i, truth in enumerate(truth_boxes)
        for j, box in enumerate(boxes)
        if (iou := box_iou(truth, box)) >= MATCH_IOU or _center_inside(truth, box)
    ]
    matched: list[int | None] = [None] * len(truth_boxes)
    used: set[int] = set()
    for _, i, j in sorted(candidates, reverse=True):
        if matched[i] is None and j not in used:
            matched[i] = j
            used.add(j)
    return matched


def _center_inside(truth: Box, box: Box) -> bool:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    inside = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return inside and 0.4 < box[3] / truth[3] < 2.5
