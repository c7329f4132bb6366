"""Face alignment: the face chip, the aligned square from which each embedder's input is cut.

A chip is 192×192 RGB: the photo is warped so that the five landmarks lie on the ArcFace template, enlarged by 1.2 and
centred. It is stored as JPEG, and a face can be embedded with another model from the chip alone.
"""

from math import ceil, floor

import numpy as np

from classface_assets.core.schemas import END_OF_JPEG
from classface_assets.vision.faces import fit_similarity_transform

CHIP_SIZE = 192
CHIP_SCALE = 1.2
# InsightFace's 112 px template (insightface/utils/face_align.py, arcface_dst).
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
CHIP_OFFSET = (CHIP_SIZE - 112 * CHIP_SCALE) / 2
CHIP_TEMPLATE = ARCFACE_TEMPLATE * CHIP_SCALE + CHIP_OFFSET


def warp_square(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Cut a square out of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        matrix: (2, 3), from pixels of the image to pixels of the square.
        size: The side of the square in pixels.

    Returns:
        (size, size, 3) uint8 RGB, black outside of the image.
    """
    import cv2

    shrink = max(1, int(1 / max(abs(np.linalg.det(matrix[:, :2])) ** 0.5, 1e-3)))
    left, top, region = _source_region(image, cv2.invertAffineTransform(matrix).tolist(), size, shrink)
    scale_x = scale_y = 1.0
    if shrink > 1:  # bilinear sampling skips pixels when it shrinks by two or more, so they are averaged first
        small = (max(1, region.shape[1] // shrink), max(1, region.shape[0] // shrink))
        scale_x, scale_y = region.shape[1] / small[0], region.shape[0] / small[1]
        region = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
    to_image = np.array([[scale_x, 0, left + scale_x / 2 - 0.5], [0, scale_y, top + scale_y / 2 - 0.5], [0, 0, 1]])
    four = cv2.cvtColor(region, cv2.COLOR_RGB2RGBA)  # OpenCV warps four channels in half of the time of three
    square = cv2.warpAffine(four, matrix @ to_image, (size, size), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(square, cv2.COLOR_RGBA2RGB)


def _source_region(
    image: np.ndarray, inverse: list[list[float]], size: int, margin: int
) -> tuple[int, int, np.ndarray]:
    """Left, top and pixels of the region that a square shows, with a margin; `inverse` maps the square to the image."""
    (top, height), (left, width) = (
        _pixel_range([k + a * i + b * j for i in (0, size) for j in (0, size)], margin, length)
        for (a, b, k), length in zip(reversed(inverse), image.shape[:2], strict=True)
    )
    return left, top, image[top : top + height, left : left + width]


def _pixel_range(corners: list[float], margin: int, length: int) -> tuple[int, int]:
    """Where the pixels between the corners begin within a length, and their count, at least 1."""
    start = min(max(floor(min(corners)) - margin, 0), length - 1)
    return start, max(min(ceil(max(corners)) + margin, length) - start, 1)


def align_face(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The chip of one face.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (5, 2) in pixels of the image.

    Returns:
        (192, 192, 3) uint8 RGB.
    """
    return warp_square(image, fit_similarity_transform(landmarks, CHIP_TEMPLATE), CHIP_SIZE)


def warp_to_input(chip: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """An embedder's (size, size, 3) input, cut from a chip by its fixed 2×3 matrix from the chip's frame to its own."""
    return warp_square(chip, matrix, size)


def chip_to_arcface(size: int = 112) -> np.ndarray:
    """The 2×3 matrix from the frame of a chip to that of an ArcFace model with that input size."""
    scale = size / 112
    return np.array([[1, 0, -CHIP_OFFSET], [0, 1, -CHIP_OFFSET]]) * scale / CHIP_SCALE


def encode_chip(chip: np.ndarray) -> bytes:
    """A chip as JPEG bytes of quality 92, with colour at half the size as in most photos (about 9 kB)."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), options)[1])


def decode_chip(data: bytes) -> np.ndarray:
    """The (H, W, 3) uint8 RGB pixels of a stored chip. Raises ValueError if they cannot be decoded."""
    import cv2

    complete = data.endswith(END_OF_JPEG)  # else OpenCV would fill what is missing with grey
    chip = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if complete else None
    if chip is None:
        raise ValueError("a chip that cannot be decoded")
    return chip


def try_decode_chip(data: bytes | None) -> np.ndarray | None:
    """The (192, 192, 3) pixels of a stored chip; None if it is empty, damaged or no chip."""
    try:
        chip = decode_chip(data or b"")
    except ValueError:
        return None
    return chip if chip.shape == (CHIP_SIZE, CHIP_SIZE, 3) else None
