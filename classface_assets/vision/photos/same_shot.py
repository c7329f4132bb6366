"""Recognises that two photo files show the same shot: rotated, exported again, brightened or cropped a little.

It also finds how the pixels of one lie in the other. The perceptual hash of the whole photo proposes candidates; where
faces have vectors, these decide: each must lie at its place, and be as similar as one picture of a face is to itself.
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
"""The limit where no face has a vector."""
MIN_BOX_IOU = 0.4
ASPECT_TOLERANCE = 0.06
"""By what share of itself the aspect ratio may differ where the hash alone decides."""
MAX_TIME_APART_S = 3.0

Affine = np.ndarray
"""(2, 3) float64: maps the point (x, y, 1) of one upright photo to pixels of the other."""


@dataclass(frozen=True)
class PhotoAppearance:
    """What a photo is recognised by.

    Attributes:
        bits: (16, 16) bool, its perceptual hash; None if it has none.
        width: Of the upright photo in pixels; 0 if unknown.
        height: Of the upright photo in pixels; 0 if unknown.
        boxes: (n, 4) x, y, w, h of its faces in pixels.
        vectors: (n, d) unit vectors of the faces; a row of NaN for a face without one.
        taken_s: When the camera took it, in seconds; NaN if unknown.
    """

    bits: np.ndarray | None
    width: float
    height: float
    boxes: np.ndarray
    vectors: np.ndarray
    taken_s: float = float("nan")


@dataclass(frozen=True)
class SimilarityThresholds:
    """The cosines from which on two faces are of one person, and are one picture of one face."""

    same_person: float
    same_picture: float

    @property
    def single_face(self) -> float:
        """The cosine that is required where a single face is all the evidence."""
        return (1 + self.same_picture) / 2


def hash_bits(phash: str, rotation: int = 0) -> np.ndarray:
    """The bits of a perceptual hash.

    Args:
        phash: 64 hex digits.
        rotation: 0, 90, 180 or 270: returns the hash of the picture rotated clockwise by that many degrees.

    Returns:
        (16, 16) bool; row and column are the vertical and the horizontal frequency.
    """
    packed = np.frombuffer(bytes.fromhex(phash), np.uint8)
    bits = np.unpackbits(packed).reshape(HASH_SIDE, HASH_SIDE).astype(bool)
    return dict(transformed_hashes(bits))[{0: 1, 90: 6, 180: 3, 270: 8}[rotation]]


def transformed_hashes(bits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The hashes of the eight ways in which the same picture may be stored.

    Mirroring a picture negates the odd coefficients of its cosine transform, and rotating by 90 degrees also transposes
    them; the hash has a bit for each that is above the median, which is near zero. Measured: within 22 bits of the true
    hash of the transformed picture.

    Args:
        bits: (16, 16) bool, the hash of the upright picture.

    Yields:
        EXIF orientation (1 to 8) and (16, 16) bool.
    """
    odd = np.arange(HASH_SIDE) % 2 == 1
    across, down = odd[None, :], odd[:, None]
    for first, base in ((1, bits), (5, bits.T)):
        for number, mirrored in enumerate((base, base ^ across, base ^ across ^ down, base ^ down)):
            yield first + number, mirrored


def orientation_transform(orientation: int, width: float, height: float) -> Affine:
    """The transform from a stored picture to the upright one.

    Args:
        orientation: Its EXIF orientation, 1 to 8.
        width: Of the stored picture, in pixels.
        height: Of the stored picture, in pixels.
    """
    transforms = {
        1: ((1, 0, 0), (0, 1, 0)),
        2: ((-1, 0, width), (0, 1, 0)),
        3: ((-1, 0, width), (0, -1, height)),
        4: ((1, 0, 0), (0, -1, height)),
        5: ((0, 1, 0), (1, 0, 0)),
        6: ((0, -1, height), (1, 0, 0)),
        7: ((0, -1, height), (-1, 0, width)),
        8: ((0, 1, 0), (-1, 0, width)),
    }
    return np.array(transforms[orientation], np.float64)


