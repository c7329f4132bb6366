"""Looks for links within the album that lead nowhere."""

import functools
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


def check_links(out: Path) -> list[str]:
    """Broken links as `page: link`: files that are not there, fragments that no element carries as its id."""
    pages = {os.path.realpath(page): _read(page) for page in _pages(out)}
    exists = functools.cache(os.path.exists)  # most links lead to a few hundred pages, over and over
    broken = []
    for page, read in pages.items():
        folder = Path(page).parent
        for link in read.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path)
            target = os.path.normpath(f"{folder}/{path}") if path else page
            lost = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids
            if lost or not exists(target):
                broken.append(f"{Path(page).relative_to(out.resolve()).as_posix()}: {link}")
    return sorted(broken)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, None] = {}
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links[value] = None
            elif name == "id" and value:
                self.ids.add(value)


def _pages(out: Path) -> list[Path]:
    """The album's own pages; students' folders hold only photos, and hidden folders are being built."""
    return [
        *out.glob("*.html"),
        *out.glob("students/*.html"),
        *(page for page in out.glob("years/*/index.html") if not page.parent.name.startswith(".")),
    ]


def _read(page: Path) -> _Links:
    links = _Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links
