"""Whether two photos show the same shot though their files differ: rotated, exported again, brightened or cropped a
little; and how the pixels of one lie in the other.

The look of the whole photo (its perceptual hash) points to candidates, the faces have the last word where there are
vectors of them: each must lie where it should, and look as one and the same picture of a face does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from classface_assets.core.geometry import pairwise_iou
from classface_assets.vision.photos.near_duplicates import HASH_SIDE

# Measured on portraits and group photos: the hash of a copy (quality 30, half the size, grey, darker, brighter,
# rotated) differs by up to 28 bits, cropped by 2 % by up to 34, by 5 % by up to 66; those of two photos, each way up,
# by 80 and more.
MAX_HASH_BITS = 40
MAX_HASH_BITS_WITHOUT_FACES = 30
"""Bits when there are no vectors to tell by."""
MIN_BOX_IOU = 0.4
ASPECT_TOLERANCE = 0.06
"""By how much of itself the ratio of the sides may differ when nothing but the look tells."""
MAX_TIME_APART_S = 3.0

Affine = np.ndarray
"""(2, 3) float64: the point (x, y, 1) of one upright photo in pixels of the other."""


@dataclass(frozen=True)
class PhotoAppearance:
    """What a photo is recognised by. `bits`: (16, 16) bool of its perceptual hash, None where it has none.

    Upright width and height in pixels, 0 where they are not known. `boxes` (n, 4) as x, y, w, h; `vectors` (n, d) of
    unit length, NaN rows for faces without one. `taken_s`: when it was taken by the camera, in seconds; NaN if unknown.
    """

    bits: np.ndarray | None
    width: float
    height: float
    boxes: np.ndarray
    vectors: np.ndarray
    taken_s: float = float("nan")


def hash_bits(phash: str, rotation: int = 0) -> np.ndarray:
    """The (16, 16) bool of a hash's 64 hex digits, of the picture turned clockwise by 0, 90, 180 or 270 degrees.

    Row and column are the frequencies down and across.
    """
    packed = np.frombuffer(bytes.fromhex(phash), np.uint8)
    bits = np.unpackbits(packed).reshape(HASH_SIDE, HASH_SIDE).astype(bool)
    return dict(transformed_hashes(bits))[{0: 1, 90: 6, 180: 3, 270: 8}[rotation]]


def transformed_hashes(bits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(EXIF orientation, hash) of the eight ways in which the same picture may be stored.

    Mirroring a picture negates the odd coefficients of its cosine transform and turning transposes them; the hash says
    which are above the median, which lies near zero. Measured: within 22 bits of the true hash of the turned picture.
    """
    odd = np.arange(HASH_SIDE) % 2 == 1
    across, down = odd[None, :], odd[:, None]
    for orientation, turn in enumerate((bits, bits.T)):
        first = 1 if not orientation else 5
        for number, mirrored in enumerate((turn, turn ^ across, turn ^ across ^ down, turn ^ down)):
            yield first + number, mirrored


def orientation_transform(orientation: int, width: float, height: float) -> Affine:
    """Where a point of a picture of that size lies in the picture stored that way (see `turned_bits`)."""
    turns = {
        1: ((1, 0, 0), (0, 1, 0)),
        2: ((-1, 0, width), (0, 1, 0)),
        3: ((-1, 0, width), (0, -1, height)),
        4: ((1, 0, 0), (0, -1, height)),
        5: ((0, 1, 0), (1, 0, 0)),
        6: ((0, -1, height), (1, 0, 0)),
        7: ((0, -1, height), (-1, 0, width)),
        8: ((0, 1, 0), (-1, 0, width)),
    }
    return np.array(turns[orientation], np.float64)


@dataclass(frozen=True)
class SimilarityThresholds:
    """Cosines from which on two faces are one person's, one picture of one face, and surely that.

    `surely` is asked for where a single face is all that speaks for it.
    """

    same_person: float
    same_picture: float

    @property
    def single_face(self) -> float:
        return (1 + self.same_picture) / 2


def match_same_shot(
    photo: PhotoAppearance, other: PhotoAppearance, likeness: SimilarityThresholds, same_place: bool = False
) -> Affine | None:
    """How `photo` lies in `other`, when they are one shot; else None.

    `same_place`: the one lies under the other's very name, in place of it.
    """
    if not same_place and abs(photo.taken_s - other.taken_s) > MAX_TIME_APART_S:
        return None
    bits, orientation = _best_orientation(photo, other)
    looks_the_same = bits <= MAX_HASH_BITS
    faces, others = _keep_embedded_faces(photo), _keep_embedded_faces(other)
    if not len(faces.boxes) or not len(others.boxes):
        return _full_frame_transform(photo, other, orientation) if bits <= MAX_HASH_BITS_WITHOUT_FACES else None
    cosines = faces.vectors @ others.vectors.T
    tries = [_full_frame_transform(photo, other, orientation)] if looks_the_same else []
    tries += _transforms_from_faces(faces.boxes, others.boxes, cosines >= likeness.same_picture, orientation)
    best, most = None, 0.0
    for transform in tries:
        fit = 0.0 if transform is None else _match_score(transform, faces.boxes, others.boxes, cosines, likeness)
        if fit > most:
            best, most = transform, fit
    enough = looks_the_same or same_place or most >= 2 or float(cosines.max()) >= likeness.single_face
    return best if enough else None


