"""What a run has fetched of Parquet files at a URL, or has written there, so that it asks for no byte of them twice.

A version of a file is known by its path, size and checksum in the server's listing, so a file that somebody writes
anew is fetched anew. Only a process that runs assets reuses bytes, since a server that runs for months has no use for
them: until `reuse_fetched` is called every byte is fetched.
"""

import hashlib
import io
import threading
from collections import OrderedDict

from upath import UPath

from classface_assets.core.locations import FileEntry

MOST_BYTES = 64 << 20
"""That a process holds of all files together."""
MOST_BYTES_A_FILE = 8 << 20
WHOLE_BYTES = 256 << 10
"""A file of no more bytes is fetched in one piece: a request takes longer than these."""
FileVersion = tuple[str, int, str]
"""Path, size in bytes, and MD5 as the server lists it."""


class FetchedBytes:
    """Stretches of bytes of files, of which those go first that were not asked for for the longest time.

    Args:
        most: The most bytes of all files together; 0 to hold none.
    """

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._held: OrderedDict[FileVersion, list[tuple[int, bytes]]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, version: FileVersion, start: int, end: int) -> bytes | None:
        """The bytes from `start` to `end`; None where they are not held."""
        with self._lock:
            for at, content in self._held.get(version, ()):
                if at <= start and end <= at + len(content):
                    self._held.move_to_end(version)
                    return content[start - at : end - at]
        return None

    def put(self, version: FileVersion, start: int, content: bytes) -> None:
        """Hold bytes from `start` on."""
        if not version[2] or len(content) > min(self.most, MOST_BYTES_A_FILE):
            return
        with self._lock:
            self._held.setdefault(version, []).append((start, content))
            self._held.move_to_end(version)
            self._size += len(content)
            while self._size > self.most:
                _, dropped = self._held.popitem(last=False)
                self._size -= sum(len(one) for _, one in dropped)

    def clear(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            self._held.clear()
            self._size = 0


_FETCHED = FetchedBytes()


def reuse_fetched(most: int = MOST_BYTES) -> None:
    """From now on this process holds what it fetches and writes; 0 ends that."""
    _FETCHED.most = most
    if not most:
        _FETCHED.clear()


def hold_written(file: UPath, content: bytes) -> None:
    """Hold a file that this process has just written."""
    if len(content) <= min(_FETCHED.most, MOST_BYTES_A_FILE):
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        _FETCHED.put((str(file), len(content), md5), 0, content)


class ListedFile(io.RawIOBase):
    """A file at a URL as it was listed: its size takes no request, and each stretch of it one at the most.

    Args:
        entry: The file in a listing.
    """

    def __init__(self, entry: FileEntry) -> None:
        super().__init__()
        assert isinstance(entry.path, UPath)
        self._file, self._size, self._at = entry.path, entry.size, 0
        self._version = str(entry.path), entry.size, entry.md5
        self._last = (0, b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The current position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the current position."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Bytes from the current position on."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(self._at, end)
        if start >= end:
            return b""
        at, last = self._last
        if at <= start and end <= at + len(last):
            return last[start - at : end - at]
        content = _FETCHED.get(self._version, start, end)
        return self._fetch(start, end) if content is None else content

    def _fetch(self, start: int, end: int) -> bytes:
        first, last = (0, self._size) if self._size <= WHOLE_BYTES else (start, end)
        content = self._file.fs.cat_file(self._file.path, start=first, end=last)
        if len(content) == last - first:  # else it is another version, which the caller finds damaged
            _FETCHED.put(self._version, first, content)
            self._last = first, content
        return bytes(content[start - first : end - first])
