"""The pieces of a HEIC, HEIF or AVIF file that make up its picture: the coded items that its primary item needs.

Sources: ISO/IEC 14496-12 (8.11: meta, iloc, iinf, iref), ISO/IEC 23008-12 (HEIF), the AV1 Image File Format.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher, iso_boxes, unpack_at

# Not among them: the orientation (irot, imir), colour profiles, what depends on the display.
DECODING_PROPERTIES = frozenset(
    (
        *(b"hvcC", b"lhvC", b"av1C", b"vvcC", b"evcC", b"jpgC", b"j2kH", b"uncC", b"cmpd"),
        *(b"ispe", b"pixi", b"auxC", b"clap", b"lsel", b"a1op", b"a1lx"),
    )
)
ALPHA_URNS = (b":alpha", b":hevc:2015:auxid:1")
Extents = list[tuple[int, int]]


@dataclass
class _HeifItems:
    """The items of a file: types, places of their bytes (in the file, or in the `idat` of the meta box), properties."""

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, tuple[int, Extents]] = field(default_factory=dict)
    properties: dict[int, list[tuple[bytes, memoryview]]] = field(default_factory=dict)
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)
    idat: memoryview = field(default_factory=lambda: memoryview(b""))


def add_heif(hasher: PictureHasher, data: memoryview) -> None:
    """Add the primary item, the items that it is composed of, and its transparency. Raises BadStructureError."""
    meta = _read_meta(data)
    if meta.primary not in meta.types:
        raise BadStructureError("no primary item")
    _add_item(hasher, data, meta, meta.primary, frozenset())
    for (kind, item), targets in sorted(meta.references.items()):
        if kind == b"auxl" and meta.primary in targets and _is_alpha(meta, item):
            hasher.add_numbers("alpha")
            _add_item(hasher, data, meta, item, frozenset())


def heif_orientation(data: memoryview) -> int:
    """The EXIF orientation (1 to 8) equal to the primary item's irot and imir; 1 if these cannot be read.

    Both apply in the order in which they are listed; irot rotates anticlockwise in steps of 90 degrees.

    Args:
        data: The bytes of the file.
    """
    orientation = 1
    with suppress(BadStructureError, IndexError):
        meta = _read_meta(data)
        for kind, content in meta.properties.get(meta.primary, []):
            if kind == b"irot":
                for _ in range(content[0] & 3):
                    orientation = TURNED_LEFT[orientation]
            elif kind == b"imir":
                orientation = (MIRRORED_SIDEWAYS if content[0] & 1 else MIRRORED_UPSIDE_DOWN)[orientation]
    return orientation


# The orientation that equals one of 1 to 8 followed by the rotation or the mirror.
TURNED_LEFT = {1: 8, 2: 5, 3: 6, 4: 7, 5: 4, 6: 1, 7: 2, 8: 3}
MIRRORED_SIDEWAYS = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7}
MIRRORED_UPSIDE_DOWN = {1: 4, 2: 3, 3: 2, 4: 1, 5: 8, 6: 7, 7: 6, 8: 5}


def _add_item(hasher: PictureHasher, data: memoryview, meta: _HeifItems, item: int, above: frozenset[int]) -> None:
    if item in above:
        raise BadStructureError("an item is composed of itself")
    kind = meta.types.get(item)
    if kind is None:
        raise BadStructureError(f"there is no item {item}")
    hasher.add("item", kind)
    for name, content in meta.properties.get(item, []):
        if name in DECODING_PROPERTIES or (name == b"colr" and content[:4] == b"nclx"):
            hasher.add(name.decode("latin-1"), content)
    method, extents = meta.places.get(item, (0, []))
    source = meta.idat if method else data
    hasher.add("coded", *(source[at : at + length] if length else source[at:] for at, length in extents))
    for part in meta.references.get((b"dimg", item), []):
        _add_item(hasher, data, meta, part, above | {item})


def _is_alpha(meta: _HeifItems, item: int) -> bool:
    urns = [bytes(content[4:]).rstrip(b"\0") for name, content in meta.properties.get(item, []) if name == b"auxC"]
    return any(urn.endswith(ALPHA_URNS) for urn in urns)


def _read_meta(data: memoryview) -> _HeifItems:
    content = next((inside for kind, inside in iso_boxes(data) if kind == b"meta"), None)
    if content is None:
        raise BadStructureError("no meta box")
    found = _HeifItems()
    for kind, inside in iso_boxes(content[4:]):
        if kind == b"pitm":
            (found.primary,) = unpack_at(">I" if inside[0] else ">H", inside, 4)
        elif kind == b"iinf":
            found.types = dict(_item_types(inside))
        elif kind == b"iloc":
            found.places = dict(_item_locations(inside))
        elif kind == b"iprp":
            found.properties = _item_properties(inside)
        elif kind == b"iref":
            found.references = dict(_item_references(inside))
        elif kind == b"idat":
            found.idat = inside
    return found


def _item_types(iinf: memoryview) -> Iterator[tuple[int, bytes]]:
    for kind, infe in iso_boxes(iinf[8 if iinf[0] else 6 :]):
        if kind == b"infe" and infe[0] >= 2:
            wide = infe[0] >= 3
            (item,) = unpack_at(">I" if wide else ">H", infe, 4)
            yield item, bytes(infe[10:14] if wide else infe[8:12])


def _item_locations(iloc: memoryview) -> Iterator[tuple[int, tuple[int, Extents]]]:
    """Item → construction method (0: in the file, 1: in idat) and extents (offset, length; a length of 0: all)."""
    read = _Reader(iloc, 4)
    version, sizes = iloc[0], read.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    wide = 4 if version == 2 else 2
    for _ in range(read.number(wide)):
        item, method = read.number(wide), read.number(2) & 15 if version else 0
        elsewhere, base = read.number(2), read.number(base_size)
        extents = []
        for _ in range(read.number(2)):
            read.number(index_size)
            extents.append((base + read.number(offset_size), read.number(length_size)))
        if method > 1 or elsewhere:
            raise BadStructureError("an item lies in another item or file")
        yield item, (method, extents)


def _item_properties(iprp: memoryview) -> dict[int, list[tuple[bytes, memoryview]]]:
    """Item → its properties in the order in which they are listed."""
    there: list[tuple[bytes, memoryview]] = []
    of_item: dict[int, list[tuple[bytes, memoryview]]] = defaultdict(list)
    for kind, content in iso_boxes(iprp):
        if kind == b"ipco":
            there = list(iso_boxes(content))
        elif kind == b"ipma":
            read = _Reader(content, 4)
            wide_index = content[3] & 1
            for _ in range(read.number(4)):
                item = read.number(4 if content[0] else 2)
                for _ in range(read.number(1)):
                    index = read.number(2) & 0x7FFF if wide_index else read.number(1) & 0x7F
                    of_item[item] += there[index - 1 : index] if index else []
    return of_item


def _item_references(iref: memoryview) -> Iterator[tuple[tuple[bytes, int], list[int]]]:
    """(Kind, item that refers) → items referred to."""
    wide = 4 if iref[0] else 2
    for kind, content in iso_boxes(iref[4:]):
        read = _Reader(content, 0)
        item, count = read.number(wide), read.number(2)
        yield (kind, item), [read.number(wide) for _ in range(count)]


class _Reader:
    """Reads integers of any number of bytes one after another; of 0 bytes they are 0."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at

    def number(self, size: int) -> int:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise BadStructureError("a number lies beyond the end")
        self._at += size
        return int.from_bytes(found, "big")
