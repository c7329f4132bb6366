"""Rows of people in a group photo by geometry: boxes of faces → rows, back row first, each from left to right.

Heights are measured in face heights of the place in the photo, so that small faces at the back count as much as large
ones in front. A common tilt and bend of the rows is looked for as the skew of a scanned page is, by the sharpness
of the profile of heights (W. Postl, "Detection of linear oblique structures and skew scan in digitized documents",
ICPR 1986). For each tilt the heights are cut into rows by dynamic programming (W. D. Fisher, "On grouping for maximum
homogeneity", JASA 1958; as Ckmeans.1d.dp: H. Wang and M. Song, The R Journal 3/2, 2011), where two faces that overlap
from left to right cannot be neighbours in one row. Then each row gets a bend of its own, and each doubtful face is
tried in the other rows: neighbours in a row are about equally far apart, and about equally large.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import erf

import numpy as np

from classface_assets.core.geometry import Box
from classface_assets.core.languages import gettext, marked

SURE = 0.9
"""From which confidence on a row or an order is sure."""
MOST_ROWS = 12
FEW_FACES = 6
"""Up to so many faces show no tilt and no bend."""
SPREAD = 0.22
"""How far people of a row are from its line, in face heights, as a standard deviation."""
CLOSEST_ROWS = 0.9
"""In face heights: rows closer than that are hardly seen behind one another."""
USUAL_SPACING, SPACING_LIMITS = 2.4, (1.6, 4.0)
"""How far apart neighbours in a row are, in face widths, before it is measured, and within which limits it is."""
CROWDED, FREE = 0.45, 0.75
"""Two faces of a row that are closer than CROWDED of that cost CROWD_COST, less up to FREE of it."""
ORDER_SPREAD = 0.12
"""How exactly a box gives the middle of a head, in face widths, as a standard deviation."""
SIZE_SPREAD = 0.1
"""How much faces of a row differ in size, as a standard deviation of the logarithm."""
CURVE_SPREAD = np.array([0.6, 0.6])
"""How much tilt and bend the rows of a photo have at their ends, in face heights, as standard deviations."""
OWN_CURVE_SPREAD = np.array([0.15, 0.25])
"""How much a row differs from the others in them."""
ROW_COST, SINGLE_COST, CROWD_COST, CLOSE_COST, GAP_COST = 8.0, 12.0, 14.0, 40.0, 10.0
GAP = 1.4
"""A gap in a row that is wider than so many usual distances costs something, up to one more."""
STARTS, FINALISTS = 3, 3
TEMPER = 1.5
"""By what differences of cost are divided to give the logarithm of a likelihood, as costs are too certain."""
RIVAL_COST = 15.0
"""Numbers of rows that cost more than the best one by so much are not looked at."""
DOUBTFUL = 25.0
"""A face that would cost at most so much more in another row is tried there."""
PROFILE_FACES = 120
_ORDINAL_ROWS = (
    *(marked("Second row"), marked("Third row"), marked("Fourth row"), marked("Fifth row"), marked("Sixth row")),
    *(marked("Seventh row"), marked("Eighth row"), marked("Ninth row"), marked("Tenth row"), marked("Eleventh row")),
)


@dataclass(frozen=True)
class PhotoRows:
    """The rows of a photo.

    Attributes:
        rows: Indices of the boxes, back row first, each row from left to right as seen in the photo.
        row_confidence: For each box, from 0 to 1, that it belongs to its row and not to another.
        order_confidence: For each box, from 0 to 1, that it is on the right side of its neighbours in the row.
        boundary_confidence: For each pair of neighbouring rows, back first, from 0 to 1, that they are two rows with
            these people.
    """

    rows: tuple[tuple[int, ...], ...]
    row_confidence: tuple[float, ...]
    order_confidence: tuple[float, ...]
    boundary_confidence: tuple[float, ...]

    def is_sure(self, face: int) -> bool:
        """Whether the place of a box is sure."""
        return min(self.row_confidence[face], self.order_confidence[face]) >= SURE

    def is_sure_row(self, row: int) -> bool:
        """Whether it is sure that the people of a row are one, and not part of the row before or after it."""
        return all(confidence >= SURE for confidence in self.boundary_confidence[max(row - 1, 0) : row + 1])

    @property
    def sure(self) -> bool:
        """Whether the place of every box and every row is sure."""
        return all(map(self.is_sure, range(len(self.row_confidence)))) and all(
            map(self.is_sure_row, range(len(self.rows)))
        )


@dataclass(frozen=True, eq=False)
class _Places:
    """Where faces are.

    Attributes:
        across: (n,) from left to right, from -1 to 1.
        down: (n,) from top to bottom, in face heights.
        sizes: (n,) natural logarithm of the face height.
        apart: (n, n) how far two are from each other from left to right, in face widths.
        spacing: How far neighbours in a row usually are apart, in face widths.
    """

    across: np.ndarray
    down: np.ndarray
    sizes: np.ndarray
    apart: np.ndarray
    spacing: float = USUAL_SPACING

    @cached_property
    def bends(self) -> np.ndarray:
        """(n, 2): what a tilt and a bend of one face height at the ends moves each face by."""
        return np.stack([self.across, self.across**2], axis=1)

    @cached_property
    def crowding(self) -> np.ndarray:
        """(n, n): what it costs that two faces are in one row although they are so close."""
        crowded = np.clip((FREE - self.apart / self.spacing) / (FREE - CROWDED), 0, 1) * CROWD_COST
        np.fill_diagonal(crowded, 0)
        return crowded


@dataclass(frozen=True, eq=False)
class _Rows:
    """Faces in rows: (n,) the row of each, from 0; (n, rows) how far each is from each row's line; and the cost."""

    labels: np.ndarray
    distances: np.ndarray
    cost: float


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """The indices of the boxes as one reads them: back row first, each row from left to right."""
    return [face for row in arrange_rows(boxes).rows for face in row]


