"""The hash of the pieces of a picture file, and how numbers and boxes are read from a file in memory.

Which pieces of which format count is in the other modules of this folder.
"""

import hashlib
import struct
import uuid
from collections.abc import Iterator, Sequence

import xxhash

HASH_VERSION = b"picture 1"  # changing it changes the id of every picture
MAX_INLINE_BYTES = 4096


class BadStructureError(Exception):
    """A file whose structure is not that of its format."""


class PictureHasher:
    """BLAKE2b (128 bits) over named pieces and their lengths.

    A piece longer than MAX_INLINE_BYTES goes in as its 128-bit XXH3, which is fast: the digest of the whole file has to
    read the same bytes already.
    """

    def __init__(self, format_name: str) -> None:
        """`format_name` is hashed first: equal pieces of two formats are two pictures."""
        self._digest = hashlib.blake2b(format_name.encode(), digest_size=16, person=HASH_VERSION)

    def add(self, name: str, *content: bytes | memoryview) -> None:
        """Add a piece, given as one or more slices; where they are cut does not count."""
        self.add_slices(name, content)

    def add_slices(self, name: str, slices: Sequence[bytes | memoryview]) -> None:
        """Add a piece, as `add` does."""
        length = sum(map(len, slices))
        self._digest.update(name.encode() + struct.pack("<Q", length))
        if length <= MAX_INLINE_BYTES:
            for piece in slices:
                self._digest.update(piece)
            return
        fast = xxhash.xxh3_128()
        for piece in slices:
            fast.update(piece)
        self._digest.update(fast.digest())

    def add_numbers(self, name: str, *numbers: int) -> None:
        """Add a piece made of integers."""
        self.add(name, ",".join(map(str, numbers)).encode())

    def id(self) -> str:
        """The hash as a UUID."""
        return str(uuid.UUID(bytes=self._digest.digest()))


def unpack_at(layout: str, data: memoryview, offset: int) -> tuple[int, ...]:
    """The numbers at an offset, by a format of `struct`. Raises BadStructureError beyond the end of the data."""
    try:
        return struct.unpack_from(layout, data, offset)
    except (struct.error, OverflowError):
        raise BadStructureError("a number lies beyond the end") from None


def iso_boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each box in the data, one after another (ISO/IEC 14496-12 4.2); the last may be cut off."""
    offset = 0
    while offset + 8 <= len(data):
        (size,), kind, header = unpack_at(">I", data, offset), bytes(data[offset + 4 : offset + 8]), 8
        if size == 1:
            (size,), header = unpack_at(">Q", data, offset + 8), 16
        size = size or len(data) - offset
        if size < header:
            raise BadStructureError("a box is smaller than its own header")
        yield kind, data[offset + header : offset + size]
        offset += size
