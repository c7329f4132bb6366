"""How useful a face is: size and confidence in one number; sharpness, light and cut-off edges in others."""

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

    _, deviation = cv2.meanStdDev(cv2.Laplacian(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), cv2.CV_16S))
    return float(deviation[0, 0] ** 2)


def brightness(chip: np.ndarray) -> float:
    """Mean grey value, 0 to 255, of the middle half of a chip in each direction: the face without its background."""
    import cv2

    height, width = chip.shape[:2]
    middle = chip[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return float(cv2.cvtColor(np.ascontiguousarray(middle), cv2.COLOR_RGB2GRAY).mean())


def outside_share(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The share, 0 to 1, of each (n, 4) box x, y, w, h that lies outside a picture of that size."""
    low = np.clip(boxes[:, :2], 0, [width, height])
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, [width, height])
    area = np.prod(boxes[:, 2:], axis=1)
    share = 1 - np.prod(high - low, axis=1) / np.maximum(area, 1e-9)
    return np.clip(share, 0, 1).astype(np.float32)
