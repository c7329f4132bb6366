"""Making a face in a picture unrecognisable for good: the pixels are replaced, so nothing can bring them back."""

import hashlib
from collections.abc import Iterable

from PIL import Image, ImageDraw

from classface_assets.core.geometry import Box

HEAD_MARGIN_SIDE, HEAD_MARGIN_ABOVE, HEAD_MARGIN_BELOW = 0.4, 0.6, 0.4
"""How much further than the box of a face a head, its hair and chin may reach, in longer sides of the box. A head that
is tilted reaches as far to either side."""
BLUR_CELLS = 4
"""A blurred head is made of so many cells a side, each of one mean colour, drawn smoothly: about two for a face."""
COVER_GREY = (118, 118, 118)


def head_area(box: Box) -> Box:
    """What to cover so that no part of the head shows."""
    x, y, w, h = box
    longer = max(w, h)
    return (
        x - HEAD_MARGIN_SIDE * longer,
        y - HEAD_MARGIN_ABOVE * longer,
        w + 2 * HEAD_MARGIN_SIDE * longer,
        h + (HEAD_MARGIN_ABOVE + HEAD_MARGIN_BELOW) * longer,
    )


def cover_faces(picture: Image.Image, boxes: Iterable[Box], scale: float, how: str) -> None:
    """Covers the head around each box, in pixels of a photo of which `picture` is `scale` times the size, with a grey
    `box` or a `blur`."""
    for box in boxes:
        x, y, w, h = (value * scale for value in head_area(box))
        left, top = max(int(x), 0), max(int(y), 0)
        right, bottom = min(int(x + w) + 1, picture.width), min(int(y + h) + 1, picture.height)
        if right <= left or bottom <= top:
            continue
        area = (left, top, right, bottom)
        if how == "blur":
            cells = picture.crop(area).resize((BLUR_CELLS, BLUR_CELLS), Image.Resampling.BOX)
            picture.paste(cells.resize((right - left, bottom - top), Image.Resampling.BICUBIC), area)
        else:
            ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), fill=COVER_GREY)


def cover_key(boxes: Iterable[Box], how: str) -> str:
    """Stands for what is covered and how, in the name of a picture that was made so."""
    drawn = repr(
        (
            HEAD_MARGIN_SIDE,
            HEAD_MARGIN_ABOVE,
            HEAD_MARGIN_BELOW,
            BLUR_CELLS,
            [[round(value, 1) for value in box] for box in boxes],
        )
    )
    return f"{how}-{hashlib.blake2b(drawn.encode(), digest_size=6).hexdigest()}"