def arrange_rows(boxes: Sequence[Box]) -> PhotoRows:
    """Find the rows that the people in a photo form.

    Args:
        boxes: x, y, width and height of each face, in pixels of the upright photo.
    """
    if not boxes:
        return PhotoRows((), (), (), ())
    array = np.asarray(boxes, dtype=float).reshape(-1, 4)
    if len(array) == 1:
        return PhotoRows(((0,),), (1.0,), (1.0,), ())
    places = _places(array)
    found = _candidates(places)
    if len(boxes) > FEW_FACES:
        places = replace(places, spacing=_measure_spacing(places, min(found, key=_cost)))
        found = _candidates(places)
    found.sort(key=_cost)
    finals = [_improved(places, rows.labels) for rows in _distinct(found)[:FINALISTS]]
    best = _merged(places, min(finals, key=_cost))
    return _described(array, best, _row_likelihoods(places, best), finals + found)


def row_names(count: int) -> list[str]:
    """The names of so many rows in a caption, from back to front; a single row has the name "".

    >>> row_names(4)
    ['Back row', 'Second row', 'Third row', 'Front row']
    """
    if count < 2:
        return [""] * count
    between = [*map(gettext, _ORDINAL_ROWS), *(gettext("Row %(number)s", number=n) for n in range(12, count))]
    return [gettext("Back row"), *between[: count - 2], gettext("Front row")]


def _places(boxes: np.ndarray) -> _Places:
    x, y = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2
    heights = np.maximum(boxes[:, 3], 1e-6)
    usual = float(np.median(heights))
    slope, at_middle, middle = 0.0, usual, float(y.mean())
    if len(boxes) > FEW_FACES and np.ptp(y) > 2 * usual:
        clipped = np.clip(heights, usual / 1.8, usual * 1.8)
        slope, at_middle = np.polyfit(y - middle, clipped, 1)
    # The height of a face at y is at_middle + slope · (y - middle); the integral of its inverse counts face heights.
    local = np.maximum(at_middle + slope * (y - middle), usual / 3)
    down = np.log(local / at_middle) / slope if abs(slope) > 1e-3 else (y - middle) / at_middle
    half = max(np.ptp(x) / 2, 1e-6)
    across = (x - (x.max() + x.min()) / 2) / half
    widths = local * float(np.median(boxes[:, 2] / heights))
    return _Places(across, down, np.log(heights), np.abs(x[:, None] - x) / ((widths[:, None] + widths) / 2))


