"""What is different in long strips, such as panoramas of a whole school: many faces, and small ones.

Measured on composed panoramas of six rows (`make bench-panorama`): the detector found nearly all of the faces; most of
those that were missing had been left out because their box was narrower than the smallest face that counts. In a
strip smaller ones count; to make up for it, every face must be found again in an enlarged picture of it alone.
"""

import numpy as np

from classface_assets.vision.detection.landmarks import find_again
from classface_assets.vision.detection.records import CHIP_FACE_PX
from classface_assets.vision.faces import FaceDetections
from classface_assets.vision.photos.image_pyramid import ImagePyramid
from classface_assets.vision.protocols import Detector

# A longer photo is searched as a row of ordinary ones: in one pass of so few pixels its faces would leave no trace.
STRIP_ASPECT, ORDINARY_ASPECT = 2.5, 4 / 3  # long side by short side, of a strip and of an ordinary photo
STRIP_RELIABLE_PX = 20  # strips are rare, and their faces small as a rule, so the finer passes start sooner
STRIP_SCALE = 0.2  # a face of 50 pixels is at least 10 wide in the first pass
# Where a quarter of a strip's faces are narrower than that at full size, it is searched enlarged as well. Of faces 16
# to 20 pixels wide, blurred or from a poor JPEG, 0.992 to 1.0 are found instead of 0.961 to 0.983; enlarged twice no
# more, in half as long again.
ENLARGED_BELOW_PX, ENLARGEMENT = 24, 1.5
STRIP_MIN_FACE = 0.6  # the smallest face that counts in a strip, relative to that of other photos
STRIP_SEARCH = 1
"""The version of the search of strips. A strip that an older version searched is searched again, for further faces."""


def is_strip(width: int, height: int) -> bool:
    """Whether a photo with these sides is searched as a strip."""
    return max(width, height) > STRIP_ASPECT * min(width, height)


def strip_search_version(pyramid: ImagePyramid) -> int | None:
    """STRIP_SEARCH of a strip; None of other photos."""
    return STRIP_SEARCH if is_strip(pyramid.width, pyramid.height) else None


def first_strip_side(tile_side: int, width: int, height: int) -> int:
    """The long side of the first pass over a strip with these sides, whose tiles have sides of `tile_side` pixels.

    Its short side becomes at least as long as that of an ordinary photo in the first pass.
    """
    longest = max(width, height)
    return round(max(tile_side / ORDINARY_ASPECT * longest / min(width, height), STRIP_SCALE * longest))


def needs_enlargement(faces: FaceDetections) -> bool:
    """Whether a quarter of a strip's faces, in pixels of the photo, are so narrow that it is searched enlarged."""
    return len(faces) > 0 and float(np.percentile(faces.boxes[:, 2], 25)) < ENLARGED_BELOW_PX


def smallest_face_px(min_face_px: int, pyramid: ImagePyramid) -> float:
    """The shorter side of the smallest face that counts in a photo, where `min_face_px` counts in ordinary ones."""
    return STRIP_MIN_FACE * min_face_px if is_strip(pyramid.width, pyramid.height) else min_face_px


def confirm_in_strip(detector: Detector, pyramid: ImagePyramid, faces: FaceDetections) -> np.ndarray:
    """Which faces the detector finds again in an enlarged picture of each alone.

    What is no face is rarely found twice: on composed panoramas faces scored 0.59 and more the second time, a thumb
    0.16, and second boxes of another size on two faces nothing.

    Args:
        detector: One of a single input size confirms all: a picture of one face is as much work as a whole photo.
        pyramid: The strip.
        faces: n faces in pixels of the photo.

    Returns:
        (n,) bool.
    """
    if detector.fixed_input or not len(faces):
        return np.ones(len(faces), bool)
    picture, scale = pyramid.at_resolution(float(faces.boxes[:, 2].min()), CHIP_FACE_PX)
    return find_again(detector, picture, faces.scaled(scale)).found
