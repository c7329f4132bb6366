"""Anonymises faces in a picture: pixels are replaced, so that they cannot be restored."""

import hashlib
from collections.abc import Iterable

import polars as pl
from PIL import Image, ImageDraw

from classface_assets.core.geometry import Box, boxes_intersect

HEAD_MARGIN_SIDE, HEAD_MARGIN_ABOVE, HEAD_MARGIN_BELOW = 0.4, 0.6, 0.4
"""How far a head with its hair and chin may reach beyond the box of the face, in longer sides of the box; a tilted head
reaches as far to either side."""
BLUR_CELLS = 4
"""How many cells of one mean colour, a side, a blurred head has, drawn smoothly: about two for a face."""
COVER_GREY = (118, 118, 118)


def head_area(box: Box) -> Box:
    """The area to cover so that no part of the head is visible.

    >>> head_area((100, 100, 50, 50))
    (80.0, 70.0, 90.0, 100.0)
    """
    x, y, w, h = box
    longer = max(w, h)
    return (
        x - HEAD_MARGIN_SIDE * longer,
        y - HEAD_MARGIN_ABOVE * longer,
        w + 2 * HEAD_MARGIN_SIDE * longer,
        h + (HEAD_MARGIN_ABOVE + HEAD_MARGIN_BELOW) * longer,
    )


def cover_faces(picture: Image.Image, boxes: Iterable[Box], scale: float, method: str) -> None:
    """Cover the head around each box, in place.

    Args:
        picture: The photo at some scale, RGB.
        boxes: Boxes of faces in pixels of the photo.
        scale: Pixels of the picture for each pixel of the photo.
        method: `box` (grey) or `blur`.
    """
    for box in boxes:
        x, y, w, h = (value * scale for value in head_area(box))
        left, top = max(int(x), 0), max(int(y), 0)
        right, bottom = min(int(x + w) + 1, picture.width), min(int(y + h) + 1, picture.height)
        if right <= left or bottom <= top:
            continue
        area = (left, top, right, bottom)
        if method == "blur":
            cells = picture.crop(area).resize((BLUR_CELLS, BLUR_CELLS), Image.Resampling.BOX)
            picture.paste(cells.resize((right - left, bottom - top), Image.Resampling.BICUBIC), area)
        else:
            ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), fill=COVER_GREY)


def cover_key(boxes: Iterable[Box], method: str) -> str:
    """A key of what is covered and by which method, for the file name of the picture."""
    parameters = repr(
        (
            HEAD_MARGIN_SIDE,
            HEAD_MARGIN_ABOVE,
            HEAD_MARGIN_BELOW,
            BLUR_CELLS,
            [[round(value, 1) for value in box] for box in boxes],
        )
    )
    return f"{method}-{hashlib.blake2b(parameters.encode(), digest_size=6).hexdigest()}"


def faces_near_covered(faces: pl.DataFrame, photos: pl.DataFrame) -> list[str]:
    """The ids of the faces of which a crop would show a part of a covered face.

    Args:
        faces: face_id, path, bbox_x, bbox_y, bbox_w, bbox_h.
        photos: path, `covered` (boxes) and `cover` (null where nothing is covered).
    """
    boxes = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
    covered = photos.drop_nulls("cover").select("path", "covered")
    pairs = faces.select("face_id", "path", *boxes).join(covered, on="path").iter_rows()
    return [
        face
        for face, _, x, y, w, h, areas in pairs
        if any(boxes_intersect(head_area((x, y, w, h)), area) for area in areas)
    ]
