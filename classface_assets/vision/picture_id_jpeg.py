"""What the picture in a JPEG file is made of: tables, frame and scans of its first image (ITU-T T.81, annex B)."""

from collections.abc import Iterator

import numpy as np

from classface_assets.vision.picture_hash import BadStructureError, PictureHash, unpack

SOI, EOI, SOS, TEM, COM = 0xD8, 0xD9, 0xDA, 0x01, 0xFE
RESTARTS, APPLICATION = range(0xD0, 0xD8), range(0xE0, 0xF0)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JFIF, ADOBE = (0xE0, b"JFIF\0"), (0xEE, b"Adobe")
LOOKED_AT_ONCE = 1 << 18  # what fits into a core's cache


def add_jpeg(found: PictureHash, data: memoryview) -> None:
    """Every segment but comments and those of applications, and the scans. Of these others only which colours they make
    of the components counts. What comes after the first image does not: further frames, previews, videos.

    A file that is cut off counts to its end. Raises BadStructureError when no scan begins.
    """
    at, markers = 2, _Markers(data)
    jfif, transform, ids, scans = False, None, b"", 0
    while (at := markers.next(at)) < len(data):
        marker = data[at + 1]
        at += 2
        if marker == EOI:
            break
        if marker in (SOI, TEM, *RESTARTS):
            continue
        content = data[at + 2 : at + max(2, unpack(">H", data, at)[0])] if at + 2 <= len(data) else data[at:]
        at += 2 + len(content)
        if marker in APPLICATION:
            jfif |= marker == JFIF[0] and content[:5] == JFIF[1]
            if marker == ADOBE[0] and content[:5] == ADOBE[1] and len(content) >= 12:
                transform = content[11]
            continue
        if marker == COM:
            continue
        found.add(f"{marker:02x}", content)
        if marker in FRAMES:
            ids = bytes(content[6::3])
        if marker == SOS:
            end = markers.next(at)
            found.add("scan", data[at : _without_fill(data, at, end)])
            at, scans = end, scans + 1
    if not scans:
        raise BadStructureError("no scan begins")
    found.add("colours", colours(ids, jfif, transform).encode())


def colours(ids: bytes, jfif: bool, transform: int | None) -> str:
    """What the components of these ids are, as libjpeg tells it from the JFIF and Adobe segments (jdapimin.c)."""
    if len(ids) == 3:
        if jfif or (transform is None and ids != b"RGB"):
            return "YCbCr"
        return "RGB" if not transform else "YCbCr"
    if len(ids) == 4:
        return "CMYK" if not transform else "YCCK"
    return f"{len(ids)} components"


def _without_fill(data: memoryview, start: int, end: int) -> int:
    """The end of a scan without the 0xFF that may stand before the next marker."""
    while end > start and data[end - 1] == 0xFF and end < len(data):
        end -= 1
    return end


class _Markers:
    """The markers among the codes of scans: 0xFF followed by neither 0 nor a restart's code nor another 0xFF."""

    def __init__(self, data: memoryview) -> None:
        self._bytes = np.frombuffer(data, np.uint8)
        self._left = self._every()
        self._last = -1

    def next(self, at: int) -> int:
        """The first at `at` or behind; the end of the data where there is none. Asked for in rising order."""
        end = len(self._bytes)
        while self._last < min(at, end):
            self._last = next(self._left, end)
        return self._last

    def _every(self) -> Iterator[int]:
        for start in range(0, len(self._bytes) - 1, LOOKED_AT_ONCE):
            piece = self._bytes[start : start + LOOKED_AT_ONCE + 1]
            codes = piece[1:]
            places = np.flatnonzero((piece[:-1] == 0xFF) & (codes >= 0x01) & (codes < 0xFF))
            codes = codes[places]
            yield from (places[(codes < RESTARTS.start) | (codes >= RESTARTS.stop)] + start).tolist()
