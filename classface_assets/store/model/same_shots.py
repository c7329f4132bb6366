"""Which photos show the same shot, and where a box of one lies in the other: a photo that was rotated, exported again,
cropped or copied has another asset id, and what was said of its faces holds for it too.

The pairs come from the ledger (`photos_followed`); how a pair is recognised belongs elsewhere.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from classface_assets.core.geometry import Box
from classface_assets.store.model.face_ref import FaceRef

Transform = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): the point (x, y) of one upright photo is (ax + by + c, dx + ey + f) of the other, in pixels."""
IDENTITY: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_FACE_NAMESPACE = uuid.UUID("0b1f7c0e-51a4-5d5f-8c57-0f6f4f3f8a10")


@dataclass(frozen=True)
class SameShot:
    """Two photos of one shot, and how the first one's pixels lie in the second.

    A photo and itself: its pixels lie otherwise from now on, since its EXIF `orientation` changed (before, after).
    """

    photo: str
    other: str
    transform: Transform = IDENTITY
    orientation: tuple[int, int] | None = None

    def payload(self) -> dict[str, object]:
        """What the ledger keeps."""
        told: dict[str, object] = {"from": self.photo, "to": self.other}
        if self.transform != IDENTITY:
            told["transform"] = list(self.transform)
        return told | ({"orientation": list(self.orientation)} if self.orientation else {})


@dataclass(frozen=True)
class SameShots:
    """Every photo that shows the shot of another, over any number of steps."""

    neighbours: Mapping[str, tuple[tuple[str, Transform], ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[SameShot]) -> "SameShots":
        """A pair holds both ways; of two about the same photos the later one counts."""
        found: dict[str, dict[str, Transform]] = defaultdict(dict)
        for pair in pairs:
            if pair.photo != pair.other:
                found[pair.photo][pair.other] = pair.transform
                found[pair.other][pair.photo] = invert_transform(pair.transform)
        return cls({photo: tuple(others.items()) for photo, others in found.items()})

    def others(self, photo: str) -> dict[str, Transform]:
        """Every other photo of the shot, and where a point of this one lies in it."""
        if photo not in self.neighbours:
            return {}
        found, waiting = {photo: IDENTITY}, [photo]
        while waiting:
            here = waiting.pop(0)
            for there, transform in self.neighbours.get(here, ()):
                if there not in found:
                    found[there] = compose_transforms(transform, found[here])
                    waiting.append(there)
        return {other: transform for other, transform in found.items() if other != photo}

    def in_others(self, face: FaceRef) -> list[FaceRef]:
        """The face as it lies in each other photo of the shot, under an id that is always the same."""
        return [
            FaceRef(
                str(uuid.uuid5(_FACE_NAMESPACE, f"{face.face_id} {other}")), other, transform_box(face.box, transform)
            )
            for other, transform in self.others(face.asset_id).items()
        ]

    def with_others(self, faces: Mapping[str, FaceRef]) -> dict[str, FaceRef]:
        """The faces by id, with those that they are in the other photos of their shots."""
        if not self.neighbours:
            return dict(faces)
        moved_faces = {other.face_id: other for face in faces.values() for other in self.in_others(face)}
        return moved_faces | dict(faces)


def as_transform(numbers: Sequence[float]) -> Transform:
    """Six numbers as the ledger keeps them, to a millionth of a pixel."""
    a, b, c, d, e, f = (round(float(number), 6) for number in numbers)
    return a, b, c, d, e, f


def transform_box(box: Box, transform: Transform) -> Box:
    """The smallest upright box around a box (x, y, width, height) that was carried over."""
    a, b, c, d, e, f = transform
    x, y, w, h = box
    corners = [(px, py) for px in (x, x + w) for py in (y, y + h)]
    xs, ys = [a * px + b * py + c for px, py in corners], [d * px + e * py + f for px, py in corners]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def compose_transforms(second: Transform, first: Transform) -> Transform:
    """What the first and then the second do."""
    a, b, c, d, e, f = second
    g, h, i, j, k, m = first
    return a * g + b * j, a * h + b * k, a * i + b * m + c, d * g + e * j, d * h + e * k, d * i + e * m + f


def invert_transform(transform: Transform) -> Transform:
    """The way back. Raises ValueError for a transform that leaves no area."""
    if transform == IDENTITY:
        return IDENTITY
    a, b, c, d, e, f = transform
    area = a * e - b * d
    if not area:
        raise ValueError(f"{transform} leaves no area, so there is no way back")
    return e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area


def reorient_pair(pair: SameShot, photo: str, turn: Transform) -> SameShot:
    """The pair once the pixels of one of its photos lie otherwise."""
    if pair.photo == photo:
        pair = replace(pair, transform=compose_transforms(pair.transform, invert_transform(turn)))
    if pair.other == photo:
        pair = replace(pair, transform=compose_transforms(turn, pair.transform))
    return pair