def transform_boxes(boxes: np.ndarray, transform: Affine) -> np.ndarray:
    """The (n, 4) smallest upright boxes around boxes that were carried over."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    corners = np.stack([low, high, np.stack([low[:, 0], high[:, 1]], 1), np.stack([high[:, 0], low[:, 1]], 1)], 1)
    there = corners @ transform[:, :2].T + transform[:, 2]
    least = there.min(axis=1)
    return np.concatenate([least, there.max(axis=1) - least], axis=1)


def _best_orientation(photo: PhotoAppearance, other: PhotoAppearance) -> tuple[int, int]:
    """Bits by which the hashes differ, and the orientation in which they differ least."""
    if photo.bits is None or other.bits is None:
        return HASH_SIDE * HASH_SIDE, 1
    return min(
        (int((turned ^ other.bits).sum()), orientation) for orientation, turned in transformed_hashes(photo.bits)
    )


def _keep_embedded_faces(photo: PhotoAppearance) -> PhotoAppearance:
    """The photo with only those of its faces that have a vector."""
    if not len(photo.boxes) or not photo.vectors.shape[1]:
        return replace(photo, boxes=photo.boxes[:0], vectors=photo.vectors[:0])
    known = ~np.isnan(photo.vectors).any(axis=1)
    return replace(photo, boxes=photo.boxes[known], vectors=photo.vectors[known])


def _full_frame_transform(photo: PhotoAppearance, other: PhotoAppearance, orientation: int) -> Affine | None:
    """The whole of one is the whole of the other; None where the sizes do not fit or are not known."""
    if not min(photo.width, photo.height, other.width, other.height):
        return None
    width, height = (photo.height, photo.width) if orientation >= 5 else (photo.width, photo.height)
    scale = np.array([[other.width / width], [other.height / height]])
    if abs(scale[0, 0] / scale[1, 0] - 1) > ASPECT_TOLERANCE:
        return None
    return orientation_transform(orientation, photo.width, photo.height) * scale


def _transforms_from_faces(boxes: np.ndarray, others: np.ndarray, alike: np.ndarray, orientation: int) -> list[Affine]:
    """Scale and shift by the faces that are the same: by all of them together, and by the largest alone."""
    pairs = [(i, int(np.flatnonzero(row)[0])) for i, row in enumerate(alike) if row.sum() == 1]
    pairs = pairs or [(int(i), int(j)) for i, j in np.argwhere(alike)[:8]]
    turn = orientation_transform(orientation, 0.0, 0.0)
    centres = (boxes[:, :2] + boxes[:, 2:] / 2) @ turn[:, :2].T
    sides = np.sqrt(boxes[:, 2] * boxes[:, 3])
    there, their_sides = others[:, :2] + others[:, 2:] / 2, np.sqrt(others[:, 2] * others[:, 3])
    found: list[Affine] = []
    if len(pairs) > 1:
        a, b = centres[[i for i, _ in pairs]], there[[j for _, j in pairs]]
        spread = np.linalg.norm(a - a.mean(0))
        if spread > 0:
            scale = float(np.linalg.norm(b - b.mean(0)) / spread)
            found.append(_similarity_transform(turn, scale, b.mean(0) - scale * a.mean(0)))
    for i, j in sorted(pairs, key=lambda pair: -sides[pair[0]])[:3]:
        scale = float(their_sides[j] / max(sides[i], 1e-9))
        found.append(_similarity_transform(turn, scale, there[j] - scale * centres[i]))
    return found


def _similarity_transform(turn: Affine, scale: float, shift: np.ndarray) -> Affine:
    return np.concatenate([turn[:, :2] * scale, shift[:, None]], axis=1)


def _match_score(
    transform: Affine, boxes: np.ndarray, others: np.ndarray, cosines: np.ndarray, likeness: SimilarityThresholds
) -> float:
    """How many faces lie where they should and are the same picture, and below one how well.

    0 when one that should be there is somebody else, or when either photo has more faces without the other's than with:
    a portrait cut out of a class photo, or pasted into one, is another picture.
    """
    shared = pairwise_iou(transform_boxes(boxes, transform), others)
    met = shared >= MIN_BOX_IOU
    same = met & (cosines >= likeness.same_picture)
    explained = min(2 * int(met.any(axis=1).sum()) - len(boxes), 2 * int(met.any(axis=0).sum()) - len(others))
    if explained <= 0 or (met & (cosines < likeness.same_person)).any():
        return 0.0
    count = int(same.any(axis=0).sum())
    return count + float(shared[same].mean()) / 2 if count else 0.0
