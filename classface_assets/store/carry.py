"""Decisions carried onto the faces of today: by face id, or by place when another detector drew the box."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from classface_assets.store.replay import Box, Decisions

SAME_FACE_OVERLAP = 0.4


@dataclass(frozen=True)
class Said:
    """What people said, as constraints on the faces of today; merged persons are those they became.

    `confirmed`: face → its person, of every face that somebody labelled or confirmed. `rejected`: (face, person) who it
    is not. `must`, `cannot`: pairs of faces of one person, of two people; they contradict neither each other nor
    `confirmed`. `collages`: photos (asset ids) that may show a person twice. `siblings`: person → those who look like
    them. `not_faces`: faces that are none, and in no other field. `barred`: faces of people who were erased, which may
    not be embedded, and are in no other field.
    """

    confirmed: dict[str, str] = field(default_factory=dict)
    rejected: frozenset[tuple[str, str]] = frozenset()
    must: tuple[tuple[str, str], ...] = ()
    cannot: tuple[tuple[str, str], ...] = ()
    collages: frozenset[str] = frozenset()
    siblings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    not_faces: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()


def said(decisions: Decisions, faces: pl.DataFrame) -> Said:
    """The decisions carried over to `faces` (face_id, asset_id, bbox_*)."""
    return Said(confirmed=confirmed_faces(decisions, faces))


def confirmed_faces(decisions: Decisions, faces: pl.DataFrame) -> dict[str, str]:
    """Face id → person id for every face of `faces` (face_id, asset_id, bbox_*) that a person has labelled.

    A mark whose face id is gone goes to the unmarked face of the same photo that overlaps its box best, if by 0.4 or
    more (intersection over union).
    """
    if faces.is_empty():
        return {}
    present = set(faces["face_id"])
    confirmed = {f: mark.person_id for f, mark in decisions.marks.items() if f in present}
    homeless = [mark for f, mark in decisions.marks.items() if f not in present]
    if not homeless:
        return confirmed
    photos = {mark.asset_id for mark in homeless}
    columns = ("asset_id", "face_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    by_photo: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    for asset_id, face_id, *box in faces.filter(pl.col("asset_id").is_in(list(photos))).select(columns).iter_rows():
        by_photo[asset_id].append((face_id, (box[0], box[1], box[2], box[3])))
    pairs = [
        (overlap(mark.box, box), face_id, number)
        for number, mark in enumerate(homeless)
        for face_id, box in by_photo[mark.asset_id]
    ]
    placed: set[int] = set()
    for shared, face_id, number in sorted(pairs, reverse=True):
        if shared >= SAME_FACE_OVERLAP and face_id not in confirmed and number not in placed:
            confirmed[face_id] = homeless[number].person_id
            placed.add(number)
    return confirmed


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = width * height
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0