def transform_boxes(boxes: np.ndarray, transform: Affine) -> np.ndarray:
    """The smallest upright boxes around transformed boxes, (n, 4) x, y, w, h, of (n, 4) boxes."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    corners = np.stack([low, high, np.stack([low[:, 0], high[:, 1]], 1), np.stack([high[:, 0], low[:, 1]], 1)], 1)
    transformed = corners @ transform[:, :2].T + transform[:, 2]
    least = transformed.min(axis=1)
    return np.concatenate([least, transformed.max(axis=1) - least], axis=1)


def match_same_shot(
    photo: PhotoAppearance, other: PhotoAppearance, thresholds: SimilarityThresholds, same_place: bool = False
) -> Affine | None:
    """Decide whether two photos show one shot.

    Args:
        photo: One photo.
        other: The other one.
        thresholds: How similar faces must be.
        same_place: Whether one file has replaced the other under its name; then weaker evidence is enough.

    Returns:
        The transform from `photo` to `other`; None if they show different shots.
    """
    if not same_place and abs(photo.taken_s - other.taken_s) > MAX_TIME_APART_S:
        return None
    bits, orientation = _best_orientation(photo, other)
    similar_hash = bits <= MAX_HASH_BITS
    faces, others = _keep_embedded_faces(photo), _keep_embedded_faces(other)
    if not len(faces.boxes) or not len(others.boxes):
        return _full_frame_transform(photo, other, orientation) if bits <= MAX_HASH_BITS_WITHOUT_FACES else None
    cosines = faces.vectors @ others.vectors.T
    candidates = [_full_frame_transform(photo, other, orientation)] if similar_hash else []
    candidates += _transforms_from_faces(faces.boxes, others.boxes, cosines >= thresholds.same_picture, orientation)
    best, best_score = None, 0.0
    for transform in candidates:
        if transform is None:
            continue
        score = _match_score(transform_boxes(faces.boxes, transform), others.boxes, cosines, thresholds)
        if score > best_score:
            best, best_score = transform, score
    enough = similar_hash or same_place or best_score >= 2 or float(cosines.max()) >= thresholds.single_face
    return best if enough else None


def _best_orientation(photo: PhotoAppearance, other: PhotoAppearance) -> tuple[int, int]:
    """By how many bits the hashes differ in the orientation in which they differ least, and that orientation."""
    if photo.bits is None or other.bits is None:
        return HASH_SIDE * HASH_SIDE, 1
    return min(
        (int((transformed ^ other.bits).sum()), orientation)
        for orientation, transformed in transformed_hashes(photo.bits)
    )


def _keep_embedded_faces(photo: PhotoAppearance) -> PhotoAppearance:
    """The photo with only those of its faces that have a vector."""
    if not len(photo.boxes) or not photo.vectors.shape[1]:
        return replace(photo, boxes=photo.boxes[:0], vectors=photo.vectors[:0])
    embedded = ~np.isnan(photo.vectors).any(axis=1)
    return replace(photo, boxes=photo.boxes[embedded], vectors=photo.vectors[embedded])


def _full_frame_transform(photo: PhotoAppearance, other: PhotoAppearance, orientation: int) -> Affine | None:
    """The transform of one whole photo to the other whole photo; None if their sizes do not fit or are unknown."""
    if not min(photo.width, photo.height, other.width, other.height):
        return None
    width, height = (photo.height, photo.width) if orientation >= 5 else (photo.width, photo.height)
    scale = np.array([[other.width / width], [other.height / height]])
    if abs(scale[0, 0] / scale[1, 0] - 1) > ASPECT_TOLERANCE:
        return None
    return orientation_transform(orientation, photo.width, photo.height) * scale


def _transforms_from_faces(
    boxes: np.ndarray, others: np.ndarray, similar: np.ndarray, orientation: int
) -> list[Affine]:
    """Transforms by the faces that are one picture: by all of them together, and by each of the three largest alone.

    `similar` is the (n, m) bool matrix of these pairs.
    """
    pairs = [(i, int(np.flatnonzero(row)[0])) for i, row in enumerate(similar) if row.sum() == 1]
    pairs = pairs or [(int(i), int(j)) for i, j in np.argwhere(similar)[:8]]
    rotation = orientation_transform(orientation, 0.0, 0.0)
    centers = (boxes[:, :2] + boxes[:, 2:] / 2) @ rotation[:, :2].T
    sides = np.sqrt(boxes[:, 2] * boxes[:, 3])
    other_centers, other_sides = others[:, :2] + others[:, 2:] / 2, np.sqrt(others[:, 2] * others[:, 3])
    transforms: list[Affine] = []
    if len(pairs) > 1:
        a, b = centers[[i for i, _ in pairs]], other_centers[[j for _, j in pairs]]
        spread = np.linalg.norm(a - a.mean(0))
        if spread > 0:
            scale = float(np.linalg.norm(b - b.mean(0)) / spread)
            transforms.append(_similarity_transform(rotation, scale, b.mean(0) - scale * a.mean(0)))
    for i, j in sorted(pairs, key=lambda pair: -sides[pair[0]])[:3]:
        scale = float(other_sides[j] / max(sides[i], 1e-9))
        transforms.append(_similarity_transform(rotation, scale, other_centers[j] - scale * centers[i]))
    return transforms


def _similarity_transform(rotation: Affine, scale: float, shift: np.ndarray) -> Affine:
    return np.concatenate([rotation[:, :2] * scale, shift[:, None]], axis=1)


def _match_score(boxes: np.ndarray, others: np.ndarray, cosines: np.ndarray, thresholds: SimilarityThresholds) -> float:
    """How many faces lie where they should and are the same picture; the fraction grows with how well boxes overlap.

    0 if one of them is another person, or if in either photo more faces are missing from the other than are in it: a
    portrait cut out of a class photo, or pasted into one, is another picture. `boxes` are already transformed.
    """
    iou = pairwise_iou(boxes, others)
    overlapping = iou >= MIN_BOX_IOU
    same = overlapping & (cosines >= thresholds.same_picture)
    explained = min(
        2 * int(overlapping.any(axis=1).sum()) - len(boxes), 2 * int(overlapping.any(axis=0).sum()) - len(others)
    )
    if explained <= 0 or (overlapping & (cosines < thresholds.same_person)).any():
        return 0.0
    count = int(same.any(axis=0).sum())
    return count + float(iou[same].mean()) / 2 if count else 0.0
