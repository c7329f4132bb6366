"""From fractions of a frame to pixels of the upright photo, and back: EXIF orientation, turned scans, and crops.

By the standard (MWG 2.0, chapter 5.9.3) regions refer to the picture as it is stored, whatever its orientation says;
so do digiKam, Lightroom and Apple. Picasa's own file and some versions of other programs mean the photo as it is shown.
The size that regions apply to tells the two apart where a photo is turned by a quarter; where it does not, the frame
is taken in which the regions lie on detected faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classface_assets.core.geometry import Box, match_boxes
from classface_assets.core.languages import gettext
from classface_assets.services.face_regions.metadata.model import PhotoFrame, RegionSet, Size, Standard
from classface_assets.vision.photos.same_shot import Affine, orientation_transform, transform_boxes

ASPECT_TOLERANCE = 0.02
"""How much two ratios of width to height may differ and still be of one picture, relative to one of them."""
ORIENTATION_OF_ROTATION = {0: 1, 90: 6, 180: 3, 270: 8}


@dataclass(frozen=True)
class PlacedRegions:
    """The regions of a set in pixels of the upright photo.

    Attributes:
        boxes: One for each region of the set.
        faces: For each region the index of the face that it lies on, or None.
        note: What was done, or doubted, about the frame; "" where everything is as the standard has it.
        doubtful: Whether the regions may not be of the picture as it is now: they must not become faces of their own.
    """

    boxes: tuple[Box, ...]
    faces: tuple[int | None, ...]
    note: str = ""
    doubtful: bool = False


@dataclass(frozen=True)
class _Candidate:
    """One way to read the fractions: boxes as fractions of the stored picture or of the shown one."""

    boxes: tuple[Box, ...]
    is_stored: bool
    note: str
    doubtful: bool = False


def to_stored_fractions(box: Box, frame: PhotoFrame) -> Box:
    """A box in pixels of the upright photo as fractions of the picture as it is stored, cut off at its edges."""
    matrix, width, height = _stored_to_turned(frame), *frame.stored
    x, y, w, h = transform_boxes(np.array([box], np.float64), _inverse(matrix))[0]
    left, top = max(0.0, x / width), max(0.0, y / height)
    right, bottom = min(1.0, (x + w) / width), min(1.0, (y + h) / height)
    return left, top, max(0.0, right - left), max(0.0, bottom - top)


def from_stored_fractions(boxes: Sequence[Box], frame: PhotoFrame) -> list[Box]:
    """Boxes in fractions of the picture as it is stored, in pixels of the upright photo."""
    return _transformed(boxes, frame.stored, _stored_to_turned(frame))


def from_shown_fractions(boxes: Sequence[Box], frame: PhotoFrame) -> list[Box]:
    """Boxes in fractions of the photo with its EXIF orientation applied, in pixels of the upright photo."""
    return _transformed(boxes, frame.upright, orientation_transform(_turn(frame), *frame.upright))


def same_aspect(a: Size, b: Size) -> bool:
    """Whether two sizes are of one picture, perhaps scaled."""
    return abs(a[0] * b[1] / (a[1] * b[0]) - 1) <= ASPECT_TOLERANCE


def place_regions(regions: RegionSet, frame: PhotoFrame, faces: Sequence[Box]) -> PlacedRegions:
    """Find where the regions of a set lie in the upright photo, and on which faces.

    The first way to read them is taken unless it meets no face and another one meets at least half of the regions.

    Args:
        regions: The set.
        frame: The photo.
        faces: The boxes of its faces.
    """
    placed = [_placed(candidate, frame, faces) for candidate in _candidates(regions, frame)]
    first, needed = placed[0], max(1, len(regions.regions) / 2)
    if _hits(first) or not regions.regions:
        return first
    best = max(placed, key=_hits)
    return best if _hits(best) >= needed else first


def _hits(placed: PlacedRegions) -> int:
    return sum(face is not None for face in placed.faces)


def _placed(candidate: _Candidate, frame: PhotoFrame, faces: Sequence[Box]) -> PlacedRegions:
    read = from_stored_fractions if candidate.is_stored else from_shown_fractions
    boxes = read(candidate.boxes, frame)
    return PlacedRegions(tuple(boxes), tuple(match_boxes(boxes, faces)), candidate.note, candidate.doubtful)


def _candidates(regions: RegionSet, frame: PhotoFrame) -> list[_Candidate]:
    """The ways to read a set, the most likely one first."""
    boxes = tuple(region.box for region in regions.regions)
    shown_note = gettext("drawn in the turned photo")
    stored, shown = _Candidate(boxes, True, ""), _Candidate(boxes, False, shown_note)
    if regions.standard == Standard.PICASA:
        shown = _Candidate(boxes, False, "")
        found = [
            shown,
            *([_Candidate(boxes, True, gettext("drawn in the photo as it is stored"))] * (frame.orientation > 1)),
        ]
    elif regions.applied_to is None or same_aspect(regions.applied_to, frame.stored):
        found = [stored, *([shown] * (frame.orientation > 1))]
    elif same_aspect(regions.applied_to, frame.upright):
        found = [shown, stored]
    else:
        found = _of_other_aspect(boxes, regions, frame)
    if regions.crop is not None:
        cropped = _Candidate(_uncropped(boxes, regions.crop), True, gettext("drawn in the cropped photo"))
        if regions.applied_to is not None and same_aspect(regions.applied_to, _crop_size(regions.crop, frame)):
            is_whole = same_aspect(regions.applied_to, frame.stored)
            return [*found, cropped] if is_whole else [cropped, *found]
        found.append(cropped)
    return found


def _of_other_aspect(boxes: tuple[Box, ...], regions: RegionSet, frame: PhotoFrame) -> list[_Candidate]:
    """The file has other proportions than the picture in which the regions were drawn: it was cropped since."""
    assert regions.applied_to is not None
    (width, height), (w, h) = regions.applied_to, frame.stored
    drawn, now = f"{width} × {height}", f"{w} × {h}"
    note = gettext(
        "drawn in a picture of %(drawn)s, but the file has %(now)s: it was cropped or edited since",
        drawn=drawn,
        now=now,
    )
    return [_Candidate(boxes, True, note, True), _Candidate(boxes, False, note, True)]


def _crop_size(crop: Box, frame: PhotoFrame) -> Size:
    return max(1, round(crop[2] * frame.stored[0])), max(1, round(crop[3] * frame.stored[1]))


def _uncropped(boxes: tuple[Box, ...], crop: Box) -> tuple[Box, ...]:
    """Fractions of a crop as fractions of the whole picture."""
    left, top, width, height = crop
    return tuple((left + x * width, top + y * height, w * width, h * height) for x, y, w, h in boxes)


def _turn(frame: PhotoFrame) -> int:
    """The orientation that stands for the quarter turns after EXIF."""
    return ORIENTATION_OF_ROTATION[frame.rotation % 360]


def _stored_to_turned(frame: PhotoFrame) -> Affine:
    """From stored pixels to those in which faces have their boxes."""
    first = orientation_transform(frame.orientation, *frame.stored)
    second = orientation_transform(_turn(frame), *frame.upright)
    shift = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.concatenate([second[:, :2] @ first[:, :2], shift[:, None]], axis=1)


def _inverse(transform: Affine) -> Affine:
    back = np.linalg.inv(transform[:, :2])
    return np.concatenate([back, -(back @ transform[:, 2])[:, None]], axis=1)


def _transformed(boxes: Sequence[Box], size: Size, transform: Affine) -> list[Box]:
    if not boxes:
        return []
    pixels = np.array(boxes, np.float64) * [size[0], size[1], size[0], size[1]]
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in transform_boxes(pixels, transform)]
