"""The regions in an XMP packet: MWG (digiKam, Lightroom, Picasa, Apple), Microsoft, and IPTC."""

from collections.abc import Iterator

from lxml import etree

from classface_assets.core.geometry import Box
from classface_assets.services.face_regions.metadata.model import PacketContent, Region, RegionSet, Size, Standard
from classface_assets.services.face_regions.metadata.packets import (
    NAMESPACES,
    Element,
    X,
    field_element,
    field_number,
    field_text,
    items_of,
    parse_packet,
    property_element,
    property_text,
    texts_of,
)

NO_NAMES = frozenset({"", "unknown", "unconfirmed", "ignored", "unnamed"})
"""What programs write in place of a name: digiKam for faces that nobody has named yet, Picasa for others."""
_PEOPLE = ("People", "Persons", "Faces")
"""Top tags below which digiKam and Picasa put the names of people."""


def read_regions(data: bytes) -> PacketContent:
    """The regions and the other names of people in a packet or sidecar.

    Raises:
        RegionError: It is no XMP.
    """
    rdf = parse_packet(data)
    program, crop = _program(rdf), _crop(rdf)
    found = []
    for standard, read in ((Standard.MWG, _mwg), (Standard.MICROSOFT, _microsoft), (Standard.IPTC, _iptc)):
        size, every = read(rdf)
        named = tuple(region for region in every if region.name)
        if every:
            by = program or _usual_program(standard)
            found.append(RegionSet(named, standard, by, "", size, crop, len(every) - len(named)))
    tied = {region.name.casefold() for one in found for region in one.regions}
    untied = [name for name in _names_without_region(rdf) if name.casefold() not in tied]
    return PacketContent(tuple(found), tuple(dict.fromkeys(untied)))


def mwg_items(rdf: Element) -> list[Element]:
    """The items of an MWG region list, of any kind."""
    return items_of(field_element(property_element(rdf, "mwg-rs:Regions"), "mwg-rs:RegionList"))


def microsoft_items(rdf: Element) -> list[Element]:
    """The items of a Microsoft region list."""
    return items_of(field_element(property_element(rdf, "MP:RegionInfo"), "MPRI:Regions"))


def mwg_size(rdf: Element) -> Size | None:
    """The size that MWG regions apply to, in pixels."""
    size = field_element(property_element(rdf, "mwg-rs:Regions"), "mwg-rs:AppliedToDimensions")
    width, height = (field_number(size, f"stDim:{side}") for side in ("w", "h"))
    return (round(width), round(height)) if width and height and width >= 1 and height >= 1 else None


def mwg_region(item: Element, size: Size | None) -> Region | None:
    """The face of an item of an MWG region list, perhaps without a name; None where it is none, or has no area.

    The area's x and y are those of its centre. Without a unit, or `normalized`, it is in fractions.
    """
    if field_text(item, "mwg-rs:Type").casefold() not in ("", "face"):
        return None
    area = field_element(item, "mwg-rs:Area")
    x, y, w, h, d = (field_number(area, f"stArea:{name}") for name in ("x", "y", "w", "h", "d"))
    if (w is None or h is None) and d is not None:  # a circle: d is a fraction of the shorter side, or in pixels
        w = h = d
        if size is not None and _is_normalized(area):
            w, h = (d * min(size) / side for side in size)
    if x is None or y is None or not w or not h:
        return None
    box = (x - w / 2, y - h / 2, w, h)
    if not _is_normalized(area):
        if size is None:
            return None
        box = (box[0] / size[0], box[1] / size[1], w / size[0], h / size[1])
    return _region(field_text(item, "mwg-rs:Name"), box)


def microsoft_region(item: Element) -> Region | None:
    """The face of an item of a Microsoft region list: its rectangle is left, top, width, height in fractions."""
    numbers = field_text(item, "MPReg:Rectangle").replace(";", ",").split(",")
    try:
        x, y, w, h = map(float, numbers)
    except ValueError:
        return None
    return _region(field_text(item, "MPReg:PersonDisplayName"), (x, y, w, h))


def _mwg(rdf: Element) -> tuple[Size | None, list[Region]]:
    size = mwg_size(rdf)
    return size, [region for item in mwg_items(rdf) if (region := mwg_region(item, size)) is not None]


