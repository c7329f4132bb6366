"""The hash that the pieces of a picture file go into, and how numbers and pieces are read off a file in memory.

Which pieces of which format count is in the modules picture_id_*.
"""

import hashlib
import struct
import uuid
from collections.abc import Iterator, Sequence

import xxhash

HASH_VERSION = b"picture 1"  # another one gives every picture another id
MAX_INLINE_BYTES = 4096


class BadStructureError(Exception):
    """A file whose pieces cannot be told apart as its format has them."""


class PictureHasher:
    """BLAKE2b (128 bits) of named pieces, each with its length; of longer ones it takes the XXH3 of 128 bits, which is
    quick, since the digest of the file has to go over the same bytes already."""

    def __init__(self, format_name: str) -> None:
        self._digest = hashlib.blake2b(format_name.encode(), digest_size=16, person=HASH_VERSION)

    def add(self, name: str, *content: bytes | memoryview) -> None:
        """One piece, in as many slices as it lies in: where they are cut does not count."""
        self.add_slices(name, content)

    def add_slices(self, name: str, slices: Sequence[bytes | memoryview]) -> None:
        length = sum(map(len, slices))
        self._digest.update(name.encode() + struct.pack("<Q", length))
        if length <= MAX_INLINE_BYTES:
            for part in slices:
                self._digest.update(part)
            return
        quick = xxhash.xxh3_128()
        for part in slices:
            quick.update(part)
        self._digest.update(quick.digest())

    def add_numbers(self, name: str, *numbers: int) -> None:
        self.add(name, ",".join(map(str, numbers)).encode())

    def id(self) -> str:
        """As a UUID."""
        return str(uuid.UUID(bytes=self._digest.digest()))


def unpack_at(layout: str, data: memoryview, at: int) -> tuple[int, ...]:
    """Numbers at a place in the data, as `struct` lays them out. Raises BadStructureError beyond the end."""
    try:
        return struct.unpack_from(layout, data, at)
    except (struct.error, OverflowError):
        raise BadStructureError("a number lies beyond the end") from None


def iso_boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each ISO box side by side in the data (ISO/IEC 14496-12 4.2); the last may be cut off."""
    at = 0
    while at + 8 <= len(data):
        (size,), kind, head = unpack_at(">I", data, at), bytes(data[at + 4 : at + 8]), 8
        if size == 1:
            (size,), head = unpack_at(">Q", data, at + 8), 16
        size = size or len(data) - at
        if size < head:
            raise BadStructureError("a box is smaller than its own head")
        yield kind, data[at + head : at + size]
        at += size
