"""Geometry of detected faces: what a detector returns, non-maximum suppression, and the fit that aligns a face.

Pure NumPy: no model and no file.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.geometry import overlap_ratios


@dataclass(frozen=True)
class FaceDetections:
    """The faces of one picture, in its pixels, best first.

    Attributes:
        boxes: (n, 4) float32, x, y, w, h.
        landmarks: (n, 5, 2) float32; as seen in the picture: left eye, right eye, nose, left and right corner of the
            mouth.
        scores: (n,) float32, confidences from 0 to 1.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, keep: np.ndarray) -> "FaceDetections":
        """The faces at a boolean mask or an array of indices."""
        return FaceDetections(self.boxes[keep], self.landmarks[keep], self.scores[keep])

    def translated(self, dx: float, dy: float) -> "FaceDetections":
        """The same faces moved by (dx, dy) pixels."""
        shift = np.array([dx, dy], np.float32)
        return FaceDetections(self.boxes + np.array([dx, dy, 0, 0], np.float32), self.landmarks + shift, self.scores)

    def scaled(self, factor: float) -> "FaceDetections":
        """The same faces in a picture of `factor` times the size."""
        return FaceDetections(self.boxes * np.float32(factor), self.landmarks * np.float32(factor), self.scores)


NO_DETECTIONS = FaceDetections(np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32))


def concat_detections(parts: list[FaceDetections]) -> FaceDetections:
    """All faces of several passes over one picture, in the order given."""
    if not parts:
        return NO_DETECTIONS
    return FaceDetections(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("boxes", "landmarks", "scores")))


def nms(faces: FaceDetections, iou: float = 0.35, inside: float = 0.8) -> FaceDetections:
    """Greedy non-maximum suppression.

    Args:
        faces: In any order.
        iou: A box with at least that intersection over union with a better one is removed.
        inside: So is a box of which that share lies inside a better one, or the other way round: it is the eye or the
            chin of a face that the edge of a tile cuts.

    Returns:
        The remaining faces, best first.
    """
    order = np.argsort(-faces.scores, kind="stable")
    keep = []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(best)
        union, smaller = overlap_ratios(faces.boxes[best], faces.boxes[rest])
        order = rest[(union < iou) & (smaller < inside)]
    return faces.select(np.array(keep, int))


def fit_similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift that map source points closest to target points.

    Least squares without reflection (Umeyama 1991), in two dimensions a single complex division.

    Args:
        source: (n, 2) points.
        target: (n, 2) points.

    Returns:
        The (2, 3) matrix.
    """
    a, b = source @ np.array([1, 1j]), target @ np.array([1, 1j])
    a_mean, b_mean = a.mean(), b.mean()
    spread = np.sum(np.abs(a - a_mean) ** 2)
    turn = np.sum(np.conj(a - a_mean) * (b - b_mean)) / spread if spread > 0 else 1.0 + 0j
    shift = b_mean - turn * a_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
