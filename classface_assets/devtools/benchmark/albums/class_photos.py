"""Class photos composed in space and seen by a camera: boxes of faces with the row and the place of each person.

Lengths are in metres. What varies, and by how much, is in the constants: children of one class differ in height and are
sorted only roughly; rows sit on the floor, on chairs, stand, and stand on benches; every second row stands in the gaps;
the class forms an arc or a line, the photographer stands off the middle and does not hold the camera level; teachers
sit in a row or stand at its end; and boxes are as exact as a detector's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import radians

import numpy as np

FACE_HEIGHT, FACE_ASPECT = 0.20, 0.78
"""A detector's box of a child's face: its height, and its width by that."""
HEAD_HEIGHTS = {"floor": 0.72, "chair": 1.08, "ground": 1.36, "bench": 1.68, "riser": 2.0, "high riser": 2.32}
"""How high the middle of a face is for each kind of row, from front to back."""
KINDS = {
    3: (("floor", "chair", "ground"), ("chair", "ground", "bench"), ("ground", "bench", "riser")),
    4: (("floor", "chair", "ground", "bench"), ("chair", "ground", "bench", "riser")),
    5: (("floor", "chair", "ground", "bench", "riser"), ("chair", "ground", "bench", "riser", "high riser")),
    6: (("floor", "chair", "ground", "bench", "riser", "high riser"),),
}
SPREADS = {"floor": 0.035, "chair": 0.035, "ground": 0.045, "bench": 0.045, "riser": 0.045, "high riser": 0.045}
"""How much children of a row differ in height, as a standard deviation: the standing ones are sorted only roughly."""
SHOULDERS, SHOULDERS_SPREAD = 0.42, 0.05
DEPTH, DEPTH_SPREAD = 0.6, 0.06
CLOSEST = 0.26
"""Two heads of a row are at least that far apart."""
ROLL_DEGREES = 1.5
"""How far from level the camera is held, as a standard deviation."""
BOX_SPREAD, SIZE_SPREAD, NOD_SPREAD = 0.04, 0.07, 0.05
"""Of the middle and the size of a box, and of a head that nods, in face heights, as standard deviations."""
TEACHER = 0.13
"""How much higher the face of a teacher is than those of the row."""
MISSED = 0.01
"""The share of faces that no detector finds, so that a row has a gap."""
IMAGE_WIDTH = 3000


@dataclass(frozen=True, eq=False)
class ClassPhoto:
    """A composed photo.

    Attributes:
        boxes: (n, 4) x, y, width and height in pixels, shuffled.
        rows: The indices of the boxes in each row, back row first, from left to right.
    """

    boxes: np.ndarray
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Setting:
    """Where class and camera are: radius of the arc of the class (metres), camera's height, distance, side, roll."""

    radius: float
    height: float
    distance: float
    side: float
    roll: float


def class_photos(rows: int, count: int, seed: int = 0, jitter: float = 1.0) -> Iterator[ClassPhoto]:
    """Composed class photos.

    Args:
        rows: How many rows each has, 3 to 6.
        count: How many photos.
        seed: Of the random numbers.
        jitter: By what the differences between people, the tilt and the errors of boxes are multiplied.
    """
    rng = np.random.default_rng([seed, rows])
    for _ in range(count):
        yield _compose(rng, KINDS[rows][rng.integers(len(KINDS[rows]))], jitter)


def _compose(rng: np.random.Generator, kinds: tuple[str, ...], jitter: float) -> ClassPhoto:
    usual = int(rng.integers(5, 12))
    setting = _Setting(
        radius=float(rng.choice([np.inf, rng.uniform(5, 12)])),
        height=float(rng.uniform(1.3, 1.9)),
        distance=float(rng.uniform(1.1, 1.8) * max(usual * SHOULDERS, 3.0)),
        side=float(rng.normal(0, 0.3)),
        roll=radians(float(rng.normal(0, ROLL_DEGREES * jitter))),
    )
    people, row_of = [], []
    for row, kind in enumerate(kinds):
        short = row == 0 and rng.random() < 0.4
        size = max(3, usual // 2) if short else max(3, usual + int(rng.integers(-2, 2)))
        people.append(_stand(rng, row, kind, size, jitter))
        row_of += [row] * size
    boxes = _seen(rng, np.concatenate(people), setting, jitter)
    shuffled = rng.permutation(np.flatnonzero(rng.random(len(boxes)) >= MISSED * jitter))
    boxes, labels = boxes[shuffled], np.array(row_of)[shuffled]
    true_order = np.concatenate(people)[shuffled, 0]
    rows = [np.flatnonzero(labels == row) for row in reversed(range(len(kinds)))]
    return ClassPhoto(boxes, tuple(tuple(int(i) for i in own[np.argsort(true_order[own])]) for own in rows))


def _stand(rng: np.random.Generator, row: int, kind: str, size: int, jitter: float) -> np.ndarray:
    """(size, 3): along the row, height, and depth of each face, before the row is bent to an arc."""
    steps = np.maximum(rng.normal(SHOULDERS, SHOULDERS_SPREAD * jitter, size), CLOSEST)
    along = np.cumsum(steps)
    along += -along.mean() + (SHOULDERS / 2 if row % 2 else 0) + rng.normal(0, 0.05)
    height = HEAD_HEIGHTS[kind] + rng.normal(0, SPREADS[kind] * jitter, size)
    if row and rng.random() < 0.4:
        height[rng.choice([0, size - 1, size // 2])] += TEACHER
    depth = DEPTH * row + rng.normal(0, DEPTH_SPREAD * jitter, size)
    return np.stack([along, height, depth], axis=1)


def _seen(rng: np.random.Generator, people: np.ndarray, setting: _Setting, jitter: float) -> np.ndarray:
    """The boxes, in pixels, that a detector gives for people seen by a pinhole camera."""
    along, height, depth = people.T
    if np.isfinite(setting.radius):  # an arc whose ends come towards the camera
        angle = along / (setting.radius + depth)
        along, depth = (setting.radius + depth) * np.sin(angle), (setting.radius + depth) * np.cos(angle)
        depth = depth - setting.radius
    away = setting.distance + depth
    x, y = (along - setting.side) / away, (setting.height - height) / away
    size = FACE_HEIGHT / away * np.exp(rng.normal(0, SIZE_SPREAD * jitter, len(away)))
    y = y + rng.normal(0, np.hypot(BOX_SPREAD, NOD_SPREAD) * jitter, len(y)) * size
    x = x + rng.normal(0, BOX_SPREAD * jitter, len(x)) * size
    x, y = x * np.cos(setting.roll) - y * np.sin(setting.roll), x * np.sin(setting.roll) + y * np.cos(setting.roll)
    scale = IMAGE_WIDTH * 0.9 / np.ptp(x)
    middle = np.stack([(x - x.min()) * scale + IMAGE_WIDTH * 0.05, (y - y.min()) * scale + 200], axis=1)
    sides = np.stack([size * FACE_ASPECT, size], axis=1) * scale
    return np.hstack([middle - sides / 2, sides])
