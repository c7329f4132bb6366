"""Regions and keywords of people put into an XMP packet, and taken out of it; everything else stays as it is.

Both forms are written, MWG and Microsoft, in the plainest of RDF's spellings, which every program reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from classface_assets.core.geometry import SAME_FACE_IOU, box_iou
from classface_assets.core.languages import gettext
from classface_assets.services.face_regions.metadata.formats import (
    microsoft_items,
    microsoft_region,
    mwg_items,
    mwg_region,
    mwg_size,
)
from classface_assets.services.face_regions.metadata.frames import same_aspect
from classface_assets.services.face_regions.metadata.model import Region, RegionError, Size
from classface_assets.services.face_regions.metadata.packets import (
    RDF,
    Element,
    add_child,
    add_property,
    array_of,
    field_element,
    is_empty,
    items_of,
    new_packet,
    parse_packet,
    property_element,
    remove_element,
    serialize_packet,
)

OURS_IOU = 0.9
"""From this overlap on a region of the same name is the one that was written; programs round its numbers."""
DECIMALS = 6
TAG_FORMS = (
    ("dc:subject", "Bag", "{}"),
    ("lr:hierarchicalSubject", "Bag", "People|{}"),
    ("digiKam:TagsList", "Seq", "People/{}"),
)
"""The lists of keywords of all programs, of Lightroom and of digiKam: property, kind of array, form of a name."""


@dataclass(frozen=True)
class PacketChange:
    """A packet as it is to be.

    Attributes:
        data: Its bytes; None where nothing is left in it, so that a sidecar can go.
        changed: Whether it differs from what was there.
        written: The regions of ours that it has.
        keywords: Names that were added as keywords, and were not there before.
        conflicts: (our name, the other name) of faces that another program's region in it names differently.
    """

    data: bytes | None
    changed: bool
    written: tuple[Region, ...] = ()
    keywords: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TargetNames:
    """What a packet is to hold of ours.

    Attributes:
        regions: In fractions of the stored picture.
        size: The size of the stored picture.
        keywords: Whether the names are keywords too.
    """

    regions: tuple[Region, ...]
    size: Size
    keywords: bool = False


@dataclass(frozen=True)
class OwnedNames:
    """What an earlier call wrote into a packet: its regions, and the names that it added as keywords."""

    regions: tuple[Region, ...] = ()
    keywords: tuple[str, ...] = ()


def update_packet(data: bytes | None, wanted: TargetNames, owned: OwnedNames) -> PacketChange:
    """Put regions into a packet in place of those of an earlier call.

    A region of another program on the same face stays: with the same name it makes ours unnecessary, with another one
    it is a conflict and ours is not written. One without a name gives way.

    Args:
        data: The packet; None where there is none yet.
        wanted: What it is to hold.
        owned: What it holds of ours.

    Raises:
        RegionError: It cannot be read, or its regions refer to another frame.
    """
    rdf = new_packet() if data is None else parse_packet(data)
    theirs = _regions_of_others(rdf, owned)
    size = mwg_size(rdf)
    if theirs and size is not None and not same_aspect(size, wanted.size):
        frames = {
            "theirs": f"{size[0]} × {size[1]}",
            "ours": f"{wanted.size[0]} × {wanted.size[1]}",
        }
        raise RegionError(
            gettext("another program's regions in it refer to a picture of %(theirs)s, not of %(ours)s", **frames)
        )
    ours, conflicts = [], []
    for region in wanted.regions:
        other = next((one for one in theirs if one.name and box_iou(one.box, region.box) >= SAME_FACE_IOU), None)
        if other is None:
            ours.append(region)
        elif other.name.casefold() != region.name.casefold():
            conflicts.append((region.name, other.name))
    names = [region.name for region in ours] if wanted.keywords else []
    missing = _missing_keywords(rdf, names, owned.keywords)
    keep = [name for name in owned.keywords if name in names]
    done = _Done(rdf, owned)
    if done.has(ours) and not missing and set(keep) == set(owned.keywords) and (data is not None or not ours):
        return PacketChange(data, False, tuple(ours), tuple(keep), tuple(conflicts))
    _remove(rdf, owned, [name for name in owned.keywords if name not in names])
    _remove_unnamed(rdf, ours)
    _add_regions(rdf, ours, wanted.size)
    for name in missing:
        _add_keywords(rdf, name)
    added = tuple(dict.fromkeys((*keep, *missing)))
    left = None if is_empty(rdf) else serialize_packet(rdf)
    return PacketChange(left, left != data, tuple(ours), added, tuple(conflicts))


def remove_names(data: bytes, owned: OwnedNames) -> PacketChange:
    """Take regions and keywords of an earlier call out of a packet.

    Raises:
        RegionError: It cannot be read.
    """
    rdf = parse_packet(data)
    count = _remove(rdf, owned, owned.keywords)
    if not count:
        return PacketChange(data, False)
    return PacketChange(None if is_empty(rdf) else serialize_packet(rdf), True)


def holds_name(data: bytes, name: str) -> bool:
    """Whether a packet still has a region or a keyword of that name, whoever wrote it.

    Raises:
        RegionError: It cannot be read.
    """
    rdf, folded = parse_packet(data), name.casefold()
    regions = (region for _, region in _every_region(rdf))
    texts = (item.text or "" for prefixed, _, _ in TAG_FORMS for item in items_of(property_element(rdf, prefixed)))
    in_texts = any(folded in (part.casefold() for part in text.replace("|", "/").split("/")) for text in texts)
    return in_texts or any(region.name.casefold() == folded for region in regions)


@dataclass(frozen=True)
class _Done:
    """What a packet has already."""

    rdf: Element
    owned: OwnedNames

    def has(self, ours: Sequence[Region]) -> bool:
        """Whether exactly these regions of ours are in both lists of the packet."""
        lists = [list(_mwg(self.rdf)), list(_microsoft(self.rdf))]
        if not ours and not self.owned.regions:
            return True
        for found in lists:
            present = [region for _, region in found if _is_one_of(region, self.owned.regions)]
            if len(present) != len(ours) or not all(_is_one_of(region, present) for region in ours):
                return False
        return True


def _mwg(rdf: Element) -> Iterable[tuple[Element, Region]]:
    size = mwg_size(rdf)
    return [(item, region) for item in mwg_items(rdf) if (region := mwg_region(item, size)) is not None]


def _microsoft(rdf: Element) -> Iterable[tuple[Element, Region]]:
    return [(item, region) for item in microsoft_items(rdf) if (region := microsoft_region(item)) is not None]


def _every_region(rdf: Element) -> list[tuple[Element, Region]]:
    return [*_mwg(rdf), *_microsoft(rdf)]


def _regions_of_others(rdf: Element, owned: OwnedNames) -> list[Region]:
    return [region for _, region in _every_region(rdf) if not _is_one_of(region, owned.regions)]


def _is_one_of(region: Region, others: Iterable[Region]) -> bool:
    return any(
        region.name.casefold() == other.name.casefold() and box_iou(region.box, other.box) >= OURS_IOU
        for other in others
    )


def _remove(rdf: Element, owned: OwnedNames, keywords: Iterable[str]) -> int:
    """Remove our regions and these keywords, and lists that are empty then. Returns how many."""
    items = [item for item, region in _every_region(rdf) if _is_one_of(region, owned.regions)]
    for name in keywords:
        for prefixed, _, form in TAG_FORMS:
            items += [
                i for i in items_of(property_element(rdf, prefixed)) if (i.text or "").strip() == form.format(name)
            ]
    for item in items:
        remove_element(item)
    for prefixed, listed in (("mwg-rs:Regions", mwg_items), ("MP:RegionInfo", microsoft_items)):
        element = property_element(rdf, prefixed)
        if items and element is not None and not listed(rdf):
            remove_element(element)
    for prefixed, _, _ in TAG_FORMS:
        element = property_element(rdf, prefixed)
        if items and element is not None and not items_of(element):
            remove_element(element)
    return len(items)


def _remove_unnamed(rdf: Element, ours: Sequence[Region]) -> None:
    """Remove the unnamed regions of faces that get a name now."""
    for item, region in _every_region(rdf):
        if not region.name and any(box_iou(region.box, one.box) >= SAME_FACE_IOU for one in ours):
            remove_element(item)


def _add_regions(rdf: Element, regions: Sequence[Region], size: Size) -> None:
    if not regions:
        return
    whole = property_element(rdf, "mwg-rs:Regions")
    if whole is None:
        whole = add_property(rdf, "mwg-rs:Regions")
        whole.set(_rdf("parseType"), "Resource")
    if mwg_size(rdf) is None:
        old = field_element(whole, "mwg-rs:AppliedToDimensions")
        if old is not None:
            remove_element(old)
        applied = add_child(_fields_of(whole), "mwg-rs:AppliedToDimensions", parseType="Resource")
        for name, value in (("w", size[0]), ("h", size[1]), ("unit", "pixel")):
            add_child(applied, f"stDim:{name}", str(value))
    array = _array(whole, "mwg-rs:RegionList", "Bag")
    people = property_element(rdf, "MP:RegionInfo")
    if people is None:
        people = add_property(rdf, "MP:RegionInfo")
        people.set(_rdf("parseType"), "Resource")
    rectangles = _array(people, "MPRI:Regions", "Bag")
    for region in regions:
        _add_mwg(array, region)
        rectangle = add_child(rectangles, "rdf:li", parseType="Resource")
        add_child(rectangle, "MPReg:PersonDisplayName", region.name)
        add_child(rectangle, "MPReg:Rectangle", ", ".join(map(_number, region.box)))


def _add_mwg(array: Element, region: Region) -> None:
    x, y, w, h = region.box
    item = add_child(array, "rdf:li", parseType="Resource")
    area = add_child(item, "mwg-rs:Area", parseType="Resource")
    for name, value in (("x", x + w / 2), ("y", y + h / 2), ("w", w), ("h", h)):
        add_child(area, f"stArea:{name}", _number(value))
    add_child(area, "stArea:unit", "normalized")
    add_child(item, "mwg-rs:Name", region.name)
    add_child(item, "mwg-rs:Type", "Face")


def _array(structure: Element, prefixed: str, kind: str) -> Element:
    """The array in a field of a structure, made if there is none."""
    element = field_element(structure, prefixed)
    if element is None:
        element = add_child(_fields_of(structure), prefixed)
    found = array_of(element)
    return add_child(element, f"rdf:{kind}") if found is None else found


def _fields_of(structure: Element) -> Element:
    """The element that holds a structure's fields: itself, or the description nested in it."""
    nested = structure.find(_rdf("Description"))
    return structure if nested is None else nested


def _missing_keywords(rdf: Element, names: Sequence[str], owned: Sequence[str]) -> list[str]:
    """The names that no list of keywords has; names that another program listed stay its own."""
    missing = []
    for name in dict.fromkeys(names):
        there = [
            form.format(name) in [(item.text or "").strip() for item in items_of(property_element(rdf, prefixed))]
            for prefixed, _, form in TAG_FORMS
        ]
        if not any(there) or (name in owned and not all(there)):
            missing.append(name)
    return missing


def _add_keywords(rdf: Element, name: str) -> None:
    for prefixed, kind, form in TAG_FORMS:
        element = property_element(rdf, prefixed)
        if element is None:
            element = add_property(rdf, prefixed)
        array = array_of(element)
        if array is None:
            array = add_child(element, f"rdf:{kind}")
        if form.format(name) not in [(item.text or "").strip() for item in items_of(element)]:
            add_child(array, "rdf:li", form.format(name))


def _rdf(local: str) -> str:
    return f"{{{RDF}}}{local}"


def _number(value: float) -> str:
    return f"{value:.{DECIMALS}f}"
