"""The pieces of a TIFF or BigTIFF file that make up a picture: strips or tiles of one page, and how they are stored."""

from typing import NamedTuple

from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher, unpack_at

BITS, ROWS_PER_STRIP, OLD_JPEG = 258, 278, (513, 514, 519)
STRIPS, TILES = (273, 279), (324, 325)  # the tags of offsets and byte counts
# The tags on how pixels are stored, with the default of each (TIFF 6.0; technical notes 1 and 2).
STORAGE_TAGS: dict[int, tuple[int, ...]] = {
    **dict.fromkeys((256, 257, 262, 292, 293, 320, 322, 323, 332, 338, 347, 529, 530, 531, 532, 50674), ()),
    **dict.fromkeys((BITS, 259, 266, 277, 284, 317, 339), (1,)),
    ROWS_PER_STRIP: (2**32 - 1,),
}
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii", 11: "I", 12: "Q", 13: "I"}
BIG_TYPES = {16: "Q", 17: "q", 18: "Q"}


class _ByteLayout(NamedTuple):
    """The `struct` formats of the file: byte order, an entry count, an entry, an offset; and an offset's size."""

    order: str
    entries: str
    entry: str
    offset: str
    size: int


def add_tiff(hasher: PictureHasher, data: memoryview, page: int) -> None:
    """Add the strips or tiles of a page in their order, wherever they lie, and STORAGE_TAGS.

    Args:
        hasher: Takes the pieces.
        data: The bytes of the file.
        page: The page, from 0.

    Raises:
        BadStructureError: Also for JPEG as in TIFF 6.0, whose pieces may lie anywhere.
    """
    layout, at = _read_header(data)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(page + 1):
        if not at:
            raise BadStructureError(f"there is no page {page}")
        tags, at = _read_directory(data, layout, at)
    if any(tag in tags for tag in OLD_JPEG):
        raise BadStructureError("JPEG as in TIFF 6.0")
    places, lengths = next(((tags[a], tags[b]) for a, b in (STRIPS, TILES) if a in tags and b in tags), ((), ()))
    if not places or len(places) != len(lengths):
        raise BadStructureError("no strips or tiles")
    for tag, default in sorted(STORAGE_TAGS.items()):
        hasher.add_numbers(str(tag), *tags.get(tag, default))
    if max(tags.get(BITS, (1,))) > 8:
        hasher.add("byte order", layout.order.encode())
    hasher.add_slices("pixels", [data[a : a + n] for a, n in _merge_adjacent(places, lengths)])


def _read_header(data: memoryview) -> tuple[_ByteLayout, int]:
    """The byte layout, and the offset of the first page's directory."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        raise BadStructureError("no TIFF header")
    (version,) = unpack_at(f"{order}H", data, 2)
    if version == 43:
        byte_layout = _ByteLayout(order, "Q", "HHQ", "Q", 8)
        return byte_layout, unpack_at(f"{order}Q", data, 8)[0]
    return _ByteLayout(order, "H", "HHI", "I", 4), unpack_at(f"{order}I", data, 4)[0]


def _read_directory(data: memoryview, byte_layout: _ByteLayout, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """The tags of a page that count, with their values; and the offset of the next directory, 0 if there is none."""
    (count,) = unpack_at(byte_layout.order + byte_layout.entries, data, at)
    at += 8 if byte_layout.entries == "Q" else 2
    length = 4 + 2 * byte_layout.size
    relevant = {*STORAGE_TAGS, *STRIPS, *TILES, *OLD_JPEG}
    tags = {}
    for entry in range(at, at + count * length, length):
        tag, kind, values = unpack_at(byte_layout.order + byte_layout.entry, data, entry)
        if tag in relevant:
            tags[tag] = _read_values(data, byte_layout, entry + 4 + byte_layout.size, kind, values)
    return tags, unpack_at(byte_layout.order + byte_layout.offset, data, at + count * length)[0]


def _read_values(data: memoryview, byte_layout: _ByteLayout, at: int, kind: int, count: int) -> tuple[int, ...]:
    layout = (TYPES | BIG_TYPES).get(kind)
    if layout is None or count > len(data):
        raise BadStructureError(f"a tag of the type {kind}")
    size = {"B": 1, "b": 1, "H": 2, "h": 2, "Q": 8, "q": 8, "II": 8, "ii": 8}.get(layout, 4)
    if size * count > byte_layout.size:
        (at,) = unpack_at(byte_layout.order + byte_layout.offset, data, at)
    return unpack_at(f"{byte_layout.order}{count * len(layout)}{layout[0]}", data, at)


def _merge_adjacent(places: tuple[int, ...], lengths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Adjacent strips merged into one: a scan may have one strip for each row."""
    merged: list[tuple[int, int]] = []
    for at, length in zip(places, lengths, strict=True):
        if merged and sum(merged[-1]) == at:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((at, length))
    return merged
