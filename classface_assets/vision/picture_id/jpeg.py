"""The pieces of a JPEG file that make up its picture: tables, frame and scans of its first image (ITU-T T.81, B)."""

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
SCAN_BLOCK_BYTES = 1 << 18  # fits into a core's cache


def add_jpeg(hasher: PictureHasher, data: memoryview) -> None:
    """Add every segment but comments and application data, and the scans.

    Of the application data only the colour space that it defines counts. What comes after the first image does not:
    further frames, previews, videos. A truncated file counts to its end.

    Raises:
        BadStructureError: No scan begins.
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
        hasher.add(f"{marker:02x}", content)
        if marker in FRAMES:
            frame, ids = marker, bytes(content[6::3])
        if marker == SOS:
            only = frame in SEQUENTIAL and content[:1] == bytes([len(ids)])
            end = markers.end_of_image(at) if only else markers.next(at)
            hasher.add("scan", data[at : _end_without_fill(data, at, end)])
            at, scans = end, scans + 1
    if not scans:
        raise BadStructureError("no scan begins")
    hasher.add("colours", component_colours(ids, jfif, transform).encode())


def component_colours(ids: bytes, jfif: bool, transform: int | None) -> str:
    """The colour space of the components, by the rules of libjpeg (jdapimin.c).

    Args:
        ids: The component ids.
        jfif: Whether there is a JFIF segment.
        transform: The transform flag of the Adobe segment, if there is one.
    """
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
    """The end of a scan without the fill bytes (0xFF) that may precede the next marker."""
    while end > start and data[end - 1] == 0xFF and end < len(data):
        end -= 1
    return end


class _MarkerScanner:
    """Finds markers after coded data: 0xFF followed by the code of a marker that is no restart."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._bytes = data, np.frombuffer(data, np.uint8)
        self._remaining = self._every()
        self._last = -1

    def next(self, at: int) -> int:
        """The first marker at `at` or later; the end of the data if there is none. To be called in rising order."""
        end = len(self._bytes)
        if at + 1 < end and self._data[at] == 0xFF and _is_marker(self._data[at + 1]):  # as after every segment
            return at
        while self._last < min(at, end):
            self._last = next(self._remaining, end)
        return self._last

    def end_of_image(self, at: int) -> int:
        """The first EOI at `at` or later, which ends a single scan; found in two thirds of the time of `next`.

        Pairs of bytes are compared as 16-bit numbers, first those at even offsets, then the others.
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
            if met.any():  # most blocks have none, and locating them takes twice as long
                places = np.flatnonzero(met)
                codes = piece[places + 1]
                marker = (codes != 0xFF) & ((codes < RESTARTS.start) | (codes >= RESTARTS.stop))
                yield from (places[marker] + start).tolist()
