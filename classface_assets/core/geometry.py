"""Which found box is which labelled face."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the upright photo."""


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def _center_inside(truth: Box, box: Box) -> bool:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    inside = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return inside and 0.4 < box[3] / truth[3] < 2.5


def match_boxes(truth_boxes: Sequence[Box], boxes: Sequence[Box]) -> list[int | None]:
    """For each true box of one photo the index of the box that finds it, or None; greedily by overlap.

    A box may find a true one when they overlap by 0.3 or more, or its middle lies inside and its height is similar.
    """
    candidates = [
        (box_iou(truth, box), i, j)
        for i, truth in enumerate(truth_boxes)
        for j, box in enumerate(boxes)
        if box_iou(truth, box) >= 0.3 or _center_inside(truth, box)
    ]
    matched: list[int | None] = [None] * len(truth_boxes)
    used: set[int] = set()
    for _, i, j in sorted(candidates, reverse=True):
        if matched[i] is None and j not in used:
            matched[i] = j
            used.add(j)
    return matched
