"""A ZIP file of photos as a stream: its size is known before, and the same photos give the same bytes again.

Nothing is compressed, since photos are already, so that a broken download can go on where it broke.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from zipstream import ZipStream

CHUNK = 1 << 20
EPOCH_NS = 315_619_200_000_000_000
"""1980-01-02, before which the ZIP format knows no dates: the date of files that are made for an export."""


class ArchiveChangedError(UserError):
    """A file changed while the ZIP file was being written."""


@dataclass(frozen=True)
class ArchiveFile:
    """A file on disk, and its name in the ZIP file."""

    name: str
    source: Path


class FileSignature(NamedTuple):
    """What the bytes of a ZIP file depend on, of one of its files: of the same signature they are the same.

    Attributes:
        source: The file's own name; that of a copy with covered faces tells which faces they are.
        size: In bytes.
        mtime_ns: When it last changed, in nanoseconds.
        mode: Its kind and permissions, which the ZIP file holds too.
    """

    source: str
    size: int
    mtime_ns: int
    mode: int


@dataclass(frozen=True)
class PlannedArchive:
    """A ZIP file that can be written.

    Attributes:
        files: What it holds, in this order.
        size: Of the ZIP file, in bytes.
        etag: Changes with its bytes, and is known without reading them.
        signatures: What each file was when the archive was planned.
    """

    files: tuple[ArchiveFile, ...]
    size: int
    etag: str
    signatures: tuple[FileSignature, ...]

    def stream(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (exclusive; None: to the end), in chunks of at most CHUNK.

        What lies before `start` is read, for its checksums, and skipped.

        Raises:
            ArchiveChangedError: A file is not what it was when the archive was planned.
        """
        stop, position, pending = self.size if end is None else end, 0, bytearray()
        try:
            self._require_unchanged()
            for piece in _zip_stream(self.files):
                following = position + len(piece)
                if following > start and position < stop:
                    pending += piece[max(start - position, 0) : stop - position]
                    if len(pending) >= CHUNK:
                        yield bytes(pending)
                        pending = bytearray()
                position = following
                if position >= stop:
                    break
            self._require_unchanged()
        except (OSError, RuntimeError) as error:
            raise ArchiveChangedError(
                f"A photo changed while the ZIP file was written ({error}); download it again."
            ) from error
        if pending:
            yield bytes(pending)

    def _require_unchanged(self) -> None:
        for file, signature in zip(self.files, self.signatures, strict=True):
            if _signature(file) != signature:
                raise RuntimeError(f"{file.name} is another file now")


def plan_archive(files: Sequence[ArchiveFile], content: bytes = b"") -> PlannedArchive:
    """Plan a ZIP file.

    Args:
        files: Its files, in order; their names must differ.
        content: What tells this export from another one with the same files, for the etag.

    Raises:
        OSError: One of them is not there.
    """
    signatures = tuple(map(_signature, files))
    described = [(file.name, *signature) for file, signature in zip(files, signatures, strict=True)]
    digest = hashlib.blake2b(content + repr(described).encode(), digest_size=16)
    return PlannedArchive(tuple(files), len(_zip_stream(files)), f'"{digest.hexdigest()}"', signatures)


def write_made_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that is made for an export, with the same date every time."""
    path = folder / name
    path.write_bytes(content)
    os.utime(path, ns=(EPOCH_NS, EPOCH_NS))
    return path


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The bytes that a Range header asks for, as (start, end), end exclusive; None where all are to be sent.

    Several ranges at once, and other units, are answered with everything (RFC 9110, 14.2).

    Raises:
        ValueError: It asks for none of `size` bytes.

    >>> parse_range("bytes=2-", 10), parse_range("bytes=-3", 10), parse_range("bytes=0-3", 10), parse_range("", 10)
    ((2, 10), (7, 10), (0, 4), None)
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    start, end = (int(first), int(last) + 1 if last else size) if first else (max(size - int(last), 0), size)
    if start >= size or (not first and int(last) == 0):
        raise ValueError("no byte of the file is in that range")
    return None if end <= start else (start, min(end, size))


def _signature(file: ArchiveFile) -> FileSignature:
    status = file.source.stat()
    return FileSignature(file.source.name, status.st_size, status.st_mtime_ns, status.st_mode)


def _zip_stream(files: Sequence[ArchiveFile]) -> "ZipStream":
    from zipstream import ZipStream

    stream = ZipStream(sized=True)
    for file in files:
        stream.add_path(str(file.source), file.name, recurse=False)
    return stream