def _cost(rows: _Rows) -> float:
    return rows.cost


def _distinct(found: Sequence[_Rows]) -> list[_Rows]:
    return list({rows.labels.tobytes(): rows for rows in reversed(found)}.values())[::-1]


def _measure_spacing(places: _Places, rows: _Rows) -> float:
    """The median distance of neighbours in rows, in face widths."""
    gaps = _neighbour_gaps(places, rows.labels)
    return float(np.clip(np.median(gaps), *SPACING_LIMITS)) if len(gaps) > FEW_FACES else USUAL_SPACING


def _neighbour_gaps(places: _Places, labels: np.ndarray) -> np.ndarray:
    """The distances of all pairs of neighbours in rows, in face widths."""
    order = np.lexsort((places.across, labels))
    left, right = order[:-1], order[1:]
    return places.apart[left, right][labels[left] == labels[right]]


def _candidates(places: _Places) -> list[_Rows]:
    """Rows for several tilts and numbers of rows, each with its cost."""
    most = min(MOST_ROWS, len(places.down))
    found = []
    for curve in _starting_curves(places):
        flat = places.down - places.bends @ curve
        cuts = _cut(flat, places.crowding, most)
        limit = min(cost for cost, _ in cuts) + RIVAL_COST
        found += [_settled(places, labels) for cost, labels in cuts if cost <= limit]
    return found


def _starting_curves(places: _Places) -> list[np.ndarray]:
    """The tilts and bends, in face heights at the ends, with the sharpest profiles of heights."""
    if len(places.down) <= FEW_FACES:
        return [np.zeros(2)]
    some = np.unique(np.linspace(0, len(places.down) - 1, PROFILE_FACES).astype(int))
    steps = np.linspace(-1.6, 1.6, 17)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    flat = places.down[some] - grid @ places.bends[some].T
    gaps = (flat[:, :, None] - flat[:, None, :]) / (2 * SPREAD)
    sharpness = np.exp(-(gaps**2)).mean(axis=(1, 2)) * np.exp(-((grid / CURVE_SPREAD) ** 2).sum(axis=1) / len(some))
    chosen: list[np.ndarray] = []
    for at in np.argsort(-sharpness):
        if all(np.abs(grid[at] - other).max() > 0.25 for other in chosen):
            chosen.append(grid[at])
        if len(chosen) == STARTS:
            break
    return chosen


def _cut(flat: np.ndarray, crowding: np.ndarray, most: int) -> list[tuple[float, np.ndarray]]:
    """The best cut of heights into 1, 2 … `most` rows: for each number its cost, and (n,) the row of each face."""
    order = np.argsort(flat, kind="stable")
    costs = _stretch_costs(flat[order], crowding[np.ix_(order, order)])
    best, ends = costs[0], []
    cuts = [(float(best[-1]), np.zeros(len(flat), dtype=int))]
    for rows in range(2, most + 1):
        totals = best[:-1, None] + costs[1:]
        ends.append(totals.argmin(axis=0))
        best = totals.min(axis=0)
        labels, end = np.zeros(len(flat), dtype=int), len(flat) - 1
        for row in range(rows - 1, 0, -1):
            start = int(ends[row - 1][end]) + 1
            labels[order[start : end + 1]] = row
            end = start - 1
        cuts.append((float(best[-1]), labels))
        if best[-1] > min(cost for cost, _ in cuts) + RIVAL_COST:
            break
    return cuts


