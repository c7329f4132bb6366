"""Checksums inside Parquet files: of every column chunk, of the bytes between them, and of the footer.

They lie in a block of bytes between the last page and the footer, where readers of Parquet look for nothing, so every
reader reads such a file as before. A reader of this program checks the footer and the column chunks that it reads, no
more; over all of them no byte of a file is left out. Parquet's own page checksums leave out the footer and the pages'
headers, and Polars neither writes nor checks them.

The footer says that there is a block, and the block has the footer's checksum: neither can be lost unseen. The block
also says what the file is, so that two files of different kinds that were swapped are found out.
"""

import io
import json
import struct
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import xxhash

from classface_assets.core.languages import sentence

FLAG = "checksums"
"""The key in the file's metadata that says that there is a block of checksums."""
_BLOCK_MAGIC = b"CFSUMS01"
_PARQUET_MAGIC = b"PAR1"
_TAIL_BYTES = 64 << 10
_DIGEST_BYTES = 16


class ChecksumError(ValueError):
    """Bytes that are not those that were written; the text says which, to go on after `is damaged`."""


@dataclass(frozen=True)
class Segment:
    """A stretch of bytes with one checksum.

    Attributes:
        start: Its first byte.
        size: In bytes.
        digest: Hexadecimal, XXH3 of 128 bits: against damage, not against somebody who writes into the data folder.
        column: The column whose chunk it is; "" for bytes between the chunks.
    """

    start: int
    size: int
    digest: str
    column: str


def with_checksums(content: memoryview, kind: str) -> list[bytes | memoryview]:
    """A Parquet file with a block of checksums, as stretches that follow one another; what was written is not copied.

    Args:
        content: The file as it was written, with FLAG in its metadata.
        kind: What the file is, such as the asset whose part it is.
    """
    footer_at = _footer_start(bytes(content[-8:]), len(content))
    columns: list[str] = []
    segments: list[tuple[int, str, int]] = []
    at = 0
    for start, size, column in _column_chunks(content):
        if column not in columns:
            columns.append(column)
        if start > at:
            segments.append((start - at, _digest(content[at:start]), -1))
        segments.append((size, _digest(content[start : start + size]), columns.index(column)))
        at = start + size
    if footer_at > at:
        segments.append((footer_at - at, _digest(content[at:footer_at]), -1))
    payload = json.dumps(
        {"kind": kind, "columns": columns, "segments": segments, "footer": _digest(content[footer_at:])},
        separators=(",", ":"),
    ).encode()
    block = payload + bytes.fromhex(_digest(payload)) + struct.pack("<I", len(payload)) + _BLOCK_MAGIC
    return [content[:footer_at], block, content[footer_at:]]


