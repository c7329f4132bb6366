"""The face chip: the aligned square that every embedder cuts its own input from.

A chip is 192×192 RGB, the photo warped so that the five landmarks lie on the ArcFace template, enlarged by 1.2 and
centred. It is stored as JPEG, and it is all that is needed of a photo to embed a face again with another model.
"""

from math import ceil, floor

import numpy as np

from classface_assets.vision.faces import fit_similarity_transform
from classface_assets.vision.photos.decoding import END_OF_JPEG

CHIP_SIZE = 192
CHIP_SCALE = 1.2
# InsightFace's 112 px template (insightface/utils/face_align.py, arcface_dst).
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
CHIP_OFFSET = (CHIP_SIZE - 112 * CHIP_SCALE) / 2
CHIP_TEMPLATE = ARCFACE_TEMPLATE * CHIP_SCALE + CHIP_OFFSET


def warp_square(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The size×size square that a 2×3 matrix (image to square) cuts from an RGB image; black outside the image."""
    import cv2

    shrink = max(1, int(1 / max(abs(np.linalg.det(matrix[:, :2])) ** 0.5, 1e-3)))
    left, top, region = _source_region(image, cv2.invertAffineTransform(matrix).tolist(), size, shrink)
    across = down = 1.0
    if shrink > 1:  # bilinear sampling skips pixels when it shrinks by two or more, so they are averaged first
        small = (max(1, region.shape[1] // shrink), max(1, region.shape[0] // shrink))
        across, down = region.shape[1] / small[0], region.shape[0] / small[1]
        region = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
    to_image = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5], [0, 0, 1]])
    four = cv2.cvtColor(region, cv2.COLOR_RGB2RGBA)  # OpenCV warps four channels in half of the time of three
    square = cv2.warpAffine(four, matrix @ to_image, (size, size), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(square, cv2.COLOR_RGBA2RGB)


def _source_region(image: np.ndarray, back: list[list[float]], size: int, around: int) -> tuple[int, int, np.ndarray]:
    """What a square that `back` puts into an image shows of it, with some pixels around, and where that is."""
    (top, height), (left, width) = (
        _pixel_range([k + a * i + b * j for i in (0, size) for j in (0, size)], around, length)
        for (a, b, k), length in zip(reversed(back), image.shape[:2], strict=True)
    )
    return left, top, image[top : top + height, left : left + width]


def _pixel_range(corners: list[float], around: int, length: int) -> tuple[int, int]:
    """Where the pixels between the corners begin within a length, and how many there are: one at the least."""
    start = min(max(floor(min(corners)) - around, 0), length - 1)
    return start, max(min(ceil(max(corners)) + around, length) - start, 1)


def align_face(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The (192, 192, 3) chip of one face; image (H, W, 3) RGB, landmarks (5, 2) in its pixels."""
    return warp_square(image, fit_similarity_transform(landmarks, CHIP_TEMPLATE), CHIP_SIZE)


def warp_to_input(chip: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """An embedder's size×size input, cut from a chip by that embedder's fixed 2×3 matrix (chip frame to its frame)."""
    return warp_square(chip, matrix, size)


def chip_to_arcface(size: int = 112) -> np.ndarray:
    """Chip frame to the frame of an ArcFace model of that input size."""
    scale = size / 112
    return np.array([[1, 0, -CHIP_OFFSET], [0, 1, -CHIP_OFFSET]]) * scale / CHIP_SCALE


def encode_chip(chip: np.ndarray) -> bytes:
    """A chip as JPEG bytes, quality 92, colour at half the size as in most photos (about 9 kB)."""
    import cv2

    how = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), how)[1])


def decode_chip(data: bytes) -> np.ndarray:
    """The (H, W, 3) RGB pixels of a stored chip. Raises ValueError where they cannot be decoded."""
    import cv2

    whole = data.endswith(END_OF_JPEG)  # else OpenCV would fill what is missing with grey
    chip = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if whole else None
    if chip is None:
        raise ValueError("a chip that cannot be decoded")
    return chip


def try_decode_chip(data: bytes | None) -> np.ndarray | None:
    """The (192, 192, 3) pixels of a stored chip; None where it is empty, damaged or no chip."""
    try:
        chip = decode_chip(data or b"")
    except ValueError:
        return None
    return chip if chip.shape == (CHIP_SIZE, CHIP_SIZE, 3) else None
