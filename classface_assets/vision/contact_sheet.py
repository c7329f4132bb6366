"""Pictures made for people to look at."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from classface_assets.vision.alignment import try_decode_chip


def contact_sheet(chips: Sequence[bytes], size: int = 64, columns: int = 12) -> bytes:
    """One JPEG of the chips side by side, each size×size, for a preview; a grey tile for an empty or damaged one."""
    across = max(1, min(columns, len(chips)))
    down = max(1, -(-len(chips) // across))
    sheet = Image.new("RGB", (across * size, down * size), (128, 128, 128))
    for place, data in enumerate(chips):
        chip = try_decode_chip(data)
        if chip is None:
            continue
        tile = Image.fromarray(chip).resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(tile, (place % across * size, place // across * size))
    out = BytesIO()
    sheet.save(out, "JPEG", quality=85)
    return out.getvalue()
