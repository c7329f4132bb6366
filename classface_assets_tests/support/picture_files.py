"""Picture files for tests of identity: metadata written into the bytes of a file as other programs do it, pixels alone.

Each edit takes a file's bytes and gives new ones whose pixels are the same.
"""

import io
import struct
import zlib
from collections.abc import Callable

import pillow_heif
from PIL import Image

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/></rdf:RDF></x:xmpmeta>'
)
Edit = Callable[[bytes], bytes]


def encoded(picture: Image.Image, format_name: str, **options: object) -> bytes:
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    picture.save(out, format_name, **options)
    return out.getvalue()


def exif(orientation: int = 1, rating: int = 0, thumbnail: bytes = b"") -> bytes:
    """An EXIF block, little-endian, with an orientation, a rating and, in a second directory, a thumbnail."""
    entries = [(0x0112, 3, orientation), (0x4746, 3, rating)]
    first = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHIHH", t, k, 1, v, 0) for t, k, v in entries)
    after = 8 + len(first) + 4
    if not thumbnail:
        return b"II*\0\x08\0\0\0" + first + struct.pack("<I", 0)
    at = after + 2 + 2 * 12 + 4
    second = struct.pack("<HHHIIHHII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, len(thumbnail)) + struct.pack("<I", 0)
    return b"II*\0\x08\0\0\0" + first + struct.pack("<I", after) + second + thumbnail


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(*segments: bytes) -> Edit:
    """Behind the start of a JPEG."""
    return lambda data: data[:2] + b"".join(segments) + data[2:]


def without_segments(*markers: int) -> Edit:
    """A JPEG without the segments of these markers before its first scan."""

    def edit(data: bytes) -> bytes:
        out, at = data[:2], 2
        while data[at + 1] != 0xDA:
            end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
            out += b"" if data[at + 1] in markers else data[at:end]
            at = end
        return out + data[at:]

    return edit


def before_the_scan(*segments: bytes) -> Edit:
    def edit(data: bytes) -> bytes:
        at = data.index(b"\xff\xda")
        return data[:at] + b"".join(segments) + data[at:]

    return edit


def at_the_end(more: bytes) -> Edit:
    return lambda data: data + more


JPEG_EDITS: dict[str, Edit] = {
    "rating": with_segments(segment(0xE1, b"Exif\0\0" + exif(rating=5))),
    "orientation": with_segments(segment(0xE1, b"Exif\0\0" + exif(orientation=6))),
    "thumbnail": with_segments(segment(0xE1, b"Exif\0\0" + exif(thumbnail=b"\xff\xd8\xff\xda small \xff\xd9"))),
    "XMP": with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
    "IPTC": with_segments(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x04\x1c\x02\x19\0")),
    "colour profile": with_segments(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"profile" * 40)),
    "comment": with_segments(segment(0xFE, b"Sports day")),
    "comment before the scan": before_the_scan(segment(0xFE, b"\xff\xd9\xff\xda")),
    "fill bytes": before_the_scan(b"\xff\xff\xff"),
    "without JFIF": without_segments(0xE0),
    "bytes at the end": at_the_end(b"\0" * 100),
    "a video at the end": at_the_end(b"\0\0\0\x18ftypmp42\xff\xd8\xff\xd9"),
}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def with_png_chunks(*chunks: bytes) -> Edit:
    """Behind the header."""
    return lambda data: data[:33] + b"".join(chunks) + data[33:]


def cut_otherwise(data: bytes) -> bytes:
    """A PNG whose pixels' data are cut into small chunks."""
    chunks = png_chunks(data)
    pixels = b"".join(content for kind, content in chunks if kind == b"IDAT")
    small = [(b"IDAT", pixels[at : at + 1000]) for at in range(0, len(pixels), 1000)]
    others = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    return data[:8] + b"".join(png_chunk(*chunk) for chunk in [*others, *small, (b"IEND", b"")])


PNG_EDITS: dict[str, Edit] = {
    "text": with_png_chunks(png_chunk(b"tEXt", b"Title\0Day"), png_chunk(b"zTXt", b"a\0\0" + zlib.compress(b"b"))),
    "XMP": with_png_chunks(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "orientation": with_png_chunks(png_chunk(b"eXIf", exif(orientation=6))),
    "colours": with_png_chunks(png_chunk(b"gAMA", struct.pack(">I", 45455)), png_chunk(b"sRGB", b"\0")),
    "resolution": with_png_chunks(png_chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))),
    "cut otherwise": cut_otherwise,
    "bytes at the end": at_the_end(b"\0" * 100),
}


def with_webp_chunks(flags: int, *chunks: bytes) -> Edit:
    """A plain WebP as an extended one with these chunks behind its pixels."""

    def edit(data: bytes) -> bytes:
        picture = Image.open(io.BytesIO(data))
        width, height = ((side - 1).to_bytes(3, "little") for side in picture.size)
        body = b"WEBPVP8X" + struct.pack("<II", 10, flags) + width + height + data[12:] + b"".join(chunks)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    return edit


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


WEBP_EDITS: dict[str, Edit] = {
    "EXIF": with_webp_chunks(0x08, riff_chunk(b"EXIF", exif(orientation=6, rating=5))),
    "XMP": with_webp_chunks(0x04, riff_chunk(b"XMP ", XMP)),
    "bytes at the end": at_the_end(b"\0" * 100),
}


def with_gif_extensions(data: bytes) -> bytes:
    """A comment and an application's data behind the screen's colours."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    comment, application = b"\x21\xfe\x0aSports day\0", b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    return b"GIF89a" + data[6:at] + comment + application + data[at:]


def tiff(
    pixels: bytes, width: int, height: int, order: str = "<", big: bool = False, gap: int = 0, rows: int = 0,
    tags: tuple[tuple[int, int, tuple[int, ...]], ...] = (),
) -> bytes:  # fmt: skip
    """An uncompressed grey TIFF of 8 bits in strips of so many rows, `gap` bytes before each; further tags."""
    rows = rows or height
    strips = [pixels[at : at + rows * width] for at in range(0, len(pixels), rows * width)]
    out, places = bytearray(16 if big else 8), []
    for strip in strips:
        out += b"\x55" * gap
        places.append(len(out))
        out += strip
    lengths = tuple(map(len, strips))
    all_tags = [
        *((256, 4, (width,)), (257, 4, (height,)), (258, 3, (8,)), (259, 3, (1,)), (262, 3, (1,)), (277, 3, (1,))),
        *((278, 4, (rows,)), (273, 16 if big else 4, tuple(places)), (279, 4, lengths), *tags),
    ]
    size, offset = (8, "Q") if big else (4, "I")
    entries = b""
    for tag, kind, values in sorted(all_tags):
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}[kind]
        held = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(held) > size:
            out += b"\0" * (len(out) % 2)
            held, at = struct.pack(order + offset, len(out)), held
            out += at
        entries += struct.pack(f"{order}HH{offset}", tag, kind, len(values)) + held.ljust(size, b"\0")
    out += b"\0" * (len(out) % 2)
    count = struct.pack(order + ("Q" if big else "H"), len(all_tags))
    start, mark = len(out), b"II" if order == "<" else b"MM"
    out += count + entries + b"\0" * size
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    out[: 2 + len(head)] = mark + head
    return bytes(out)
