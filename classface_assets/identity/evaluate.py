"""Measures of found clusters against known people: BCubed, pairwise, and the matching of boxes."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import polars as pl

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Score:
    """Precision, recall and their harmonic mean, each 0 to 1."""

    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; the ageing scores are None where the truth holds no ages."""

    faces: int
    detected: int
    people: int
    bcubed: Score
    pairwise: Score
    ageing_faces: int
    ageing_bcubed: Score | None
    ageing_pairwise: Score | None


def _score(precision: float, recall: float) -> Score:
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def bcubed(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Score:
    """BCubed of one predicted cluster an item (Bagga and Baldwin 1998; Amigó et al. 2009)."""
    if not truth:
        return Score(1.0, 1.0, 1.0)
    cells = Counter(zip(truth, predicted, strict=True))
    people, clusters = Counter(truth), Counter(predicted)
    precision = sum(count * count / clusters[cluster] for (_, cluster), count in cells.items()) / len(truth)
    recall = sum(count * count / people[person] for (person, _), count in cells.items()) / len(truth)
    return _score(precision, recall)


def pairwise(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Score:
    """Precision and recall over the pairs of items put together; 1 where there is no pair to get wrong."""

    def pairs(counts: Counter) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    together = pairs(Counter(zip(truth, predicted, strict=True)))
    found, wanted = pairs(Counter(predicted)), pairs(Counter(truth))
    return _score(together / found if found else 1.0, together / wanted if wanted else 1.0)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def _middle_inside(truth: Box, box: Box) -> bool:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    inside = truth[0] <= x <= truth[0] + truth[2] and truth[1] <= y <= truth[1] + truth[3]
    return inside and 0.4 < box[3] / truth[3] < 2.5


def match_boxes(truth_boxes: Sequence[Box], boxes: Sequence[Box]) -> list[int | None]:
    """For each true box of one photo the index of the box that finds it, or None; greedily by overlap.

    A box may find a true one when they overlap by 0.3 or more, or its middle lies inside and its height is similar.
    """
    candidates = [
        (overlap(truth, box), i, j)
        for i, truth in enumerate(truth_boxes)
        for j, box in enumerate(boxes)
        if overlap(truth, box) >= 0.3 or _middle_inside(truth, box)
    ]
    matched: list[int | None] = [None] * len(truth_boxes)
    used: set[int] = set()
    for _, i, j in sorted(candidates, reverse=True):
        if matched[i] is None and j not in used:
            matched[i] = j
            used.add(j)
    return matched


def evaluate(truth: pl.DataFrame, found: pl.DataFrame) -> Evaluation:
    """Scores the clusters of `found` (path, bbox_x, bbox_y, bbox_w, bbox_h, cluster_id) against labelled boxes.

    truth: path, person, age (empty or null where unknown), x, y, w, h in pixels of the upright photo. A labelled face
    that was missed, has no cluster or is noise counts as a cluster of its own; faces that match no label are ignored.
    """
    boxes_of: dict[str, list[tuple[Box, str | None]]] = defaultdict(list)
    for path, x, y, w, h, cluster in found.select(
        "path", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "cluster_id"
    ).iter_rows():
        boxes_of[path].append(((x, y, w, h), cluster))
    people: list[str] = []
    clusters: list[str] = []
    ageing: list[bool] = []
    detected = 0
    for (path,), rows in truth.group_by(["path"], maintain_order=True):
        boxes = boxes_of.get(str(path), [])
        matched = match_boxes(
            [(float(x), float(y), float(w), float(h)) for x, y, w, h in rows.select("x", "y", "w", "h").iter_rows()],
            [box for box, _ in boxes],
        )
        for person, age, j in zip(rows["person"], rows["age"], matched, strict=True):
            cluster = None if j is None else boxes[j][1]
            alone = cluster is None or cluster.startswith("unknown_noise")
            people.append(person)
            clusters.append(f"alone_{len(clusters)}" if alone or cluster is None else cluster)
            ageing.append(age not in (None, ""))
            detected += j is not None
    aged = [(p, c) for p, c, a in zip(people, clusters, ageing, strict=True) if a]
    return Evaluation(
        faces=len(people),
        detected=detected,
        people=len(set(people)),
        bcubed=bcubed(people, clusters),
        pairwise=pairwise(people, clusters),
        ageing_faces=len(aged),
        ageing_bcubed=bcubed(*map(list, zip(*aged, strict=True))) if aged else None,
        ageing_pairwise=pairwise(*map(list, zip(*aged, strict=True))) if aged else None,
    )
