"""What is measured of a detected face: a quality score, sharpness, brightness, the share cut off, and its pose."""

import numpy as np

from classface_assets.vision.alignment import ARCFACE_TEMPLATE

FULL_QUALITY_AREA = 40_000  # pixels; a box of 200×200 or more counts as fully sized
# Depth in template pixels, away from the viewer: an adult's eyes are 63 mm apart (35 template pixels), the tip of the
# nose lies about 30 mm before them, the corners of the mouth about 5 mm.
_DEPTH = np.array([0.0, 0.0, -17.0, -3.0, -3.0])
_FACE_3D = np.column_stack([ARCFACE_TEMPLATE, _DEPTH])
_CENTERED_3D = _FACE_3D - _FACE_3D.mean(0)
_PSEUDO_INVERSE = np.linalg.pinv(_CENTERED_3D)


def quality_score(box: np.ndarray, confidence: float) -> float:
    """How useful a face is, 0 to 1: half for its area, half for the detector's confidence.

    Args:
        box: (4,) x, y, w, h in pixels of the photo.
        confidence: The detector's, 0 to 1.
    """
    return 0.5 * min(1.0, float(box[2] * box[3]) / FULL_QUALITY_AREA) + 0.5 * float(confidence)


def measure_blur(chip: np.ndarray) -> float:
    """The variance of the Laplacian of the grey values (Pech-Pacheco 2000): low is blurred, hundreds are sharp.

    Args:
        chip: (192, 192, 3) uint8 RGB; measured on the chip, so that faces of every size are compared at one scale.
    """
    import cv2

    _, deviation = cv2.meanStdDev(cv2.Laplacian(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.CV_16S))
    return float(deviation[0, 0] ** 2)


def measure_brightness(chip: np.ndarray) -> float:
    """The mean grey value, 0 to 255, of the middle half of an (H, W, 3) chip: the face without its background."""
    import cv2

    height, width = chip.shape[:2]
    middle = chip[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float(cv2.cvtColor(np.ascontiguousarray(middle), cv2.COLOR_RGB2GRAY).mean())


def outside_share(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The share of each box that lies outside a picture, (n,) float32 from 0 to 1.

    Args:
        boxes: (n, 4) x, y, w, h in pixels.
        width: The picture's width in pixels.
        height: The picture's height in pixels.
    """
    low = np.clip(boxes[:, :2], 0, [width, height])
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, [width, height])
    area = np.prod(boxes[:, 2:], axis=1)
    share = 1 - np.prod(high - low, axis=1) / np.maximum(area, 1e-9)
    return np.clip(share, 0, 1).astype(np.float32)


def estimate_poses(landmarks: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll of faces, estimated from their landmarks.

    A mean face is fitted under scaled orthographic projection (DeMenthon & Davis 1995, first step of POSIT): good for
    sorting faces into frontal, half and full profile, not a measurement.

    Args:
        landmarks: (n, 5, 2) in pixels.

    Returns:
        (n, 3) degrees. Positive yaw faces the right of the picture, positive pitch faces up, positive roll is tilted
        clockwise. Zeros where the landmarks lie on a line.
    """
    projection = (_PSEUDO_INVERSE @ (landmarks - landmarks.mean(1, keepdims=True))).transpose(0, 2, 1)
    u, _, v = np.linalg.svd(projection, full_matrices=False)
    right, down = (u @ v).transpose(1, 0, 2)
    to_right, to_down, towards = -right[:, 2], -down[:, 2], np.cross(right, down)[:, 2]  # where the nose points
    yaw, pitch = np.arctan2(to_right, towards), np.arctan2(-to_down, np.hypot(to_right, towards))
    poses = np.column_stack([np.degrees(yaw), np.degrees(pitch), estimate_rolls(landmarks)])
    return np.where(np.ptp(landmarks, axis=1).all(axis=1)[:, None], poses, 0.0)


def estimate_rolls(landmarks: np.ndarray) -> np.ndarray:
    """How far the line between the eyes is tilted clockwise: (n,) degrees from -180 to 180, of (n, 5, 2) landmarks."""
    x, y = (landmarks[:, 1] - landmarks[:, 0]).T
    return np.degrees(np.arctan2(y, x))
