"""Plain geometry of faces: what a detector returns, overlap, suppression, the similarity fit behind every alignment.

No model and no file is touched here.
"""

from dataclasses import dataclass

import numpy as np

from classface_assets.core.geometry import overlap_ratios


@dataclass(frozen=True)
class FaceDetections:
    """Faces of one picture, best first: boxes (n, 4) as x, y, w, h; landmarks (n, 5, 2); scores (n,). Pixels, float32.

    Landmarks are, as seen in the picture: left eye, right eye, nose, left and right corner of the mouth.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, keep: np.ndarray) -> "FaceDetections":
        """The faces that a mask or an index array picks."""
        return FaceDetections(self.boxes[keep], self.landmarks[keep], self.scores[keep])

    def translated(self, dx: float, dy: float) -> "FaceDetections":
        """The same faces seen from an origin shifted by (-dx, -dy) pixels."""
        shift = np.array([dx, dy], np.float32)
        return FaceDetections(self.boxes + np.array([dx, dy, 0, 0], np.float32), self.landmarks + shift, self.scores)

    def scaled(self, factor: float) -> "FaceDetections":
        """The same faces in a picture of that many times the size."""
        return FaceDetections(self.boxes * np.float32(factor), self.landmarks * np.float32(factor), self.scores)


NO_DETECTIONS = FaceDetections(np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32))


def concat_detections(parts: list[FaceDetections]) -> FaceDetections:
    """All faces of several searches of one picture."""
    if not parts:
        return NO_DETECTIONS
    return FaceDetections(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("boxes", "landmarks", "scores")))


def nms(faces: FaceDetections, iou: float = 0.35, inside: float = 0.8) -> FaceDetections:
    """Greedy non-maximum suppression, best first.

    A box that lies `inside` a better one goes too: that is the eye or the chin of a face cut by the edge of a tile.
    """
    order = np.argsort(-faces.scores, kind="stable")
    keep = []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(best)
        union, smaller = overlap_ratios(faces.boxes[best], faces.boxes[rest])
        order = rest[(union < iou) & (smaller < inside)]
    return faces.take(np.array(keep, int))


def fit_similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2×3 matrix of rotation, scale and shift that takes (n, 2) source points closest to the target points.

    Least squares without reflection (Umeyama 1991), in two dimensions a single complex division.
    """
    a, b = source @ np.array([1, 1j]), target @ np.array([1, 1j])
    a_mean, b_mean = a.mean(), b.mean()
    spread = np.sum(np.abs(a - a_mean) ** 2)
    turn = np.sum(np.conj(a - a_mean) * (b - b_mean)) / spread if spread > 0 else 1.0 + 0j
    shift = b_mean - turn * a_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
