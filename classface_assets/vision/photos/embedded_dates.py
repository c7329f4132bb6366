"""Reads the dates embedded in a picture, the most reliable first: EXIF, XMP and IPTC fields for when it was taken.

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
MAX_XMP_BYTES = 1 << 20  # the edits of a photo may fill megabytes; the dates come first


def read_embedded_dates(exif: Image.Exif, picture: Image.Image) -> Iterator[tuple[str, ParsedDate]]:
    """The dates of a picture.

    Args:
        exif: Its EXIF data.
        picture: The opened picture.

    Yields:
        Source (`exif`, `xmp` or `iptc`) and date, the most reliable first; XMP and IPTC are read only if EXIF has no
        date of the camera.
    """
    detail = exif.get_ifd(EXIF_IFD)
    by_camera = ((ORIGINAL, OFFSET_ORIGINAL), (DIGITIZED, OFFSET_DIGITIZED))
    dates = [_exif_date(detail.get(date), detail.get(offset, detail.get(OFFSET))) for date, offset in by_camera]
    yield from (("exif", moment) for moment in dates if moment)
    if not any(dates):
        yield from (("xmp", moment) for moment in _xmp_dates(_xmp_packet(picture)))
        yield from (("iptc", moment) for moment in _iptc_dates(picture))
    changed = _exif_date(exif.get(DATE), detail.get(OFFSET))
    if changed:
        yield "exif", changed


def _exif_date(date: object, offset: object) -> ParsedDate | None:
    parsed = parse_date(date)
    return ParsedDate(parsed.at, parse_utc_offset(str(offset or ""))) if parsed and offset else parsed


def _xmp_packet(picture: Image.Image) -> bytes:
    packet = picture.info.get("xmp") or b""
    if isinstance(packet, str):
        packet = packet.encode()
    return packet[:MAX_XMP_BYTES] if isinstance(packet, bytes) else b""


def _xmp_dates(packet: bytes) -> Iterator[ParsedDate]:
    """Dates in attributes or elements, searched as text: an XML parser would expand declared entities."""
    for name in XMP_PROPERTIES:
        found = re.search(re.escape(name) + rb"""\s*(?:=\s*["']|>)\s*([^"'<>]{4,40})""", packet)
        parsed = parse_date(found[1]) if found else None
        if parsed:
            yield parsed


def _iptc_dates(picture: Image.Image) -> Iterator[ParsedDate]:
    """Date Created (CCYYMMDD), with Time Created (HHMMSS±HHMM) if present."""
    try:
        values = IptcImagePlugin.getiptcinfo(picture) if isinstance(picture, ImageFile.ImageFile) else None
    except Exception:  # a damaged block counts as none
        values = None
    date, time = (_first_text((values or {}).get(dataset)) for dataset in (IPTC_DATE, IPTC_TIME))
    time_match = re.match(r"(\d\d)(\d\d)(\d\d)([+-]\d{4})?", time)
    clock = "{}:{}:{}{}".format(*(part or "" for part in time_match.groups())) if time_match else ""
    parsed = parse_date(f"{date} {clock}")
    if parsed:
        yield parsed


def _first_text(value: bytes | list[bytes] | None) -> str:
    first = value[0] if isinstance(value, list) else value
    return (first or b"").decode("latin-1")
