"""Every page that the review server has, found from its routes, and how long each one takes.

The address of a page is its route, if that has no parameters, or the first link to it on another page.
"""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from classface_assets.review.pages.components.layout import PageRoute

STREAMS = ("/update/events",)
"""Pages whose response has no end."""
WITH_QUERY = ("/guesses",)
"""Pages that need a query."""
LIMIT_S = 0.3
_LINK = re.compile(r'(?:href|src|data-url|data-more)="(/[^"]*)"')


@dataclass(frozen=True)
class PageTime:
    """How long a page took, in seconds.

    Attributes:
        address: Path and query.
        status: Of the response.
        size: Of its body, in bytes.
        first: CPU time of the first request.
        changed: CPU time of the first request after a name was given.
        cpu: The least CPU time of the requests after it.
        wall: The least time of the requests after it, as a browser sees it.
    """

    address: str
    status: int
    size: int
    first: float
    changed: float
    cpu: float
    wall: float

    @property
    def is_page(self) -> bool:
        """Whether a page was returned, and no redirect or error."""
        return self.status == 200


@dataclass
class PageCrawl:
    """The pages of an app, by the links that lead to them.

    Attributes:
        app: The application.
        addresses: Route -> its address, of those that were found so far.
    """

    app: FastAPI
    addresses: dict[str, str] = field(default_factory=dict)

    def routes(self) -> list[APIRoute]:
        """The routes of pages, that are read and have an end."""
        found = [one.route for one in iter_route_contexts(self.app.routes) if isinstance(one.route, PageRoute)]
        return [one for one in found if "GET" in (one.methods or ()) and one.path not in STREAMS]

    def without_parameters(self) -> list[str]:
        """The addresses of the routes that have no parameters."""
        return self.add([one.path for one in self.routes() if "{" not in one.path and one.path not in WITH_QUERY])

    def add(self, links: list[str]) -> list[str]:
        """Those of the links that are the first to a page."""
        new = []
        for link in links:
            path = link.partition("?")[0].partition("#")[0]
            route = next((one for one in self.routes() if one.path_regex.fullmatch(path)), None)
            if route is not None and route.path not in self.addresses:
                self.addresses[route.path] = link
                new.append(link)
        return new

    def missing(self) -> list[str]:
        """The routes to which no link was found."""
        return [one.path for one in self.routes() if one.path not in self.addresses]


def measure_pages(
    crawl: PageCrawl, url: str, extra: list[str], change: Callable[[], object], repeats: int = 3
) -> Iterator[PageTime]:
    """Request every page, and follow the links to others.

    Args:
        crawl: The pages of the app that is served.
        url: Where it is served in this process, whose CPU time is measured.
        extra: More addresses, of pages that look otherwise with a query.
        change: Changes the archive, as when a name is given.
        repeats: How often a page is requested after the first time.
    """
    waiting = [*crawl.without_parameters(), *extra]
    crawl.add(extra)
    while waiting:
        address = waiting.pop(0)
        measured, body = measure_page(url, address, change, repeats)
        yield measured
        waiting += crawl.add([unescape(link) for link in _LINK.findall(body)])


def measure_page(url: str, address: str, change: Callable[[], object], repeats: int = 3) -> tuple[PageTime, str]:
    """Request a page several times; how long it took, and its text."""
    response, first, _ = _timed(lambda: fetch(url + address))
    change()
    changed = _timed(lambda: fetch(url + address))[1]
    again = [_timed(lambda: fetch(url + address))[1:] for _ in range(repeats)]
    cpu, wall = (min(column) for column in zip(*again, strict=True))
    measured = PageTime(address, response.status, len(response.body), first, changed, cpu, wall)
    return measured, response.body.decode(errors="replace")


@dataclass(frozen=True)
class Response:
    """A response; `location` is where it redirects to."""

    status: int
    body: bytes
    location: str = ""


def fetch(url: str, body: bytes | None = None, kind: str = "application/json") -> Response:
    """Send a request as a browser would; redirects are not followed."""
    headers = {"Content-Type": kind, "Accept": "text/html"}
    try:
        with _OPENER.open(urllib.request.Request(url, body, headers), timeout=300) as response:
            return Response(response.status, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, error.read(), error.headers.get("Location") or "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _timed(act: Callable[[], Response]) -> tuple[Response, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    response = act()
    return response, time.process_time() - cpu, time.perf_counter() - wall
