"""How useful a face is: size and confidence in one number, sharpness in another. Pure functions."""

import numpy as np

FULL_AREA = 40_000  # pixels; a box of 200×200 or more counts as fully sized


def quality_score(box: np.ndarray, confidence: float) -> float:
    """0 to 1: half for the box's area (x, y, w, h in pixels), half for the detector's confidence."""
    return 0.5 * min(1.0, float(box[2] * box[3]) / FULL_AREA) + 0.5 * float(confidence)


def blur(chip: np.ndarray) -> float:
    """Variance of the Laplacian of a chip's grey values (Pech-Pacheco 2000): low is blurred, hundreds are sharp.

    Measured on the chip, so that faces of every size are compared at one scale.
    """
    import cv2

    return float(cv2.Laplacian(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