def _microsoft(rdf: Element) -> tuple[Size | None, list[Region]]:
    return None, [region for item in microsoft_items(rdf) if (region := microsoft_region(item)) is not None]


def _iptc(rdf: Element) -> tuple[Size | None, list[Region]]:
    """Rectangles of IPTC image regions with the names of the persons in them; pixels need the size, which MWG has."""
    found, size = [], mwg_size(rdf)
    for item in items_of(property_element(rdf, "Iptc4xmpExt:ImageRegion")):
        boundary = field_element(item, "Iptc4xmpExt:RegionBoundary")
        x, y, w, h = (field_number(boundary, f"Iptc4xmpExt:rb{name}") for name in ("X", "Y", "W", "H"))
        if x is None or y is None or not w or not h:
            continue
        box = (x, y, w, h)
        if field_text(boundary, "Iptc4xmpExt:rbUnit") == "pixel":
            if size is None:
                continue
            box = (x / size[0], y / size[1], w / size[0], h / size[1])
        people = texts_of(field_element(item, "Iptc4xmpExt:PersonInImage"))
        region = _region(people[0] if people else field_text(item, "Iptc4xmpExt:Name"), box)
        if region is not None:
            found.append(region)
    return size, found


def _region(name: str, box: Box) -> Region | None:
    """A region, unless it has no area or lies outside the picture."""
    x, y, w, h = box
    inside = w > 0 and h > 0 and x < 1 and y < 1 and x + w > 0 and y + h > 0 and max(w, h) <= 2
    cleaned = " ".join(name.split())
    return Region("" if cleaned.casefold() in NO_NAMES else cleaned, box) if inside else None


def _is_normalized(area: Element | None) -> bool:
    return field_text(area, "stArea:unit").casefold() in ("", "normalized")


def _crop(rdf: Element) -> Box | None:
    """The part that Lightroom and Camera Raw show: x, y, width, height in fractions of the stored picture.

    None where the crop is tilted, too: its corners then say nothing simple.
    """
    if property_text(rdf, "crs:HasCrop").casefold() != "true":
        return None
    if property_text(rdf, "crs:CropAngle").strip("+-0.") != "":
        return None
    try:
        left, top, right, bottom = (
            float(property_text(rdf, f"crs:Crop{side}")) for side in ("Left", "Top", "Right", "Bottom")
        )
    except ValueError:
        return None
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _program(rdf: Element) -> str:
    """The program that wrote the packet, as people call it; "" where it does not say."""
    tool = property_text(rdf, "xmp:CreatorTool")
    toolkit = str(rdf.getroottree().getroot().get(f"{{{X}}}xmptk") or "")
    tags = [str(name) for element in rdf.iter(etree.Element) for name in (element.tag, *element.attrib)]
    used = {name[1:].partition("}")[0] for name in tags if name.startswith("{")}
    stated = f"{tool} {toolkit} {property_text(rdf, 'digiKam:PickLabel') and 'digiKam'}".casefold()
    for word, program in (("digikam", "digiKam"), ("lightroom", "Lightroom"), ("picasa", "Picasa")):
        if word in stated:
            return program
    if NAMESPACES["digiKam"] in used:
        return "digiKam"
    if "adobe" in stated and (NAMESPACES["crs"] in used or NAMESPACES["lr"] in used):
        return "Lightroom"
    if NAMESPACES["apple-fi"] in used:
        return "Apple Photos"
    if "windows photo" in stated or "microsoft" in stated:
        return "Windows Photo Gallery"
    return ""


def _usual_program(standard: Standard) -> str:
    return {Standard.MICROSOFT: "Windows Photo Gallery", Standard.IPTC: "IPTC"}.get(standard, "XMP")


def _names_without_region(rdf: Element) -> Iterator[str]:
    """People whom a packet names without a place: IPTC's person in image, and tags below `People`."""
    yield from texts_of(property_element(rdf, "Iptc4xmpExt:PersonInImage"))
    for prefixed, separator in (("digiKam:TagsList", "/"), ("lr:hierarchicalSubject", "|")):
        for text in texts_of(property_element(rdf, prefixed)):
            top, _, name = text.partition(separator)
            if top in _PEOPLE and name and name.rpartition(separator)[2].casefold() not in NO_NAMES:
                yield name.rpartition(separator)[2]
