"""The crop of a portrait for print: 8 × 10, eyes level and at one height, every head of one size.

The height of a head is estimated from five points: the eyes lie half way between crown and chin, the mouth about three
tenths of the head below the eyes, and the eyes two eye widths apart, of which a head is 3.5 high (the classical canon
of proportions; see e.g. Farkas, Anthropometry of the Head and Face, 1994). Of both estimates the larger one counts:
turning the head to a side shortens the distance of the eyes, nodding the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 640, 800
"""Pixels of a portrait: what yearbook publishers ask for as the least, 2.1 × 2.7 inches at 300 dpi."""
DPI = 300
HEAD_SHARE = 0.5
"""Of the picture's height that a head is high, from crown to chin."""
LARGEST_HEAD_SHARE = 0.62
"""As far is zoomed in where the photo ends too close to the head."""
EYE_LINE = 0.42
"""Of the picture's height that the eyes are below its upper edge."""
MOUTH_PER_HEAD, INTEROCULAR_PER_HEAD = 0.30, 0.285
MAX_TILT_DEGREES = 30.0
"""A head that is tilted more stays tilted: such a picture is no portrait."""
_SAFE_STEPS = 7


@dataclass(frozen=True)
class HeadCrop:
    """A rectangle in a photo.

    Attributes:
        eye_center: The point between the eyes, in pixels of the photo.
        height: Of the rectangle, in pixels of the photo; its width is four fifths of it.
        tilt: Degrees clockwise by which it is turned.
        inside: The share of it that lies in the photo, 0 to 1.
    """

    eye_center: tuple[float, float]
    height: float
    tilt: float
    inside: float

    @property
    def scale(self) -> float:
        """Pixels of the portrait for each pixel of the photo; above 1 it is enlarged."""
        return HEIGHT / self.height

    def corners(self) -> np.ndarray:
        """Of the rectangle in the photo: upper left, upper right, lower right, lower left, (4, 2)."""
        angle = math.radians(self.tilt)
        right = np.array([math.cos(angle), math.sin(angle)])
        down = np.array([-math.sin(angle), math.cos(angle)])
        width = self.height * WIDTH / HEIGHT
        top = np.array(self.eye_center) - down * EYE_LINE * self.height - right * width / 2
        return np.array([top, top + right * width, top + right * width + down * self.height, top + down * self.height])


def head_height(landmarks: Sequence[float]) -> float:
    """The estimated height of a head from crown to chin, in pixels.

    Args:
        landmarks: x and y of both eyes, the nose and both corners of the mouth.
    """
    points = np.asarray(landmarks, float).reshape(5, 2)
    interocular = float(np.linalg.norm(points[1] - points[0]))
    eye_to_mouth = float(np.linalg.norm(points[3:].mean(0) - points[:2].mean(0)))
    return max(interocular / INTEROCULAR_PER_HEAD, eye_to_mouth / MOUTH_PER_HEAD, 1.0)


def plan_crop(landmarks: Sequence[float], width: int, height: int) -> HeadCrop:
    """The rectangle of a portrait; where the photo ends close to the head, it is zoomed in somewhat.

    Args:
        landmarks: x and y of both eyes, the nose and both corners of the mouth, in pixels of the upright photo.
        width: Of the photo.
        height: Of the photo.
    """
    points = np.asarray(landmarks, float).reshape(5, 2)
    across = points[1] - points[0]
    tilt = math.degrees(math.atan2(across[1], across[0]))
    tilt = tilt if abs(tilt) <= MAX_TILT_DEGREES else 0.0
    eye_center = (float(points[:2, 0].mean()), float(points[:2, 1].mean()))
    head = head_height(landmarks)
    crops = []
    for share in np.linspace(HEAD_SHARE, LARGEST_HEAD_SHARE, _SAFE_STEPS):
        tall = head / float(share)
        crops.append(
            HeadCrop(eye_center, tall, tilt, _share_inside(HeadCrop(eye_center, tall, tilt, 0.0), width, height))
        )
        if crops[-1].inside >= 0.999:
            break
    return max(crops, key=lambda crop: round(crop.inside, 2))


def cut_portrait(picture: Image.Image, crop: HeadCrop, scale: float = 1.0) -> Image.Image:
    """Cut a portrait of WIDTH × HEIGHT pixels; what lies outside the photo is filled with its edge.

    Args:
        picture: The upright photo at some scale, RGB.
        crop: In pixels of the photo.
        scale: Pixels of the picture for each pixel of the photo.
    """
    import cv2

    corners = crop.corners() * scale
    shrink = crop.height * scale / HEIGHT
    source = np.asarray(picture)
    if shrink > 1:  # warping alone would skip pixels
        size = (max(round(picture.width / shrink), 1), max(round(picture.height / shrink), 1))
        source = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
        corners = corners * [size[0] / picture.width, size[1] / picture.height]
    target = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT]], np.float32)
    matrix = cv2.getAffineTransform(corners[:3].astype(np.float32), target)
    cut = cv2.warpAffine(source, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Image.fromarray(cut)


def _share_inside(crop: HeadCrop, width: int, height: int) -> float:
    """The share of points of the rectangle that lie in the photo."""
    a, b, _, d = crop.corners()
    steps = (np.arange(20) + 0.5) / 20
    points = a + steps[:, None, None] * (b - a) + steps[None, :, None] * (d - a)
    inside = (points >= 0).all(-1) & (points[..., 0] <= width) & (points[..., 1] <= height)
    return float(inside.mean())
