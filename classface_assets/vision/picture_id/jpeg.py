"""What the picture in a JPEG file is made of: tables, frame and scans of its first image (ITU-T T.81, annex B)."""

from collections.abc import Iterator

import numpy as np

from classface_assets.vision.picture_id.hashing import BadStructureError, PictureHasher, unpack_at

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
MIN_MARKER_CODE = 0xC0
EOI_PAIR = np.frombuffer(bytes([0xFF, EOI]), np.uint16)[0]
RESTARTS, APPLICATION = range(0xD0, 0xD8), range(0xE0, 0xF0)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SEQUENTIAL = frozenset((0xC0, 0xC1, 0xC9))  # one scan of all components is the whole image
JFIF, ADOBE = (0xE0, b"JFIF\0"), (0xEE, b"Adobe")
SCAN_BLOCK_BYTES = 1 << 18  # what fits into a core's cache


def add_jpeg(found: PictureHasher, data: memoryview) -> None:
    """Every segment but comments and those of applications, and the scans. Of these others only which colours they make
    of the components counts. What comes after the first image does not: further frames, previews, videos.

    A file that is cut off counts to its end. Raises BadStructureError when no scan begins.
    """
    at, markers = 2, _MarkerScanner(data)
    jfif, transform, frame, ids, scans = False, None, 0, b"", 0
    while (at := markers.next(at)) < len(data):
        marker = data[at + 1]
        at += 2
        if marker == EOI:
            break
        if marker == SOI:
            continue
        content = data[at + 2 : at + max(2, unpack_at(">H", data, at)[0])] if at + 2 <= len(data) else data[at:]
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
            frame, ids = marker, bytes(content[6::3])
        if marker == SOS:
            only = frame in SEQUENTIAL and content[:1] == bytes([len(ids)])
            end = markers.end_of_image(at) if only else markers.next(at)
            found.add("scan", data[at : _end_without_fill(data, at, end)])
            at, scans = end, scans + 1
    if not scans:
        raise BadStructureError("no scan begins")
    found.add("colours", component_colours(ids, jfif, transform).encode())


def component_colours(ids: bytes, jfif: bool, transform: int | None) -> str:
    """What the components of these ids are, as libjpeg tells it from the JFIF and Adobe segments (jdapimin.c)."""
    if len(ids) == 3:
        if jfif or (transform is None and ids != b"RGB"):
            return "YCbCr"
        return "RGB" if not transform else "YCbCr"
    if len(ids) == 4:
        return "CMYK" if not transform else "YCCK"
    return f"{len(ids)} components"


def _is_marker(code: int) -> bool:
    return MIN_MARKER_CODE <= code < 0xFF and code not in RESTARTS


def _end_without_fill(data: memoryview, start: int, end: int) -> int:
    """The end of a scan without the 0xFF that may stand before the next marker."""
    while end > start and data[end - 1] == 0xFF and end < len(data):
        end -= 1
    return end


class _MarkerScanner:
    """The markers among the codes of scans: 0xFF followed by the code of one that is no restart."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._bytes = data, np.frombuffer(data, np.uint8)
        self._left = self._every()
        self._last = -1

    def next(self, at: int) -> int:
        """The first at `at` or behind; the end of the data where there is none. Asked for in rising order."""
        end = len(self._bytes)
        if at + 1 < end and self._data[at] == 0xFF and _is_marker(self._data[at + 1]):  # as behind every segment
            return at
        while self._last < min(at, end):
            self._last = next(self._left, end)
        return self._last

    def end_of_image(self, at: int) -> int:
        """The first EOI at `at` or behind: all that a single scan is followed by, and found in two thirds of the time.

        Each pair of bytes is a number, first those that begin at even places, then the others.
        """
        for start in range(at, len(self._bytes) - 1, SCAN_BLOCK_BYTES):
            found = []
            for first in (start, start + 1):
                count = (min(start + SCAN_BLOCK_BYTES + 1, len(self._bytes)) - first) // 2
                met = np.frombuffer(self._bytes.data, np.uint16, count, first) == EOI_PAIR
                if met.any():
                    found.append(first + 2 * int(met.argmax()))
            if found:
                self._last = min(found)
                return self._last
        self._last = len(self._bytes)
        return self._last

    def _every(self) -> Iterator[int]:
        for start in range(0, len(self._bytes) - 1, SCAN_BLOCK_BYTES):
            piece = self._bytes[start : start + SCAN_BLOCK_BYTES + 1]
            met = (piece[:-1] == 0xFF) & (piece[1:] >= MIN_MARKER_CODE)
            if met.any():  # in most pieces there is none, and looking for their places takes twice as long
                places = np.flatnonzero(met)
                codes = piece[places + 1]
                marker = (codes != 0xFF) & ((codes < RESTARTS.start) | (codes >= RESTARTS.stop))
                yield from (places[marker] + start).tolist()
