"""XMP packets as trees of RDF/XML: parsed safely, read in each of RDF's spellings, and written back.

ISO 16684-1 allows one structure to be written as attributes, as child elements of `rdf:parseType="Resource"`, or as a
nested `rdf:Description`; programs use all three. What is not asked for stays as it is, byte order and comments
included, so this works on lxml's tree and not on a model of XMP of its own.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element

from classface_assets.core.languages import gettext
from classface_assets.services.face_regions.metadata.model import RegionError

X: Final = "adobe:ns:meta/"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML: Final = "http://www.w3.org/XML/1998/namespace"
NAMESPACES: Final = {
    "x": X,
    "rdf": RDF,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "apple-fi": "http://ns.apple.com/faceinfo/1.0/",
}
MAX_PACKET_BYTES: Final = 20_000_000
"""Lightroom's packets have at most some hundred kilobytes; more is no metadata."""
_DECLARED = " ".join(
    f'xmlns:{prefix}="{NAMESPACES[prefix]}"'
    for prefix in ("dc", "lr", "digiKam", "mwg-rs", "stArea", "stDim", "MP", "MPRI", "MPReg")
)
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    f'<x:xmpmeta xmlns:x="{X}" x:xmptk="classface"><rdf:RDF xmlns:rdf="{RDF}">'
    f'<rdf:Description rdf:about="" {_DECLARED}/></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_ARRAYS = tuple(f"{{{RDF}}}{kind}" for kind in ("Bag", "Seq", "Alt"))
_RESERVED = (f"{{{RDF}}}", f"{{{XML}}}")


def name_of(prefixed: str) -> str:
    """The tag that lxml uses for `dc:subject`."""
    prefix, _, local = prefixed.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def parse_packet(data: bytes) -> Element:
    """The `rdf:RDF` element of a packet or sidecar, with its tree.

    Raises:
        RegionError: It is no XMP.
    """
    if len(data) > MAX_PACKET_BYTES:
        raise RegionError(gettext("its metadata is too large to be XMP"))
    # Packets in files are padded, and cameras end them with zeros.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data.strip(b"\0 \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError):
        raise RegionError(gettext("its XMP is damaged and cannot be read")) from None
    if root.getroottree().docinfo.doctype:
        raise RegionError(gettext("its XMP defines entities, which XMP never does"))
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f".//{{{RDF}}}RDF")
    if rdf is None:
        raise RegionError(gettext("it is no XMP: there is no RDF in it"))
    return rdf


def new_packet() -> Element:
    """The `rdf:RDF` element of a packet without any property."""
    return parse_packet(_PACKET.encode())


def serialize_packet(rdf: Element) -> bytes:
    """The packet with what surrounds it, in UTF-8."""
    tree = rdf.getroottree()
    return bytes(etree.tostring(tree, encoding="UTF-8", xml_declaration=tree.docinfo.standalone is not None))


def descriptions(rdf: Element) -> list[Element]:
    """The descriptions of the photo, which hold the properties."""
    return rdf.findall(f"{{{RDF}}}Description")


def is_empty(rdf: Element) -> bool:
    """Whether no property is left in a packet."""
    return not any(len(one) or _attributes(one) for one in descriptions(rdf))


def property_element(rdf: Element, prefixed: str) -> Element | None:
    """The element of a property, such as `dc:subject`; None where there is none."""
    found = (one.find(name_of(prefixed)) for one in descriptions(rdf))
    return next((element for element in found if element is not None), None)


def property_text(rdf: Element, prefixed: str) -> str:
    """The value of a simple property, written as an attribute or as an element; "" where there is none."""
    name = name_of(prefixed)
    for one in descriptions(rdf):
        if name in one.attrib:
            return str(one.attrib[name]).strip()
        element = one.find(name)
        if element is not None:
            return (element.text or "").strip()
    return ""


def add_property(rdf: Element, prefixed: str) -> Element:
    """A new element for a property, in the last description."""
    found = descriptions(rdf)
    description = found[-1] if found else etree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    return add_child(description, prefixed)


def add_child(parent: Element, prefixed: str, text: str | None = None, **attributes: str) -> Element:
    """A new element with the usual prefix; attributes are those of RDF, as `parseType`."""
    prefix = prefixed.partition(":")[0]
    child = etree.SubElement(parent, name_of(prefixed), nsmap={prefix: NAMESPACES[prefix]})
    child.text = text
    for name, value in attributes.items():
        child.set(f"{{{RDF}}}{name}", value)
    return child


def remove_element(element: Element) -> None:
    """Remove an element; the text after it, which is only white space in XMP, goes too."""
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def array_of(element: Element | None) -> Element | None:
    """The `rdf:Bag`, `rdf:Seq` or `rdf:Alt` right in a property."""
    if element is None:
        return None
    return next((child for child in element if child.tag in _ARRAYS), None)


def items_of(element: Element | None) -> list[Element]:
    """The items of an array property."""
    array = array_of(element)
    return [] if array is None else array.findall(f"{{{RDF}}}li")


def texts_of(element: Element | None) -> list[str]:
    """The items of an array of texts."""
    return [(item.text or "").strip() for item in items_of(element)]


def field_element(structure: Element | None, prefixed: str) -> Element | None:
    """The element of a structure's field, wherever RDF allows it to be."""
    name = name_of(prefixed)
    found = (level.find(name) for level in _levels(structure))
    return next((element for element in found if element is not None), None)


def field_text(structure: Element | None, prefixed: str) -> str:
    """The text of a structure's field, an attribute or an element; of a text in several languages the first one."""
    name = name_of(prefixed)
    for level in _levels(structure):
        if name in level.attrib:
            return str(level.attrib[name]).strip()
        element = level.find(name)
        if element is not None:
            languages = texts_of(element)
            return languages[0] if languages else (element.text or "").strip()
    return ""


def field_number(structure: Element | None, prefixed: str) -> float | None:
    """The number in a structure's field; None where there is none."""
    try:
        return float(field_text(structure, prefixed).replace(",", "."))
    except ValueError:
        return None


def _levels(structure: Element | None) -> Iterator[Element]:
    """A structure's own element, and the description nested in it."""
    if structure is not None:
        yield structure
        yield from structure.findall(f"{{{RDF}}}Description")


def _attributes(description: Element) -> list[str]:
    """The properties that are written as attributes."""
    return [str(name) for name in description.attrib if not str(name).startswith(_RESERVED)]
