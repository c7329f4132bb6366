"""Which way a face looks, estimated from its five landmarks. Pure geometry."""

import numpy as np

from classface_assets.vision.chips import ARCFACE_TEMPLATE

# Depth in template pixels, away from the viewer: an adult's eyes are 63 mm apart (35 template pixels), the tip of the
# nose lies about 30 mm before them, the corners of the mouth about 5 mm.
_DEPTH = np.array([0.0, 0.0, -17.0, -3.0, -3.0])
_FACE = np.column_stack([ARCFACE_TEMPLATE, _DEPTH])
_CENTRED = _FACE - _FACE.mean(0)
_SOLVE = np.linalg.pinv(_CENTRED)


def poses(landmarks: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll in degrees, (n, 3), of (n, 5, 2) landmarks in pixels.

    Positive yaw looks to the right of the picture, positive pitch up, positive roll is tilted clockwise. A mean face is
    fitted under scaled orthographic projection (DeMenthon & Davis 1995, first step of POSIT): good for sorting faces
    into frontal, half and full profile, no measurement.
    """
    projection = (_SOLVE @ (landmarks - landmarks.mean(1, keepdims=True))).transpose(0, 2, 1)
    u, _, v = np.linalg.svd(projection, full_matrices=False)
    right, down = (u @ v).transpose(1, 0, 2)
    to_right, to_down, towards = -right[:, 2], -down[:, 2], np.cross(right, down)[:, 2]  # where the nose points
    yaw, pitch = np.arctan2(to_right, towards), np.arctan2(-to_down, np.hypot(to_right, towards))
    found = np.column_stack([np.degrees(yaw), np.degrees(pitch), rolls(landmarks)])
    return np.where(np.ptp(landmarks, axis=1).all(axis=1)[:, None], found, 0.0)


def rolls(landmarks: np.ndarray) -> np.ndarray:
    """How far the lines between the eyes of (n, 5, 2) landmarks are tilted clockwise, in degrees from -180 to 180."""
    x, y = (landmarks[:, 1] - landmarks[:, 0]).T
    return np.degrees(np.arctan2(y, x))
