"""Checks that every link within albums leads somewhere; again only for pages for which that may have changed.

After a check in which all did, a page is read again if it changed, or links to what is there no more. Of albums at a
URL (`counting_published`), only the pages over all years are read.
"""

import functools
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from classface_assets.albums.files import read_links, walk_folders
from classface_assets.albums.listing import has_file, is_counting_published

MOST_REMOVED = 20
"""With more files and folders removed at once it is quicker to read all pages than to search them for each."""
FileStamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass(frozen=True)
class AlbumListing:
    """What there is of albums.

    Attributes:
        pages: The pages, as paths below the albums folder, as they are.
        files: The names of the files in each folder below the albums folder.
    """

    pages: Mapping[str, FileStamp]
    files: Mapping[str, Set[str]]

    def contents(self) -> tuple[Mapping[str, FileStamp], dict[str, list[str]]]:
        """All of it, for a digest."""
        return self.pages, {folder: sorted(names) for folder, names in self.files.items()}


@dataclass(frozen=True)
class CheckedAlbum:
    """Albums in which every link led somewhere.

    Attributes:
        pages: The pages, as paths below the albums folder, as they were.
        files: The names of the files in each folder below the albums folder.
        fragments: Page → ids in it to which other pages link.
    """

    pages: Mapping[str, FileStamp]
    files: Mapping[str, Set[str]]
    fragments: Mapping[str, Set[str]]


@dataclass(frozen=True)
class LinkCheck:
    """What a check came to.

    Attributes:
        broken: The broken links, as `page: link`, sorted.
        read: How many pages were read.
        album: The albums as they were checked.
    """

    broken: list[str]
    read: int
    album: CheckedAlbum


def find_broken_links(out: Path) -> list[str]:
    """Links to missing files and fragments without an element of that id, as `page: link`, sorted."""
    return check_links(out).broken


def check_links(out: Path, before: CheckedAlbum | None = None, listed: AlbumListing | None = None) -> LinkCheck:
    """Check the links in the pages of albums.

    Args:
        out: The albums folder.
        before: The albums when all their links were checked and led somewhere; None to read every page.
        listed: What `list_album` just gave; None to list the folder.
    """
    listed = list_album(out) if listed is None else listed
    pages, files = listed.pages, listed.files
    found = _Links(out)
    some = list(pages) if before is None else _doubtful_pages(out, before, pages, files)
    for page in some:
        found.read(page)
    if before is not None and found.loses_ids(before.fragments, some):
        return check_links(out, listed=listed)
    known = {} if before is None else before.fragments
    fragments = {page: known.get(page, set()) | found.ids_of(page) for page in {*known, *found.fragments} & {*pages}}
    return LinkCheck(sorted(found.broken()), len(some), CheckedAlbum(pages, files, fragments))


@dataclass(eq=False)
class _Links:
    """What was read of some pages below `out`: links to missing files, and links to elements of other pages."""

    out: Path
    missing: list[str] = field(default_factory=list)
    fragments: defaultdict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))
    """Page → id in it → the links that lead there."""

    def __post_init__(self) -> None:
        self._root = os.path.realpath(self.out)
        self._exists = functools.cache(self._has)  # most links lead to a few hundred pages, over and over
        self._ids: dict[str, frozenset[str]] = {}

    def read(self, page: str) -> None:
        """Read a page, a path below the albums folder."""
        read = read_links(self._text(page))
        self._ids[page] = read.ids
        folder = page.rpartition("/")[0]
        for link in read.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path)
            target = os.path.normpath(f"{folder}/{path}" if folder else path) if path else page
            if target != page and not self._exists(target):
                self.missing.append(f"{page}: {link}")
            elif parts.fragment and is_album_page(target):
                self.fragments[target].setdefault(unquote(parts.fragment), []).append(f"{page}: {link}")

    def _has(self, target: str) -> bool:
        return os.path.exists(f"{self._root}/{target}") or has_file(self.out, target)  # noqa: PTH110

    def ids_of(self, page: str) -> set[str]:
        """The ids in a page to which other pages that were read link."""
        own = f"{page}: "
        links = self.fragments.get(page, {})
        return {one for one, sources in links.items() if any(not source.startswith(own) for source in sources)}

    def loses_ids(self, fragments: Mapping[str, Set[str]], pages: Iterable[str]) -> bool:
        """Whether one of these pages, which were read, lacks an id to which other pages link."""
        return any(not fragments.get(page, set()) <= self._ids[page] for page in pages)

    def broken(self) -> list[str]:
        """The broken links."""
        lacking = [
            source
            for page, links in self.fragments.items()
            for one, sources in links.items()
            if one not in self._ids_in(page)
            for source in sources
        ]
        return [*self.missing, *lacking]

    def _ids_in(self, page: str) -> frozenset[str]:
        if page not in self._ids:
            self._ids[page] = read_links(self._text(page)).ids
        return self._ids[page]

    def _text(self, page: str) -> str:
        return Path(self._root, page).read_text(encoding="utf-8")


def is_album_page(path: str) -> bool:
    """Whether a path below the albums folder is of a page; students' folders hold only photos."""
    match path.split("/"):
        case [name] | ["students" | "classes", name]:
            return name.endswith(".html")
        case ["years", _, "index.html"]:
            return True
    return False


def list_album(out: Path) -> AlbumListing:
    """Every file of albums, with the size and time of change of pages; of published ones, of those over all years."""
    above = len(str(out)) + 1
    pages: dict[str, FileStamp] = {}
    files: dict[str, set[str]] = {}
    without_years = is_counting_published(out)
    for folder, names in walk_folders(str(out)):
        below = folder[above:]
        if names:
            files[below] = set(names)
        for name in names:
            page = f"{below}/{name}" if below else name
            if name.endswith(".html") and is_album_page(page) and not (without_years and page.startswith("years/")):
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116
                pages[page] = status.st_size, status.st_mtime_ns
    return AlbumListing(dict(sorted(pages.items())), files)


def _doubtful_pages(
    out: Path, before: CheckedAlbum, pages: Mapping[str, FileStamp], files: Mapping[str, Set[str]]
) -> list[str]:
    """The pages that changed, and those that may link to what is there no more."""
    removed = _removed_paths(before.files, files)
    if len(removed) > MOST_REMOVED:
        return list(pages)
    changed = [page for page, stamp in pages.items() if before.pages.get(page) != stamp]
    if not removed:
        return changed
    names = [quote(path.rpartition("/")[2]).encode() for path in removed]
    others = (page for page in pages if before.pages.get(page) == pages[page])
    return [*changed, *(page for page in others if _contains_any((out / page).read_bytes(), names))]


def _removed_paths(before: Mapping[str, Set[str]], now: Mapping[str, Set[str]]) -> list[str]:
    """The folders that are no more, without what was in them, and the files that are no more in the others."""
    folders = {parent for folder in now for parent in _with_parents(folder)}
    gone = {next(one for one in _with_parents(folder) if one not in folders) for folder in {*before} - folders}
    left = {*before} & folders
    return [
        *sorted(gone),
        *(
            f"{folder}/{name}".lstrip("/")
            for folder in sorted(left)
            for name in before[folder] - now.get(folder, set())
        ),
    ]


def _with_parents(folder: str) -> list[str]:
    """A folder after those in which it lies: `a/b` as `a`, `a/b`."""
    parts = folder.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _contains_any(content: bytes, names: Sequence[bytes]) -> bool:
    return any(name in content for name in names)