def _stretch_costs(values: np.ndarray, crowding: np.ndarray) -> np.ndarray:
    """(n, n): what it costs that the faces i to j, in the order of heights, are one row; infinite for i > j."""
    first, last = np.arange(len(values))[:, None], np.arange(len(values))[None, :]
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (values, values**2))
    count = np.maximum(last - first + 1, 1)
    scatter = squares[last + 1] - squares[first] - (sums[last + 1] - sums[first]) ** 2 / count
    pairs = np.zeros((len(values) + 1, len(values) + 1))
    pairs[1:, 1:] = crowding.cumsum(axis=0).cumsum(axis=1)
    within = (pairs[last + 1, last + 1] - pairs[first, last + 1] - pairs[last + 1, first] + pairs[first, first]) / 2
    costs = np.maximum(scatter, 0) / (2 * SPREAD**2) + within + ROW_COST + SINGLE_COST / count
    return np.where(first <= last, costs, np.inf)


def _settled(places: _Places, labels: np.ndarray) -> _Rows:
    """The rows after tilt and bend were fitted to them and they were cut again, until nothing changes."""
    rows = int(labels.max()) + 1
    for _ in range(4):
        curve = _fit(places, labels, own=False)
        again = _cut(places.down - places.bends @ curve[rows : rows + 2], places.crowding, rows)
        if len(again) < rows or (again[rows - 1][1] == labels).all():
            break
        labels = again[rows - 1][1]
    return _costed(places, labels, own=False)


def _fit(places: _Places, labels: np.ndarray, *, own: bool) -> np.ndarray:
    """Heights of the rows at the middle, common tilt and bend, and each row's own, by ridge regression."""
    rows = int(labels.max()) + 1
    member = (labels[:, None] == np.arange(rows)).astype(float)
    parts, spreads = [member, places.bends], [np.full(rows, 1e3), CURVE_SPREAD]
    if own:
        parts += [member * places.bends[:, :1], member * places.bends[:, 1:]]
        spreads += [np.full(rows, spread) for spread in OWN_CURVE_SPREAD]
    if len(labels) <= FEW_FACES:
        spreads[1] = CURVE_SPREAD / 4
    design, ridge = np.hstack(parts), np.diag((SPREAD / np.concatenate(spreads)) ** 2)
    return np.linalg.solve(design.T @ design + ridge, design.T @ places.down)


def _costed(places: _Places, labels: np.ndarray, *, own: bool) -> _Rows:
    rows = int(labels.max()) + 1
    fitted = _fit(places, labels, own=own)
    tilts, bends = fitted[rows] + np.zeros(rows), fitted[rows + 1] + np.zeros(rows)
    if own:
        tilts, bends = tilts + fitted[rows + 2 : 2 * rows + 2], bends + fitted[2 * rows + 2 :]
    lines = fitted[:rows] + places.across[:, None] * tilts + places.across[:, None] ** 2 * bends
    distances = places.down[:, None] - lines
    counts = np.bincount(labels, minlength=rows)
    apart = np.diff(lines, axis=1).mean(axis=0)
    cost = (
        (distances[np.arange(len(labels)), labels] ** 2).sum() / (2 * SPREAD**2)
        + _side_by_side_cost(places, labels)
        + _size_cost(places, labels)
        + (ROW_COST + SINGLE_COST / np.maximum(counts, 1)).sum()
        + CLOSE_COST * (np.maximum(CLOSEST_ROWS - apart, 0) ** 2).sum()
        + ((fitted[rows : rows + 2] / CURVE_SPREAD) ** 2).sum() / 2
    )
    return _Rows(labels, distances, float(cost))


def _side_by_side_cost(places: _Places, labels: np.ndarray) -> float:
    """What it costs that people of a row are too close to each other, or leave a gap."""
    crowded = ((labels[:, None] == labels) * places.crowding).sum() / 2
    gaps = np.clip(_neighbour_gaps(places, labels) / places.spacing - GAP, 0, 1)
    return float(crowded + GAP_COST * gaps.sum())


