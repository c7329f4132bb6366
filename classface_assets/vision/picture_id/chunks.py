"""The pieces of a PNG, WebP, GIF or BMP file that make up its picture."""

from collections.abc import Iterator

from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher, unpack_at

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GIF_IMAGE, GIF_EXTENSION, GIF_GRAPHIC_CONTROL = 0x2C, 0x21, 0xF9
BIT_FIELDS = (3, 6)  # BI_BITFIELDS, BI_ALPHABITFIELDS


def add_png(hasher: PictureHasher, data: memoryview) -> None:
    """Add header, palette, transparency and pixel data, however it is cut into chunks (W3C PNG, 5.6).

    The frames of an animation after the first have chunks of another name, and do not count.
    """
    if data[:8] != PNG_SIGNATURE:
        raise BadStructureError("no PNG signature")
    pixels = []
    for kind, content in _png_chunks(data):
        if kind in (b"IHDR", b"PLTE", b"tRNS"):
            hasher.add(kind.decode(), content)
        elif kind == b"IDAT":
            pixels.append(content)
        elif kind == b"IEND":
            break
    if not pixels:
        raise BadStructureError("no pixels")
    hasher.add("IDAT", *pixels)


def _png_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 8
    while at + 8 <= len(data):
        (length,) = unpack_at(">I", data, at)
        yield bytes(data[at + 4 : at + 8]), data[at + 8 : at + 8 + length]
        at += 12 + length


def add_webp(hasher: PictureHasher, data: memoryview) -> None:
    """Add the coded pixels and their transparency, of an animation those of its first frame (RFC 9649)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise BadStructureError("no WebP header")
    canvas: bytes | memoryview = b""
    for kind, content in _riff_chunks(data[12 : 8 + unpack_at("<I", data, 4)[0]]):
        if kind == b"VP8X":
            canvas = content[4:10]
        elif kind == b"ANIM":
            hasher.add("ANIM", canvas, content[:4])
        elif kind == b"ALPH":
            hasher.add("ALPH", content)
        elif kind in (b"VP8 ", b"VP8L", b"ANMF"):
            hasher.add(kind.decode(), content)
            return
    raise BadStructureError("no pixels")


def _riff_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        (length,) = unpack_at("<I", data, at + 4)
        yield bytes(data[at : at + 4]), data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def add_gif(hasher: PictureHasher, data: memoryview) -> None:
    """Add the screen, its palette, and the first image with its palette and transparent colour (GIF89a)."""
    if data[:3] != b"GIF":
        raise BadStructureError("no GIF header")
    (packed,) = unpack_at("B", data, 10)
    at = 13 + _gif_palette_bytes(packed)
    hasher.add("screen", data[6:at])
    transparent = b""
    while at < len(data) and data[at] == GIF_EXTENSION:
        (label,) = unpack_at("B", data, at + 1)
        if label == GIF_GRAPHIC_CONTROL:
            flags, index = unpack_at("BxxB", data, at + 3)
            transparent = bytes([index]) if flags & 1 else b""
        at = _gif_blocks_end(data, at + 2)
    if at >= len(data) or data[at] != GIF_IMAGE:
        raise BadStructureError("no image")
    (packed,) = unpack_at("B", data, at + 9)
    end = _gif_blocks_end(data, at + 11 + _gif_palette_bytes(packed))
    hasher.add("transparent", transparent)
    hasher.add("image", data[at:end])


def _gif_palette_bytes(packed: int) -> int:
    """The size of a palette in bytes."""
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0


def _gif_blocks_end(data: memoryview, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))


def add_bmp(hasher: PictureHasher, data: memoryview) -> None:
    """Add the header fields on how pixels are stored, masks, palette and pixels.

    Resolution, colour profile and what follows the pixels do not count.
    """
    if data[:2] != b"BM":
        raise BadStructureError("no BMP header")
    start, size = unpack_at("<II", data, 10)
    if size == 12:
        (width, height, _, bits), compression, stated = unpack_at("<HHHH", data, 18), 0, 0
    else:
        width, height, _, bits, compression, stated = unpack_at("<iiHHII", data, 18)
    hasher.add_numbers("header", size, width, height, bits, compression)
    if size > 40 or compression in BIT_FIELDS:
        hasher.add("masks", data[54 : 54 + (16 if size >= 56 or compression == BIT_FIELDS[1] else 12)])
    if bits <= 8:
        hasher.add("palette", data[14 + size : start])
    stride = (width * bits + 31) // 32 * 4
    length = stride * abs(height) if compression in (0, *BIT_FIELDS) else stated or len(data)
    hasher.add("pixels", data[start : start + length])
