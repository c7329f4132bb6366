"""Contact sheets of face chips, as previews for people."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from classface_assets.vision.alignment import try_decode_chip


def contact_sheet(chips: Sequence[bytes], size: int = 64, columns: int = 12) -> bytes:
    """One JPEG of chips in rows.

    Args:
        chips: JPEG bytes each; an empty or damaged one becomes a grey tile.
        size: The side of a tile in pixels.
        columns: How many tiles a row holds at most.

    Returns:
        The bytes of the JPEG.
    """
    import cv2

    columns = max(1, min(columns, len(chips)))
    rows = max(1, -(-len(chips) // columns))
    sheet = Image.new("RGB", (columns * size, rows * size), (128, 128, 128))
    for i, data in enumerate(chips):
        chip = try_decode_chip(data)
        if chip is None:
            continue
        # A third of what Pillow's best filter takes; a school year has 48 tiles.
        tile = cv2.resize(chip, (size, size), interpolation=cv2.INTER_AREA)
        sheet.paste(Image.fromarray(tile), (i % columns * size, i // columns * size))
    out = BytesIO()
    sheet.save(out, "JPEG", quality=85)
    return out.getvalue()