def _size_cost(places: _Places, labels: np.ndarray) -> float:
    """What it costs that faces are larger or smaller than others as far away as their row."""
    rows, sizes = labels - labels.mean(), places.sizes - places.sizes.mean()
    slope = (rows @ sizes) / max(float(rows @ rows), 1e-9)
    return float(((sizes - slope * rows) ** 2).sum()) / (2 * SIZE_SPREAD**2)


def _merged(places: _Places, found: _Rows) -> _Rows:
    """The rows with neighbouring ones made one as long as that is better."""
    for row in range(found.distances.shape[1] - 1, 0, -1):
        labels = np.where(found.labels >= row, found.labels - 1, found.labels)
        merged = _costed(places, labels, own=True)
        if merged.cost < found.cost + DOUBTFUL / 2:
            found = min(found, _improved(places, merged.labels), key=_cost)
    return found


def _improved(places: _Places, labels: np.ndarray) -> _Rows:
    """The rows, each with its own tilt and bend, after each doubtful face was tried in the other rows."""
    current = _costed(places, labels, own=True)
    for _ in range(3):
        before = current.cost
        for face, row, extra in _doubtful(current):
            moved = current.labels.copy()
            moved[face] = row
            beside = _side_by_side_cost(places, moved) - _side_by_side_cost(places, current.labels)
            # Lines that are fitted again may gain a little, rarely more than 2.
            if extra + beside < 2 and len(np.unique(moved)) == len(np.unique(current.labels)):
                current = min(current, _costed(places, moved, own=True), key=_cost)
        if current.cost == before:
            break
    return current


def _doubtful(rows: _Rows) -> list[tuple[int, int, float]]:
    """Faces that may belong to another row, with that row and what its line is further away by, as a cost."""
    costs = rows.distances**2 / (2 * SPREAD**2)
    own = np.arange(len(costs)), rows.labels
    extra = costs - costs[own][:, None]
    extra[own] = np.inf
    return [(int(face), int(row), float(extra[face, row])) for face, row in np.argwhere(extra < DOUBTFUL)]


def _described(boxes: np.ndarray, found: _Rows, likely: np.ndarray, others: Sequence[_Rows]) -> PhotoRows:
    rows = found.distances.shape[1]
    x = boxes[:, 0] + boxes[:, 2] / 2
    members = [np.flatnonzero(found.labels == row) for row in range(rows)]
    arranged = [tuple(int(face) for face in own[np.argsort(x[own], kind="stable")]) for own in members]
    in_row = likely[np.arange(len(x)), found.labels]
    order = np.ones(len(x))
    for row in arranged:
        for left, right in pairwise(row):
            apart = (x[right] - x[left]) / max((boxes[left, 2] + boxes[right, 2]) / 2, 1e-6)
            sure = (1 + erf(apart / (2 * ORDER_SPREAD))) / 2
            order[[left, right]] = np.minimum(order[[left, right]], sure)
    rival = min((o.cost for o in others if o.distances.shape[1] != rows), default=np.inf)
    number = 1 / (1 + np.exp(-min(max(rival - found.cost, 0) / TEMPER, 50)))
    boundaries = [
        float(number * min(1 - likely[members[row], row + 1].max(), 1 - likely[members[row + 1], row].max()))
        for row in range(rows - 1)
    ]
    return PhotoRows(tuple(arranged), tuple(in_row.tolist()), tuple(order.tolist()), tuple(boundaries))


def _row_likelihoods(places: _Places, found: _Rows) -> np.ndarray:
    """(n, rows): how likely each face belongs to each row, by what the photo would cost with the face there."""
    costs = np.full(found.distances.shape, np.inf)
    costs[np.arange(len(costs)), found.labels] = 0.0
    for face, row, extra in _doubtful(found):
        moved = found.labels.copy()
        moved[face] = row
        beside = _side_by_side_cost(places, moved) - _side_by_side_cost(places, found.labels)
        if extra + beside < DOUBTFUL / 2:
            costs[face, row] = max(_costed(places, moved, own=True).cost - found.cost, 0.0)
    shares = np.exp(-costs / TEMPER)
    return shares / shares.sum(axis=1, keepdims=True)
