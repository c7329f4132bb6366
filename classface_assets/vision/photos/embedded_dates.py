"""The dates that are embedded in a picture, the surest first: EXIF, XMP and IPTC, each in the places that say "taken".

Sources: Exif 3.0 (CIPA DC-008) 4.6; XMP specification part 1 and 2 (Adobe); IPTC-IIM 4.2, datasets 2:55 and 2:60.
"""

import re
from collections.abc import Iterator

from PIL import Image, ImageFile, IptcImagePlugin

from classface_assets.vision.photos.written_dates import ParsedDate, parse_date, parse_utc_offset

EXIF_IFD, DATE, ORIGINAL, DIGITIZED = 0x8769, 0x0132, 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
IPTC_DATE, IPTC_TIME = (2, 55), (2, 60)
XMP_PROPERTIES = (b"photoshop:DateCreated", b"exif:DateTimeOriginal", b"xmp:CreateDate", b"xap:CreateDate")
MAX_XMP_BYTES = 1 << 20  # edits of a photo may be recorded in megabytes; the dates come first


def read_embedded_dates(exif: Image.Exif, picture: Image.Image) -> Iterator[tuple[str, ParsedDate]]:
    """(exif | xmp | iptc, moment), the surest first; XMP and IPTC are only read when EXIF has no camera's date."""
    detail = exif.get_ifd(EXIF_IFD)
    by_camera = ((ORIGINAL, OFFSET_ORIGINAL), (DIGITIZED, OFFSET_DIGITIZED))
    found = [_exif_date(detail.get(date), detail.get(offset, detail.get(OFFSET))) for date, offset in by_camera]
    yield from (("exif", moment) for moment in found if moment)
    if not any(found):
        yield from (("xmp", moment) for moment in _xmp_dates(_xmp_packet(picture)))
        yield from (("iptc", moment) for moment in _iptc_dates(picture))
    changed = _exif_date(exif.get(DATE), detail.get(OFFSET))
    if changed:
        yield "exif", changed


def _exif_date(date: object, offset: object) -> ParsedDate | None:
    written = parse_date(date)
    return ParsedDate(written.at, parse_utc_offset(str(offset or ""))) if written and offset else written


def _xmp_packet(picture: Image.Image) -> bytes:
    packet = picture.info.get("xmp") or b""
    if isinstance(packet, str):
        packet = packet.encode()
    return packet[:MAX_XMP_BYTES] if isinstance(packet, bytes) else b""


def _xmp_dates(packet: bytes) -> Iterator[ParsedDate]:
    """As attributes or elements; read as text: a parser of XML would expand whatever entities a stranger declared."""
    for name in XMP_PROPERTIES:
        found = re.search(re.escape(name) + rb"""\s*(?:=\s*["']|>)\s*([^"'<>]{4,40})""", packet)
        written = parse_date(found[1]) if found else None
        if written:
            yield written


def _iptc_dates(picture: Image.Image) -> Iterator[ParsedDate]:
    """Date Created (CCYYMMDD) with Time Created (HHMMSS±HHMM) where it is there."""
    try:
        values = IptcImagePlugin.getiptcinfo(picture) if isinstance(picture, ImageFile.ImageFile) else None
    except Exception:  # a damaged block is as good as none
        values = None
    date, time = (_first_text((values or {}).get(dataset)) for dataset in (IPTC_DATE, IPTC_TIME))
    of_day = re.match(r"(\d\d)(\d\d)(\d\d)([+-]\d{4})?", time)
    clock = "{}:{}:{}{}".format(*(part or "" for part in of_day.groups())) if of_day else ""
    written = parse_date(f"{date} {clock}")
    if written:
        yield written


def _first_text(value: bytes | list[bytes] | None) -> str:
    first = value[0] if isinstance(value, list) else value
    return (first or b"").decode("latin-1")
