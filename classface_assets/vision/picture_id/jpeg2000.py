"""The pieces of a JPEG 2000 file that make up its picture: codestream and colour definition (ITU-T T.800)."""

from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher, iso_boxes, unpack_at

START, TILE, DATA, END, COMMENT = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9, 0xFF64
HEADERS = (b"ihdr", b"bpcc", b"pclr", b"cmap", b"cdef")


def add_jpeg2000(hasher: PictureHasher, data: memoryview) -> None:
    """Add the first codestream without comments; of a JP2 file also the boxes that define its components."""
    if data[:4] == b"\xff\x4f\xff\x51":
        _add_codestream(hasher, data)
        return
    for kind, content in iso_boxes(data):
        if kind == b"jp2h":
            for name, inside in iso_boxes(content):
                if name in HEADERS:
                    hasher.add(name.decode(), inside)
                elif name == b"colr" and inside[:1] == b"\x01":  # an enumerated colour space; else a profile
                    hasher.add("colr", inside[3:7])
        elif kind == b"jp2c":
            _add_codestream(hasher, content)
            return
    raise BadStructureError("no codestream")


def _add_codestream(hasher: PictureHasher, data: memoryview) -> None:
    """Add the segments before the first tile, then each tile-part: its header, and its data to its stated end."""
    at, part_end = 2, 0
    while at + 2 <= len(data):
        (marker,) = unpack_at(">H", data, at)
        if marker == END:
            return
        if marker == DATA:
            if part_end <= at:
                raise BadStructureError("data outside of a tile")
            hasher.add("data", data[at + 2 : part_end])
            at = part_end
            continue
        (length,) = unpack_at(">H", data, at + 2)
        if marker == TILE:
            tile, part_length, *part = unpack_at(">HIBB", data, at + 4)
            part_end = at + part_length if part_length else len(data) - 2 * (data[-2:] == b"\xff\xd9")
            if part_end <= at + 12:
                raise BadStructureError("a tile-part is smaller than its own header")
            hasher.add_numbers("tile", tile, *part)
        elif marker != COMMENT:
            hasher.add(f"{marker:04x}", data[at + 4 : at + 2 + length])
        at += 2 + max(2, length)
    if not part_end:
        raise BadStructureError("no tile begins")
