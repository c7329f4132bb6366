"""Picasa's own files: faces in the `.picasa.ini` of a folder, and names in it or in `contacts.xml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from classface_assets.core.geometry import Box
from classface_assets.core.languages import gettext
from classface_assets.services.face_regions.metadata.formats import NO_NAMES
from classface_assets.services.face_regions.metadata.model import Region, RegionError, RegionSet, Standard

INI_NAMES = (".picasa.ini", "Picasa.ini", "picasa.ini")
CONTACTS_NAME = "contacts.xml"
NOBODY = "ffffffffffffffff"
"""The contact of a face that nobody has named."""
_FACE = re.compile(r"rect64\(([0-9a-fA-F]{1,16})\)\s*,\s*([0-9a-fA-F]+)")
_CROP = re.compile(r"rect64\(([0-9a-fA-F]{1,16})\)")
_HIGHEST = 0xFFFF


@dataclass(frozen=True)
class PicasaFolder:
    """What Picasa knows of the photos of one folder.

    Attributes:
        faces: File name, casefolded -> (contact, box as fractions of the photo as Picasa shows it) of each face.
        crops: File name, casefolded -> the part that Picasa shows.
        names: Contact -> name, from the ini.
    """

    faces: Mapping[str, tuple[tuple[str, Box], ...]] = field(default_factory=dict)
    crops: Mapping[str, Box] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def parse_rect64(text: str) -> Box | None:
    """The box of sixteen hexadecimal digits: left, top, right, bottom, each of 65535; leading zeros may be missing.

    >>> parse_rect64("3f845bcb59418507")
    (0.2481, 0.3586, 0.1005, 0.1611)
    """
    digits = text.rjust(16, "0")
    left, top, right, bottom = (int(digits[at : at + 4], 16) / _HIGHEST for at in (0, 4, 8, 12))
    if right <= left or bottom <= top:
        return None
    return round(left, 4), round(top, 4), round(right - left, 4), round(bottom - top, 4)


def parse_ini(data: bytes) -> PicasaFolder:
    """The faces in a `.picasa.ini`. Lines that are something else are passed over, as Picasa does."""
    section = ""
    faces: dict[str, tuple[tuple[str, Box], ...]] = {}
    crops: dict[str, Box] = {}
    names: dict[str, str] = {}
    for line in _decode(data).splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, separator, value = stripped.partition("=")
        if not separator or not section:
            continue
        if section in ("Contacts2", "Contacts"):
            names[_contact(key)] = value.partition(";")[0].strip()
        elif key == "faces":
            found = ((_contact(contact), parse_rect64(digits)) for digits, contact in _FACE.findall(value))
            faces[section.casefold()] = tuple((contact, box) for contact, box in found if box is not None)
        elif key == "crop" and (match := _CROP.search(value)) and (box := parse_rect64(match[1])):
            crops[section.casefold()] = box
    return PicasaFolder(faces, crops, names)


def parse_contacts(data: bytes) -> dict[str, str]:
    """The names in Picasa's `contacts.xml`, by contact.

    Raises:
        RegionError: It is no such file.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise RegionError(gettext("Picasa's contacts.xml is damaged and cannot be read")) from None
    named = ((one.get("id"), one.get("display") or one.get("name") or "") for one in root.iter("contact"))
    return {_contact(identifier): name.strip() for identifier, name in named if identifier and name.strip()}


def picasa_regions(folder: PicasaFolder, file_name: str, contacts: Mapping[str, str]) -> RegionSet | None:
    """The regions of one photo; None where Picasa knows no faces in it.

    Args:
        folder: The ini of its folder.
        file_name: The photo's name.
        contacts: Names from `contacts.xml`, for those that the ini lacks.
    """
    faces = folder.faces.get(file_name.casefold(), ())
    if not faces:
        return None
    named = [(folder.names.get(contact) or contacts.get(contact, ""), contact, box) for contact, box in faces]
    regions = tuple(
        Region(" ".join(name.split()), box)
        for name, contact, box in named
        if contact != NOBODY and name.strip().casefold() not in NO_NAMES
    )
    return RegionSet(
        regions,
        Standard.PICASA,
        "Picasa",
        unnamed=len(faces) - len(regions),
        crop=folder.crops.get(file_name.casefold()),
    )


def _contact(identifier: str) -> str:
    """Picasa leaves out leading zeros in some places and not in others."""
    return identifier.strip().casefold().lstrip("0")


def _decode(data: bytes) -> str:
    """Picasa 3 writes UTF-8; older versions the code page of Western Windows."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
