"""Which files and folders albums have.

Albums that are published at a URL need not all lie in this machine's albums folder: another one may have made them.
"""

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PublishedFiles:
    """What of albums is published: files by their path below the albums folder, and what lies in each folder."""

    paths: frozenset[str]
    children: dict[str, set[str]]

    @staticmethod
    def of(paths: Collection[str]) -> "PublishedFiles":
        """The files of these paths."""
        children: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            while name not in (known := children.setdefault(folder, set())):
                known.add(name)
                if not folder:
                    break
                folder, _, name = folder.rpartition("/")
        return PublishedFiles(frozenset(paths), children)


_published: dict[Path, PublishedFiles] = {}
"""Albums folder → what of it is published at a URL, while albums are made there."""


@contextlib.contextmanager
def counting_published(out: Path, paths: Collection[str]) -> Iterator[None]:
    """Within it, what is published at a URL counts as there; and of the albums of years nothing else does.

    Args:
        out: The albums folder of this machine, whose albums of years may be older than what is published.
        paths: The published files, below it.
    """
    _published[out] = PublishedFiles.of(paths)
    try:
        yield
    finally:
        del _published[out]


def has_file(out: Path, path: str) -> bool:
    """Whether albums have a file: in the albums folder, or, within `counting_published`, at the URL."""
    published = _is_published(out, path)
    return (out / path).exists() if published is None else published


def _is_published(out: Path, path: str) -> bool | None:
    """Whether a file or folder is at the URL; None where what lies in the albums folder counts."""
    published = _published.get(out)
    if published is None:
        return None
    is_there = path in published.paths or path.rstrip("/") in published.children
    return is_there if is_there or path.startswith("years/") else None


def is_counting_published(out: Path) -> bool:
    """Whether what is published at a URL counts just now, so that the albums folder may lack files or have old ones."""
    return out in _published


def child_names(out: Path, folder: str) -> list[str]:
    """The names of files and folders in a folder of albums; none where there is no such folder."""
    published = _published.get(out)
    if published is not None:
        return sorted(published.children.get(folder, ()))
    return local_names(out / folder)


def local_names(folder: Path) -> list[str]:
    """The names of files and folders in a folder of this machine; none where there is no such folder."""
    return [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []


class FolderListing:
    """What the albums folder holds, each folder as it was when it was first asked for.

    Asking the disk for each of tens of thousands of files takes many times longer.
    """

    def __init__(self, out: Path) -> None:
        """Of the albums folder `out`; nothing is listed yet."""
        self.out = out
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether albums have a file or folder of this path; see `has_file`."""
        published = _is_published(self.out, path)
        if published is not None:
            return published
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = self._list(folder)
        if name in self._names[folder]:
            return True
        # A disk may list accents in another encoding than the one that it finds them by.
        return not name.isascii() and (self.out / path).exists()

    def _list(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(f"{self.out}/{folder}"))  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
