"""Which photos show the same shot, and where a box of one lies in the other.

A photo that was rotated, exported again, cropped or copied has another asset id, and what is recorded of its faces
holds for it, too. The pairs come from the ledger (`photos_followed`); how a pair is recognised belongs elsewhere.
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
_DECIMALS = 6


@dataclass(frozen=True)
class SameShot:
    """Two photos of one shot.

    A pair of a photo and itself means that its pixels lie otherwise from now on, since its EXIF orientation changed.

    Attributes:
        photo: Asset id of the first photo.
        other: Asset id of the second photo.
        transform: Where a point of the first photo lies in the second.
        orientation: EXIF orientation before and after, of a photo and itself.
    """

    photo: str
    other: str
    transform: Transform = IDENTITY
    orientation: tuple[int, int] | None = None

    def payload(self) -> dict[str, object]:
        """The pair as events store it."""
        stored: dict[str, object] = {"from": self.photo, "to": self.other}
        if self.transform != IDENTITY:
            stored["transform"] = list(self.transform)
        return stored | ({"orientation": list(self.orientation)} if self.orientation else {})


@dataclass(frozen=True)
class SameShots:
    """Every photo that shows the shot of another one, over any number of steps.

    Attributes:
        neighbours: Asset id -> (other photo, where a point of this one lies in it) of each pair.
    """

    neighbours: Mapping[str, tuple[tuple[str, Transform], ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[SameShot]) -> "SameShots":
        """The shots of these pairs. A pair holds both ways; of two about the same photos the later one counts."""
        found: dict[str, dict[str, Transform]] = defaultdict(dict)
        for pair in pairs:
            if pair.photo != pair.other:
                found[pair.photo][pair.other] = pair.transform
                found[pair.other][pair.photo] = invert_transform(pair.transform)
        return cls({photo: tuple(others.items()) for photo, others in found.items()})

    def others(self, photo: str) -> dict[str, Transform]:
        """Every other photo of the shot -> where a point of this one lies in it."""
        if photo not in self.neighbours:
            return {}
        found, queue = {photo: IDENTITY}, [photo]
        while queue:
            here = queue.pop(0)
            for other, transform in self.neighbours.get(here, ()):
                if other not in found:
                    found[other] = compose_transforms(transform, found[here])
                    queue.append(other)
        return {other: transform for other, transform in found.items() if other != photo}

    def in_others(self, face: FaceRef) -> list[FaceRef]:
        """The face as it lies in each other photo of the shot, under an id that is always the same."""
        return [
            FaceRef(_id_in_photo(face.face_id, other), other, transform_box(face.box, transform))
            for other, transform in self.others(face.asset_id).items()
        ]

    def with_others(self, faces: Mapping[str, FaceRef]) -> dict[str, FaceRef]:
        """The faces by id, with those that they are in the other photos of their shots."""
        if not self.neighbours:
            return dict(faces)
        others = {other.face_id: other for face in faces.values() for other in self.in_others(face)}
        return others | dict(faces)


def _id_in_photo(face_id: str, asset_id: str) -> str:
    return str(uuid.uuid5(_FACE_NAMESPACE, f"{face_id} {asset_id}"))


def as_transform(numbers: Sequence[float]) -> Transform:
    """Six numbers as the ledger stores them, rounded to a millionth of a pixel."""
    a, b, c, d, e, f = (round(float(number), _DECIMALS) for number in numbers)
    return a, b, c, d, e, f


def transform_box(box: Box, transform: Transform) -> Box:
    """The smallest upright box around a transformed box.

    Args:
        box: x, y, width, height in pixels.
        transform: Where a point of the box's photo lies in the other one.
    """
    a, b, c, d, e, f = transform
    x, y, w, h = box
    corners = [(px, py) for px in (x, x + w) for py in (y, y + h)]
    xs, ys = [a * px + b * py + c for px, py in corners], [d * px + e * py + f for px, py in corners]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def compose_transforms(second: Transform, first: Transform) -> Transform:
    """The transform that applies the first one and then the second one."""
    a, b, c, d, e, f = second
    g, h, i, j, k, m = first
    return a * g + b * j, a * h + b * k, a * i + b * m + c, d * g + e * j, d * h + e * k, d * i + e * m + f


def invert_transform(transform: Transform) -> Transform:
    """The inverse of a transform.

    Raises:
        ValueError: The transform leaves no area.
    """
    if transform == IDENTITY:
        return IDENTITY
    a, b, c, d, e, f = transform
    area = a * e - b * d
    if not area:
        raise ValueError(f"{transform} leaves no area, so it has no inverse")
    return e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area


def reorient_pair(pair: SameShot, photo: str, turn: Transform) -> SameShot:
    """The pair after the pixels of one of its photos were moved by `turn`."""
    if pair.photo == photo:
        pair = replace(pair, transform=compose_transforms(pair.transform, invert_transform(turn)))
    if pair.other == photo:
        pair = replace(pair, transform=compose_transforms(turn, pair.transform))
    return pair
