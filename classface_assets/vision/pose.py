"""Which way a face looks, estimated from its five landmarks. Pure geometry."""

import numpy as np

from classface_assets.vision.chips import ARCFACE_TEMPLATE

# Depth in template pixels, away from the viewer: an adult's eyes are 63 mm apart (35 template pixels), the tip of the
# nose lies about 30 mm before them, the corners of the mouth about 5 mm.
_DEPTH = np.array([0.0, 0.0, -17.0, -3.0, -3.0])
_FACE = np.column_stack([ARCFACE_TEMPLATE, _DEPTH])
_CENTRED = _FACE - _FACE.mean(0)
_SOLVE = np.linalg.pinv(_CENTRED)


def pose(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of (5, 2) landmarks in pixels.

    Positive yaw looks to the right of the picture, positive pitch up, positive roll is tilted clockwise. A mean face is
    fitted under scaled orthographic projection (DeMenthon & Davis 1995, first step of POSIT): good for sorting faces
    into frontal, half and full profile, no measurement.
    """
    if not np.ptp(landmarks, axis=0).all():
        return 0.0, 0.0, 0.0
    projection = (_SOLVE @ (landmarks - landmarks.mean(0))).T
    u, _, v = np.linalg.svd(projection, full_matrices=False)
    right, down = u @ v
    to_right, to_down, towards = -right[2], -down[2], np.cross(right, down)[2]  # where the nose points
    yaw = np.degrees(np.arctan2(to_right, towards))
    pitch = np.degrees(np.arctan2(-to_down, np.hypot(to_right, towards)))
    return float(yaw), float(pitch), roll(landmarks)


def roll(landmarks: np.ndarray) -> float:
    """How far the line between the eyes is tilted clockwise, in degrees from -180 to 180."""
    x, y = landmarks[1] - landmarks[0]
    return float(np.degrees(np.arctan2(y, x)))