class VerifiedFile(io.RawIOBase):
    """A Parquet file whose bytes are compared with their checksums before anybody gets them.

    Args:
        source: The file.
        kind: What it is to be.

    Raises:
        ChecksumError: It is no whole Parquet file, or its footer is damaged, or it is another file.
    """

    def __init__(self, source: BinaryIO, kind: str) -> None:
        super().__init__()
        self._source, self._at = source, 0
        self._size = source.seek(0, io.SEEK_END)
        self._tail_at = max(0, self._size - _TAIL_BYTES)
        self._tail = self._fetch(self._tail_at, self._size)
        footer_at = self._read_tail()
        self._starts = [segment.start for segment in self.segments]
        self._checked: set[int] = set()
        if self.segments and self._kind != kind:
            raise ChecksumError(f"it is a file of {self._kind} in the place of one of {kind}")
        if not self.segments and FLAG.encode() in self._tail[footer_at - self._tail_at :]:
            raise ChecksumError(sentence("its checksums are damaged"))

    @property
    def has_checksums(self) -> bool:
        """Whether there are any: older versions of this program wrote none."""
        return bool(self.segments)

    def check(self, columns: Collection[str] | None = None) -> None:
        """Check the chunks of some columns, or every byte.

        Raises:
            ChecksumError: They are damaged.
        """
        wanted = [n for n, one in enumerate(self.segments) if columns is None or one.column in columns]
        for number in wanted:
            self._check(number, number + 1)

    def damaged_columns(self) -> Iterator[tuple[Segment, bool]]:
        """Every segment, and whether it is damaged."""
        for segment in self.segments:
            yield segment, _digest(self._fetch(segment.start, segment.start + segment.size)) != segment.digest

    def read(self, size: int | None = -1) -> bytes:
        """Bytes from the current position on; the segments that they belong to are checked first."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(self._at, end)
        if start >= end:
            return b""
        if start >= self._tail_at and start >= self._data_end:
            return self._tail[start - self._tail_at : end - self._tail_at]
        if not self.segments:
            return self._fetch(start, end)
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, min(end, self._data_end) - 1)
        begin, content = self._check(first, last)
        whole = content if end <= begin + len(content) else content + self._fetch(begin + len(content), end)
        return whole[start - begin : end - begin]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the current position."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The current position."""
        return self._at

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def _check(self, first: int, last: int) -> tuple[int, bytes]:
        """The first byte and the content of some segments, from one request."""
        chosen = self.segments[first:last]
        begin = chosen[0].start
        content = self._fetch(begin, chosen[-1].start + chosen[-1].size)
        for number, segment in enumerate(chosen, first):
            if number in self._checked:
                continue
            if _digest(content[segment.start - begin : segment.start - begin + segment.size]) != segment.digest:
                raise ChecksumError(f"the checksum of {segment.column or 'its structure'} does not match")
            self._checked.add(number)
        return begin, content

    def _fetch(self, start: int, end: int) -> bytes:
        self._source.seek(start)
        return self._source.read(end - start)

    def _read_tail(self) -> int:
        """Where the footer starts; sets `segments`, and the end of what they cover."""
        footer_at = _footer_start(self._tail[-8:], self._size)
        self._read_back_to(max(0, footer_at - 12))
        before = self._tail[: footer_at - self._tail_at]
        self.segments: tuple[Segment, ...] = ()
        self._data_end = footer_at
        if not before.endswith(_BLOCK_MAGIC):
            return footer_at
        (size,) = struct.unpack("<I", before[-12:-8])
        start = footer_at - 12 - _DIGEST_BYTES - size
        if start < 0:
            raise ChecksumError(sentence("its checksums are damaged"))
        self._read_back_to(start)
        payload = self._tail[start - self._tail_at :][:size]
        stored = self._tail[start - self._tail_at + size :][:_DIGEST_BYTES].hex()
        if _digest(payload) != stored:
            raise ChecksumError(sentence("its checksums are damaged"))
        found = json.loads(payload)
        if _digest(self._tail[footer_at - self._tail_at :]) != found["footer"]:
            raise ChecksumError(sentence("the checksum of its footer does not match"))
        self._kind, self._data_end = str(found["kind"]), start
        self.segments = tuple(_segments(found["columns"], found["segments"]))
        if not self.segments or self.segments[-1].start + self.segments[-1].size != start:
            raise ChecksumError(sentence("bytes of it are missing, or too many"))
        return footer_at

    def _read_back_to(self, start: int) -> None:
        if start < self._tail_at:
            self._tail = self._fetch(start, self._tail_at) + self._tail
            self._tail_at = start


def _segments(columns: list[str], stored: list[tuple[int, str, int]]) -> Iterator[Segment]:
    at = 0
    for size, digest, column in stored:
        yield Segment(at, size, digest, columns[column] if column >= 0 else "")
        at += size


def _footer_start(end: bytes, size: int) -> int:
    """Where the footer starts, from the last 8 bytes of a Parquet file and its size."""
    if size < 12 or end[4:] != _PARQUET_MAGIC:
        raise ChecksumError(sentence("it is cut off, or no Parquet file"))
    start = size - 8 - struct.unpack("<I", end[:4])[0]
    if start < 4:
        raise ChecksumError(sentence("it is cut off, or no Parquet file"))
    return int(start)


def _column_chunks(content: memoryview) -> list[tuple[int, int, str]]:
    """First byte, size and column of every column chunk, in their order in the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(pa.BufferReader(content))
    found = []
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            starts = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page else [])]
            found.append((min(starts), chunk.total_compressed_size, chunk.path_in_schema.split(".")[0]))
    return sorted(found)


def _digest(content: bytes | memoryview) -> str:
    return xxhash.xxh3_128(content).hexdigest()
